"""Handlers in native threads, the default of ``concurrent``, and events without a handler."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime import Namespace, Socket
from tests.clients import SocketClient
from tests.fakes import settle, wait_until
from tests.server.pair import Pair
from tests.worlds import MakeServer, ServerWorld


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a handler waits for in its thread."""
    gate = threading.Event()
    yield gate
    gate.set()


def acknowledgement(client: SocketClient, ack_id: int) -> Any:
    packet = client.receive()
    assert packet.startswith(f"3{ack_id}["), packet
    return json.loads(packet[2:])


# --- thread=True


def test_a_handler_in_a_thread_answers(each: Pair) -> None:
    here = threading.get_ident()

    @each.server.io.event(thread=True)
    def add(socket: Socket, one: int, two: int) -> tuple[int, bool]:
        return one + two, threading.get_ident() != here

    each.socket.on("own", lambda: threading.get_ident() != here, thread=True)
    assert each.client.call("add", 1, 2) == [3, True]
    assert each.client.call("own", ack_id=1) == [True]


def test_it_holds_up_its_own_client_only(each: Pair, gate: threading.Event) -> None:
    each.server.io.event("slow", thread=True)(lambda socket: gate.wait(20))
    each.server.io.event("next")(lambda socket: each.seen.append(socket))
    other = each.server.network.joined()
    each.client.emit("slow")
    each.client.emit("next")
    other.emit("next")
    wait_until(lambda: each.seen)
    settle()
    one, two = each.sockets
    assert each.seen == [two]
    gate.set()
    wait_until(lambda: each.seen == [two, one])


def test_a_concurrent_one_holds_up_nothing(each: Pair, gate: threading.Event) -> None:
    each.socket.on("slow", lambda: gate.wait(20) and "slow", concurrent=True, thread=True)
    each.socket.on("next", lambda: "at once")
    each.client.emit("slow", ack_id=1)
    assert each.client.call("next", ack_id=2) == ["at once"]
    gate.set()
    assert acknowledgement(each.client, 1) == ["slow"]


def test_one_in_a_thread_decides_for_all_handlers_of_its_event(each: Pair) -> None:
    here, seen = threading.get_ident(), list[bool]()

    def look(*args: Any) -> None:
        seen.append(threading.get_ident() != here)

    each.socket.on_any(look)
    each.socket.use(look)
    each.socket.on("event", look)
    each.server.io.event("event", thread=True)(look)
    assert each.client.call("event") == []
    assert seen == [True] * 4


def test_what_it_sends_comes_in_order_and_before_its_answer(each: Pair) -> None:
    io = each.server.io

    def talk() -> str:
        each.socket.join("room")
        each.socket.emit("one")
        io.to("room").emit("two")
        answer = each.socket.emit_with_ack("question", 20)
        io.emit("three", answer)
        return "four"

    each.socket.on("talk", talk, thread=True)
    each.client.emit("talk", ack_id=5)
    assert each.client.event() == ["one"]
    assert each.client.event() == ["two"]
    ack_id, _ = each.client.question()
    each.client.answer(ack_id, 22)
    assert each.client.event() == ["three", 22]
    assert acknowledgement(each.client, 5) == ["four"]
    assert "room" in each.socket.rooms


def test_the_next_event_sees_the_rooms_that_it_has_joined(each: Pair) -> None:
    each.socket.on("join", lambda room: each.socket.join(room), thread=True)
    each.socket.on("look", lambda room: room in each.socket.rooms)
    for number in range(10):
        each.client.emit("join", f"room {number}")
        assert each.client.call("look", f"room {number}", ack_id=number) == [True]


