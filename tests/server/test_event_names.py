"""Names under which nothing can ever come are refused; events without a handler are noted."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime import Namespace, ParentNamespace, Server
from flask_realtime.server.listening import Listening, Registered
from tests.clients import SocketClient
from tests.fakes import settle
from tests.server.pair import Pair
from tests.server.rooms import ROOM
from tests.server.together import Together
from tests.worlds import MakeServer, ServerWorld

NEVER_FROM_SERVERS = [
    "disconnect", "disconnecting", "connect_error", "newListener", "removeListener", "*",
]  # fmt: skip
NEVER_FROM_CLIENTS = ["connect_error", "newListener", "removeListener", "*"]


@pytest.mark.parametrize("name", NEVER_FROM_SERVERS)
@pytest.mark.parametrize("word", ["on", "once", "prepend_listener", "prepend_once_listener"])
def test_a_server_takes_no_listener_that_is_never_called(name: str, word: str) -> None:
    io = Server()
    for owner in (io, io.of("/chat"), io.of(ROOM)):
        with pytest.raises(ValueError, match="never"):
            getattr(owner, word)(name, print)
        with pytest.raises(ValueError, match="never"):
            getattr(owner, word)(name)
        assert owner.listeners(name) == []


@pytest.mark.parametrize("name", ["disconnect", "disconnecting"])
def test_the_end_of_a_socket_is_heard_at_io_event(name: str) -> None:
    with pytest.raises(ValueError, match=rf'io\.event\("{name}"\)'):
        Server().on(name, print)


@pytest.mark.parametrize("name", NEVER_FROM_CLIENTS)
def test_no_handler_is_taken_that_is_never_called(name: str) -> None:
    io: Any = Server()
    places: list[Callable[[], Any]] = [
        lambda: io.event(name)(print),
        lambda: io.event(name, namespace="/chat")(print),
        lambda: io.event(name, namespace=ROOM)(print),
    ]
    for register in places:
        with pytest.raises(ValueError, match="never"):
            register()


def test_a_star_is_not_every_event() -> None:
    io = Server()
    places: list[Callable[[], Any]] = [
        lambda: io.on("*"), lambda: io.event("*"), lambda: Listening(Registered()).on("*"),
        lambda: Listening(Registered()).once("*"),
        lambda: Listening(Registered()).prepend_listener("*", print),
    ]  # fmt: skip
    for register in places:
        with pytest.raises(ValueError, match=r"socket\.on_any"):
            register()


def test_a_class_cannot_have_such_a_handler_either() -> None:
    class Chat(Namespace):
        def on_connect_error(self, socket: Any) -> None: ...

    with pytest.raises(ValueError, match="never"):
        Chat("/chat")


@pytest.mark.parametrize("name", ["*", "/*"])
def test_a_star_is_not_every_namespace(name: str) -> None:
    io = Server()
    for act in (
        lambda: io.of(name),
        lambda: io.event("a", namespace=name)(print),
        lambda: io.register(Namespace(name)),
    ):
        with pytest.raises(ValueError, match=r"re\.compile"):
            act()
    assert list(io.namespaces) == ["/"]


def test_a_client_may_ask_for_a_star_all_the_same(server: ServerWorld) -> None:
    server.io.register(ParentNamespace(re.compile(r"^/.*")))
    server.network.joined(namespace="/*")
    assert "/*" in server.io.namespaces


@pytest.mark.parametrize("name", ["connection", "connect", "new_namespace", "vote", "error"])
def test_what_can_come_is_taken(name: str) -> None:
    io = Server()
    io.on(name, print)
    assert io.listeners(name) == [print]
    io.off(name)
    io.off("disconnect")
    assert io.listeners("disconnect") == []


# --- events without a handler


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [item.getMessage() for item in caplog.records if item.levelno == level]


def sent(client: SocketClient, packet: str) -> None:
    client.send(packet)
    settle()


def test_an_event_without_a_handler_is_a_debug_line(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flask_realtime.server")
    caplog.clear()
    sent(pair.client, '2["vote\\n",1]')
    (line,) = logged(caplog, logging.DEBUG)
    assert pair.socket.id in line
    assert "'vote\\n'" in line
    assert logged(caplog, logging.WARNING) == []


def test_a_long_name_is_cut_in_the_log(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "flask_realtime.server")
    caplog.clear()
    sent(pair.client, f'2["{"x" * 10_000}"]')
    (line,) = logged(caplog, logging.DEBUG)
    assert len(line) < 300


@pytest.mark.parametrize("how", ["socket.on", "io.event", "on_any"])
def test_an_event_that_is_known_is_no_line(
    pair: Pair, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    if how == "socket.on":
        pair.socket.on("vote", lambda *args: None)
    elif how == "io.event":
        pair.server.io.event("vote")(lambda *args: None)
    else:
        pair.socket.on_any(lambda *args: None)
    caplog.set_level(logging.DEBUG, "flask_realtime.server")
    caplog.clear()
    sent(pair.client, '2["vote",1]')
    assert caplog.records == []


@pytest.mark.parametrize("name", ["/", "/chat", "/room-1"])
def test_a_listener_of_servers_for_an_event_of_clients_is_warned_of_once(
    server: ServerWorld, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    owner = server.io.of(ROOM) if name == "/room-1" else server.io.of(name)
    for event in ("vote", "count"):
        owner.on(event, print)
    head = "" if name == "/" else f"{name},"
    for _ in range(2):
        client = server.network.joined(namespace=name)
        for event in ("vote", "count", "other"):
            sent(client, f'2{head}["{event}"]')
            sent(client, f'2{head}["{event}"]')
    lines = logged(caplog, logging.WARNING)
    assert len(lines) == 2
    for line, event in zip(lines, ("vote", "count"), strict=True):
        assert f"'{event}'" in line
        assert "io.event" in line


@pytest.mark.parametrize("event", ["connection", "new_namespace", 5])
def test_other_events_without_a_handler_are_no_warning(
    pair: Pair, caplog: pytest.LogCaptureFixture, event: Any
) -> None:
    pair.server.io.on("new_namespace", print)
    sent(pair.client, f"2[{event if event == 5 else chr(34) + event + chr(34)}]")
    assert logged(caplog, logging.WARNING) == []


def test_events_of_other_servers_still_come(make_server: MakeServer) -> None:
    together = Together(make_server)
    heard: list[Any] = []
    together.servers[1].on("vote", heard.append)
    together.servers[0].server_side_emit("vote", 1)
    settle()
    assert heard == [1]
