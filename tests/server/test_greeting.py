"""Connection handlers: their order, and what those come to that try to refuse a client."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime import ConnectError, Namespace
from flask_realtime.server.namespace import Namespace as Plain
from flask_realtime.server.socket import Socket
from tests.clients import SocketClient
from tests.fakes import settle, wait_until
from tests.server.rooms import ROOM
from tests.worlds import ServerWorld

REFUSALS = [ConnectError("not you"), ConnectionRefusedError(), ConnectionRefusedError("not you")]


def joining(server: ServerWorld, name: str = "/") -> SocketClient:
    """A client that has been let in."""
    client = server.network.client()
    client.send("0" if name == "/" else f"0{name},")
    assert str(client.receive()).startswith("0")
    settle()
    return client


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [item.getMessage() for item in caplog.records if item.levelno >= logging.ERROR]


class Refusing(Namespace):
    """A class whose connection handler raises."""

    error: Exception

    def on_connection(self, socket: Socket) -> None:
        raise self.error


def on(server: ServerWorld, how: str, error: Exception) -> str:
    """Register a connection handler that raises; the name of its namespace."""

    def refuse(socket: Socket) -> None:
        raise error

    if how == "class":
        chat = Refusing("/chat")
        chat.error = error
        server.io.register(chat)
        return "/chat"
    if how == "pattern":
        server.io.of(ROOM).on("connection", refuse)
        return "/room-1"
    if how == "on":
        server.io.on("connection", refuse)
    else:
        server.io.event(how, concurrent=how == "connect")(refuse)
    return "/"


@pytest.mark.parametrize("error", REFUSALS, ids=repr)
@pytest.mark.parametrize("how", ["on", "connection", "connect", "class", "pattern"])
def test_a_refusal_disconnects_the_client_and_names_the_place_to_refuse(
    server: ServerWorld, caplog: pytest.LogCaptureFixture, how: str, error: Exception
) -> None:
    name = on(server, how, error)
    client = joining(server, name)
    assert client.receive() == ("1" if name == "/" else f"1{name},")
    assert server.io.of(name).sockets == {}
    assert server.io.engine.clients_count == 1
    (line,) = errors(caplog)
    assert "io.use" in line
    assert "disconnected" in line


def test_a_refusal_of_a_library_can_be_found(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    on(server, "on", ConnectionRefusedError("the database"))
    joining(server)
    (record,) = (item for item in caplog.records if item.levelno >= logging.ERROR)
    assert record.exc_info is not None
    assert "the database" in caplog.text


def test_the_handlers_after_a_refusal_are_not_called(server: ServerWorld) -> None:
    seen: list[Any] = []

    @server.io.on("connection")
    def first(socket: Socket) -> None:
        seen.append("first")
        socket.on("disconnect", lambda reason: seen.append(reason))

    on(server, "on", ConnectError("not you"))
    server.io.on("connection", lambda socket: seen.append("last"))
    joining(server)
    assert seen == ["first", "server namespace disconnect"]


def test_a_refusal_is_told_to_on_error(server: ServerWorld) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((str(error), event)))
    on(server, "on", ConnectError("not you"))
    joining(server)
    assert told == [("not you", "connection")]


def test_another_exception_leaves_the_client_in(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    on(server, "on", RuntimeError("a defect"))
    server.io.on("connection", lambda socket: seen.append("last"))
    joining(server)
    assert len(server.io.sockets.sockets) == 1
    assert seen == ["last"]
    assert "io.use" not in caplog.text


def test_what_an_event_raises_disconnects_no_client(server: ServerWorld) -> None:
    @server.io.event
    def ask(socket: Socket) -> None:
        raise ConnectError("not you")

    client = joining(server)
    client.send('2["ask"]')
    settle()
    assert len(server.io.sockets.sockets) == 1


@pytest.mark.parametrize("how", ["on", "event", "class"])
def test_false_refuses_no_client_and_says_so(
    server: ServerWorld, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    class Chat(Namespace):
        def on_connection(self, socket: Socket) -> bool:
            return False

    name = "/"
    if how == "class":
        name = server.io.register(Chat("/chat")).name
    elif how == "event":
        server.io.event("connect")(lambda socket: False)
    else:
        server.io.on("connection", lambda socket: False)
    joining(server, name)
    assert len(server.io.of(name).sockets) == 1
    (line,) = errors(caplog)
    assert "False" in line
    assert "io.use" in line


@pytest.mark.parametrize("value", [None, 0, "", True, []])
def test_any_other_result_means_nothing(
    server: ServerWorld, caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    server.io.on("connection", lambda socket: value)
    joining(server)
    assert errors(caplog) == []


# --- concurrent=True


def test_a_concurrent_handler_is_not_waited_for(server: ServerWorld) -> None:
    seen: list[Any] = []
    release = Event()

    @server.io.event("connection", concurrent=True)
    def slow(socket: Socket) -> None:
        seen.append("slow begins")
        release.wait()
        seen.append("slow ends")

    server.io.on("connection", lambda socket: seen.append("next"))
    server.io.event("a")(lambda socket: seen.append("a"))
    client = joining(server)
    client.send('2["a"]')
    wait_until(lambda: "a" in seen)
    assert sorted(seen) == ["a", "next", "slow begins"]
    release.set()
    wait_until(lambda: "slow ends" in seen)


@pytest.mark.parametrize("name", ["connection", "connect"])
def test_children_have_the_concurrent_handlers_of_their_parent(
    server: ServerWorld, name: str
) -> None:
    seen: list[Any] = []
    release = Event()

    def slow(socket: Socket) -> None:
        seen.append(socket.nsp.name)
        release.wait()

    server.io.event(name, namespace=ROOM, concurrent=True)(slow)
    server.io.event("a", namespace=ROOM)(lambda socket: seen.append("a"))
    client = joining(server, "/room-1")
    client.send('2/room-1,["a"]')
    wait_until(lambda: "a" in seen)
    assert seen == ["/room-1", "a"]
    release.set()


def test_a_concurrent_handler_can_be_taken_off(server: ServerWorld) -> None:
    seen: list[Any] = []

    def greet(socket: Socket) -> None:
        seen.append(socket)
        Event().wait(60)

    nsp: Plain = server.io.of("/")
    server.io.event("connection", concurrent=True)(greet)
    assert nsp.listeners("connection") == [greet]
    nsp.off("connection", greet)
    joining(server)
    assert seen == []