def test_what_it_raises_is_reported_and_its_client_stays(
    each: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    each.server.io.on_error(lambda *args: told.append(args))
    error = KeyError("of the thread")

    def fail() -> None:
        raise error

    each.socket.on("fail", fail, thread=True)
    each.socket.on("fine", lambda: "fine")
    each.client.emit("fail")
    assert each.client.call("fine") == ["fine"]
    assert told == [(error, each.socket, "fail")]
    assert "KeyError: 'of the thread'" in caplog.text


@pytest.mark.parametrize("name", ["connection", "connect"])
@pytest.mark.parametrize("concurrent", [None, True])
def test_connection_handlers_may_run_in_threads(
    server: ServerWorld, name: str, concurrent: bool | None
) -> None:
    here, seen = threading.get_ident(), list[Any]()

    @server.io.event(name, concurrent=concurrent, thread=True)
    def greet(socket: Socket) -> None:
        seen.append(threading.get_ident() != here)
        socket.emit("welcome")

    server.io.on("connection", lambda socket: seen.append("next"))
    assert server.network.joined().event() == ["welcome"]
    wait_until(lambda: len(seen) == 2)
    assert seen == ([True, "next"] if concurrent is None else seen)
    assert True in seen


def test_a_connection_handler_in_a_thread_that_refuses_ends_the_others(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    @server.io.event("connection", thread=True)
    def refuse(socket: Socket) -> None:
        raise ConnectionRefusedError

    server.io.on("connection", seen.append)
    server.network.joined()
    wait_until(lambda: not server.io.of("/").sockets)
    assert seen == []


@pytest.mark.parametrize("event", ["disconnecting", "disconnect"])
def test_handlers_of_the_end_may_run_in_threads(each: Pair, event: str) -> None:
    here = threading.get_ident()

    @each.server.io.event(event, thread=True)
    def gone(socket: Socket, reason: str) -> None:
        in_room = socket.id in socket.rooms
        each.seen.append((reason, threading.get_ident() != here, in_room))

    each.client.disconnect()
    wait_until(lambda: each.seen)
    assert each.seen == [("client namespace disconnect", True, event == "disconnecting")]


def test_a_handler_of_the_end_that_a_thread_adds_too_late_is_called(
    server: ServerWorld, gate: threading.Event
) -> None:
    seen: list[str] = []

    @server.io.event("connection", thread=True)
    def greet(socket: Socket) -> None:
        assert gate.wait(20)
        socket.on("disconnect", seen.append)

    client = server.network.joined()
    client.disconnect()
    wait_until(lambda: not server.io.of("/").sockets)
    gate.set()
    wait_until(lambda: seen)
    assert seen == ["client namespace disconnect"]


def test_events_that_wait_for_a_thread_are_dropped_with_their_client(
    each: Pair, gate: threading.Event
) -> None:
    def slow(number: int) -> None:
        each.seen.append(number)
        gate.wait(20)

    each.socket.on("slow", slow, thread=True)
    each.client.emit("slow", 1)
    each.client.emit("slow", 2)
    wait_until(lambda: each.seen)
    each.socket.disconnect()
    gate.set()
    settle()
    wait_until(lambda: not each.server.io.of("/").sockets)
    assert each.seen == [1]


def test_the_option_bounds_the_threads(make_server: MakeServer, gate: threading.Event) -> None:
    server = make_server(max_threads=2)
    running: list[int] = []

    @server.io.event(concurrent=True, thread=True)
    def slow(socket: Socket, number: int) -> int:
        running.append(number)
        gate.wait(20)
        return number

    client = server.network.joined()
    for number in range(5):
        client.emit("slow", number, ack_id=number)
    wait_until(lambda: len(running) == 2)
    settle()
    assert len(running) == 2
    gate.set()
    assert sorted(client.receive()[2:] for _ in range(5)) == [f"[{n}]" for n in range(5)]


def test_a_class_chooses_threads_where_it_registers(server: ServerWorld) -> None:
    here = threading.get_ident()

    class Reports(Namespace):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.event("report", self.make_report, thread=True)
            self.fallback(self.unknown)

        def make_report(self, socket: Socket, year: int) -> Any:
            return [year, threading.get_ident() != here]

        def unknown(self, socket: Socket, event: str, *args: Any) -> Any:
            return f"no {event}"

        def on_fallback(self, socket: Socket) -> str:
            return "an event like others"

    server.io.register(Reports("/reports"))
    client = server.network.joined(namespace="/reports")
    client.send('2/reports,1["report",2020]')
    assert client.receive() == "3/reports,1[[2020,true]]"
    client.send('2/reports,2["x",1]')
    assert client.receive() == '3/reports,2["no x"]'
    client.send('2/reports,3["fallback"]')
    assert client.receive() == '3/reports,3["an event like others"]'


# --- the default of concurrent


def holds_up(world: ServerWorld, register: Callable[[Any], object]) -> bool:
    """Whether an event waits for the handler that ``register`` has registered."""
    release, seen = Event(), list[str]()

    def slow(*args: Any) -> None:
        seen.append("slow")
        release.wait()

    register(slow)
    world.io.event("quick", concurrent=False)(lambda socket: seen.append("quick"))
    client = world.network.joined()
    settle()
    client.emit("slow")
    client.emit("quick")
    wait_until(lambda: "slow" in seen)
    settle()
    held = "quick" not in seen
    release.set()
    wait_until(lambda: "quick" in seen)
    return held


WAYS: dict[str, Callable[..., object]] = {
    "event": lambda io, own, fn: io.event("slow", concurrent=own)(fn),
    "socket": lambda io, own, fn: io.on(
        "connection", lambda socket: socket.on("slow", fn, concurrent=own)
    ),
    "fallback": lambda io, own, fn: io.fallback(concurrent=own)(fn),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("own", [None, False, True])
def test_a_registration_wins_over_the_default(
    make_server: MakeServer, default: bool, own: bool | None, how: str
) -> None:
    world = make_server(concurrent=default)
    held = holds_up(world, lambda function: WAYS[how](world.io, own, function))
    assert held == (not (default if own is None else own))


def test_children_and_classes_have_the_default(make_server: MakeServer) -> None:
    io: Any = make_server(concurrent=True).io
    io.of(re.compile("room"))
    assert io.of("/room-1").adapter.namespace.concurrent
    assert io.register(Namespace("/class")).adapter.namespace.concurrent


def test_connection_handlers_are_not_concurrent_by_default(make_server: MakeServer) -> None:
    world = make_server(concurrent=True)
    seen: list[str] = []

    @world.io.event
    def connection(socket: Socket) -> None:
        settle()
        socket.on("early", lambda: seen.append("early"))

    client = world.network.client()
    client.line.send("40", '42["early"]')
    wait_until(lambda: seen)


# --- events without a handler


def test_an_event_without_a_handler_has_a_fallback(each: Pair) -> None:
    @each.server.io.fallback
    def others(socket: Socket, event: str, *args: Any) -> Any:
        each.seen.append((socket.id, event, *args))
        return "from", event

    each.socket.on("known", lambda: "known")
    assert each.client.call("unknown", 1, "x") == ["from", "unknown"]
    assert each.client.call("known", ack_id=1) == ["known"]
    each.client.emit("quiet")
    settle()
    sid = each.socket.id
    assert each.seen == [(sid, "unknown", 1, "x"), (sid, "quiet")]


def test_catch_all_listeners_and_middlewares_see_it_first(each: Pair) -> None:
    each.socket.on_any(lambda *args: each.seen.append(("any", *args)))
    each.socket.use(lambda event, args: args.append("added"))
    each.server.io.fallback(lambda socket, *args: each.seen.append(("fallback", *args)))
    each.client.emit("event", 1)
    settle()
    assert each.seen == [("any", "event", 1), ("fallback", "event", 1, "added")]


def test_several_are_called_in_order_and_the_first_result_answers(each: Pair) -> None:
    for number in (None, 2, 3):
        each.server.io.fallback(lambda socket, event, number=number: number)
    assert each.client.call("event") == [2]


def test_it_may_answer_later(each: Pair) -> None:
    @each.server.io.fallback
    def later(socket: Socket, event: str, *, ack: Any) -> None:
        ack(event, "later")

    assert each.client.call("event") == ["event", "later"]


def test_what_a_fallback_raises_is_reported(each: Pair, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []
    each.server.io.on_error(lambda error, socket, event: told.append((repr(error), socket, event)))

    @each.server.io.fallback
    def fail(socket: Socket, event: str) -> None:
        raise KeyError(event)

    each.client.emit("event")
    settle()
    assert told == [("KeyError('event')", each.socket, "event")]
    assert "KeyError: 'event'" in caplog.text


def test_it_belongs_to_its_namespace(server: ServerWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.io.fallback(namespace="/chat")(lambda socket, event: f"chat {event}")

    @server.io.of("/other").fallback
    def other(socket: Socket, event: str) -> str:
        return f"other {event}"

    client = server.network.client()
    for name in ("/", "/chat", "/other"):
        client.connect(name)
    for name, short in (("/chat", "chat"), ("/other", "other")):
        client.send(f'2{name},1["e"]')
        assert client.receive() == f'3{name},1["{short} e"]'
    assert "has no handler" not in caplog.text
    client.emit("e")
    settle()
    assert "has no handler" in caplog.text


def test_children_have_those_of_their_parent(server: ServerWorld) -> None:
    server.io.of(re.compile("room")).fallback(lambda socket, event: f"{socket.nsp.name} {event}")
    client = server.network.joined(namespace="/room-1")
    client.send('2/room-1,1["e"]')
    assert client.receive() == '3/room-1,1["/room-1 e"]'


def test_a_fallback_may_run_in_a_thread(each: Pair) -> None:
    here = threading.get_ident()
    each.server.io.fallback(thread=True)(lambda socket, event: threading.get_ident() != here)
    assert each.client.call("event") == [True]
