"""Servers of one cluster: when they listen, and what they say to each other."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime import ClusterTimeout, Namespace
from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.server.server import BaseServer
from flask_realtime.testing.fakes import FakeBus
from tests.clients import Later
from tests.fakes import settle, wait_until
from tests.ids import case
from tests.loop.test_hub import Outcome, Owner
from tests.server.together import Together
from tests.worlds import MakeServer


@pytest.fixture
def two(make_server: MakeServer) -> Together:
    return Together(make_server)


# --- when they listen


class Started:
    """A server whose adapters have fake buses, by namespace."""

    def __init__(self) -> None:
        self.buses: dict[str, list[FakeBus]] = {}
        self.io = BaseServer(adapter=self._make)

    def _make(self, namespace: Any) -> ClusterAdapter:
        bus = FakeBus()
        self.buses.setdefault(namespace.name, []).append(bus)
        return ClusterAdapter(namespace, bus)

    def counts(self) -> dict[str, list[tuple[int, int]]]:
        """How often each bus was started and closed."""
        return {
            name: [(bus.starts, bus.closes) for bus in buses] for name, buses in self.buses.items()
        }


def test_nobody_listens_before_the_start() -> None:
    server = Started()
    server.io.of("/chat")
    assert server.counts() == {"/": [(0, 0)], "/chat": [(0, 0)]}


def test_all_namespaces_listen_from_the_start_on_and_once() -> None:
    server = Started()
    server.io.of("/chat")
    for _ in range(3):
        server.io.start()
    server.io.of("/later")
    server.io.register(Namespace("/last"))
    server.io.of("/chat")
    assert server.counts() == {name: [(1, 0)] for name in ("/", "/chat", "/later", "/last")}


@pytest.mark.parametrize("started", [True, False])
def test_a_namespace_that_takes_the_place_of_the_main_one_closes_its_adapter(started: bool) -> None:
    server = Started()
    if started:
        server.io.start()
    server.io.register(Namespace("/"))
    assert server.counts() == {"/": [(int(started), 1), (int(started), 0)]}


def test_another_adapter_closes_the_one_before() -> None:
    server = Started()
    server.io.configure({})
    assert server.counts() == {"/": [(0, 1)]}


def test_the_end_of_the_server_closes_each_adapter_once() -> None:
    server = Started()
    server.io.of("/chat")
    server.io.start()
    server.io.close()
    server.io.close_adapters()
    server.io.close_adapters()
    assert server.counts() == {"/": [(1, 1)], "/chat": [(1, 1)]}


def test_a_process_that_was_forked_listens_for_itself() -> None:
    server = Started()
    server.io.start()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # no test runs here
        try:
            server.io.start()
            server.io.start()
            os.write(write, str(server.counts()["/"]).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    # Not until its end: gevent closes a descriptor a little later.
    assert os.read(read, 100) == b"[(2, 0)]"
    os.close(read)
    server.io.start()
    assert server.counts() == {"/": [(1, 0)]}


def test_a_server_that_has_not_started_says_so_when_it_is_asked_for_others(
    make_server: MakeServer,
) -> None:
    together = Together(make_server, start=False)
    io = together.servers[0]
    for ask in (io.fetch_sockets, lambda: io.emit_with_ack("a"),
                lambda: io.server_side_emit_with_ack("a")):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"start\(\)"):
            ask()
    io.emit("a")
    together.servers[1].start()
    assert together.servers[1].fetch_sockets() == []  # who has not started is not asked
    assert together.servers[1].emit_with_ack("a") == []


# --- server-side emits


def test_the_listeners_of_the_other_servers_are_called(two: Together) -> None:
    heard: list[Any] = []
    for number, server in enumerate(two.servers):
        server.on("hello", lambda *args, number=number: heard.append((number, *args)))
    two.servers[0].server_side_emit("hello", 1, {"a": [None]})
    wait_until(lambda: heard)
    settle()
    assert heard == [(1, 1, {"a": [None]})]


def test_a_listener_for_once_is_called_once(two: Together) -> None:
    heard: list[Any] = []
    two.servers[1].once("hello", heard.append)
    for number in range(2):
        two.servers[0].server_side_emit("hello", number)
    settle()
    assert heard == [0]


def test_namespaces_are_apart(two: Together) -> None:
    heard: list[Any] = []
    for server in two.servers:
        server.of("/chat")
    two.servers[1].on("hello", lambda: heard.append("/"))
    two.servers[1].of("/chat").on("hello", lambda: heard.append("/chat"))
    two.servers[0].of("/chat").server_side_emit("hello")
    settle()
    assert heard == ["/chat"]


def test_the_first_listener_answers_and_all_are_called(two: Together) -> None:
    heard: list[str] = []
    two.servers[1].on("ask", lambda value: {"first": value})
    two.servers[1].on("ask", lambda value: heard.append("second"))
    assert two.servers[0].server_side_emit_with_ack("ask", 7) == [{"first": 7}]
    assert heard == ["second"]


def test_a_server_answers_once_however_many_listeners_it_has(two: Together) -> None:
    answers: list[Any] = []
    for number in range(3):
        two.servers[1].on("ask", lambda number=number: number)
    two.servers[1].sockets.adapter.namespace.on_server_side_emit(["ask"], answers.append)
    settle()
    assert answers == [0]


def test_a_listener_that_returns_nothing_answers_none(two: Together) -> None:
    two.servers[1].on("ask", lambda: None)
    assert two.servers[0].server_side_emit_with_ack("ask") == [None]


def test_a_listener_that_fails_answers_nothing_and_is_reported(two: Together) -> None:
    told: list[Any] = []

    @two.servers[1].on_error
    def failed(error: Exception, socket: Any, event: str) -> None:
        told.append((str(error), socket, event))

    @two.servers[1].on("ask")
    def ask() -> None:
        raise LookupError("lost")

    with pytest.raises(ClusterTimeout) as caught:
        two.servers[0].server_side_emit_with_ack("ask", timeout=0.1)
    assert (caught.value.responses, caught.value.missing) == ([], 1)
    assert told == [("lost", None, "ask")]


def test_a_server_without_a_listener_does_not_answer(make_server: MakeServer) -> None:
    together = Together(make_server, 3)
    together.servers[2].on("ask", lambda: "here")
    with pytest.raises(ClusterTimeout, match="1 of 2 servers") as caught:
        together.servers[0].server_side_emit_with_ack("ask", timeout=0.1)
    assert caught.value.responses == ["here"]


def test_an_answer_that_cannot_be_carried_is_none(
    two: Together, caplog: pytest.LogCaptureFixture
) -> None:
    two.servers[1].on("ask", object)
    with pytest.raises(ClusterTimeout):
        two.servers[0].server_side_emit_with_ack("ask", timeout=0.1)
    assert "cannot be sent" in caplog.text


def test_a_listener_that_blocks_keeps_nobody_waiting(two: Together) -> None:
    release, heard = Event(), list[str]()

    @two.servers[1].on("slow")
    def slow() -> str:
        release.wait()
        return "slow"

    two.servers[1].on("fast", lambda: heard.append("fast"))
    asking = Later(two.servers[0].server_side_emit_with_ack, "slow")
    two.servers[0].server_side_emit("fast")
    wait_until(lambda: heard)
    assert not asking.is_done
    release.set()
    assert asking.wait() == ["slow"]


def test_an_ack_is_called_with_the_answers_in_a_greenlet_of_its_own(two: Together) -> None:
    told: list[Any] = []
    two.servers[1].on("ask", lambda: "yes")
    two.servers[0].server_side_emit("ask", ack=lambda *args: told.append(args))
    assert told == []
    wait_until(lambda: told)
    assert told == [(None, ["yes"])]


@pytest.mark.parametrize("alone", [True, False])
def test_an_ack_that_fails_is_reported_like_a_handler(make_server: MakeServer, alone: bool) -> None:
    io = make_server().io if alone else Together(make_server, 1).servers[0]
    told: list[str] = []
    io.on_error(lambda error, socket, event: told.append(str(error)))

    def ack(error: Any, answers: list[Any]) -> None:
        raise LookupError("lost")

    io.server_side_emit("ask", ack=ack)
    wait_until(lambda: told)
    assert told == ["lost"]


@pytest.mark.parametrize("value", [object(), math.nan, {1, 2}], ids=case)
@pytest.mark.parametrize("alone", [True, False])
def test_what_cannot_be_carried_raises(make_server: MakeServer, value: Any, alone: bool) -> None:
    io = make_server().io if alone else Together(make_server).servers[0]
    with pytest.raises((TypeError, ValueError)):
        io.server_side_emit("hello", value)
    with pytest.raises((TypeError, ValueError)):
        io.server_side_emit_with_ack("hello", value)


@pytest.mark.parametrize("name", [None, 1, b"a"])
def test_the_name_of_an_event_is_a_string(two: Together, name: Any) -> None:
    for emit in (two.servers[0].server_side_emit, two.servers[0].server_side_emit_with_ack):
        with pytest.raises(TypeError, match="must be a string"):
            emit(name)


@pytest.mark.parametrize("timeout", [0, -1, None, "1", math.inf, math.nan])
def test_the_timeout_is_a_number_of_seconds(two: Together, timeout: Any) -> None:
    with pytest.raises(ValueError, match="above 0"):
        two.servers[0].server_side_emit_with_ack("ask", timeout=timeout)


@pytest.mark.parametrize("name", ["connection", "connect", "new_namespace"])
def test_names_of_the_server_are_not_for_others_to_say(two: Together, name: str) -> None:
    heard: list[Any] = []
    for server in two.servers:
        server.on(name, heard.append)
    two.servers[1].sockets.adapter.namespace.on_server_side_emit([name, "forged"], heard.append)
    settle()
    assert heard == []


def test_other_threads_may_emit_to_servers(two: Together) -> None:
    heard: list[Any] = []
    here, there = two.servers
    two.join(0)  # the first request binds the thread
    there.on("hello", heard.append)
    there.on("ask", lambda value: value + 1)
    value = [1]

    def emit() -> Any:
        here.server_side_emit("hello", value)
        value.append(2)
        return here.server_side_emit_with_ack("ask", 41)

    assert Outcome(emit).wait() == [42]
    assert heard == [[1]]


def test_a_mistake_in_another_thread_raises_there(two: Together) -> None:
    two.join(0)
    with pytest.raises(TypeError):
        Outcome(lambda: two.servers[0].server_side_emit("hello", object())).wait()
    with pytest.raises(ClusterTimeout):
        Outcome(lambda: two.servers[0].server_side_emit_with_ack("ask", timeout=0.05)).wait()


def test_a_server_of_a_cluster_does_not_move_to_another_thread() -> None:
    """What it listens with has ended with the hub that it was on."""
    server = Started()
    Owner(server.io.hub).end()
    with pytest.raises(RuntimeError, match="make a new server"):
        server.io.hub.bind()
    server.io.close()
    assert server.io.engine.is_closed
