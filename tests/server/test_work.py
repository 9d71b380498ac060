"""The log names the handler that blocks the hub."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import gevent
import pytest

from flask_realtime import Socket
from flask_realtime.loop.stacks import Work, place_of
from flask_realtime.server.work import work_of
from tests.clients import SocketClient
from tests.fakes import wait_until
from tests.flasks import FlaskWorld
from tests.worlds import ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Look:
    """A handler that looks at its own stack, as the watch does from its thread."""

    def __init__(self) -> None:
        self.seen: list[Work | None] = []
        self.places: list[str] = []

    def __call__(self, *args: Any) -> Any:
        frame: FrameType | None = inspect.currentframe()
        assert frame is not None
        work = work_of(frame)
        self.seen.append(work)
        self.places.append(place_of(frame, work.caller if work else None))

    def what(self) -> str:
        wait_until(lambda: self.seen, "the handler")
        assert self.seen[0] is not None
        assert self.places[0].startswith(f"{__file__}:")
        return self.seen[0].what


@pytest.fixture(params=["flask", "alone"])
def world(request: pytest.FixtureRequest) -> Any:
    """A server with contexts of an application and one without."""
    return request.getfixturevalue("flask_world" if request.param == "flask" else "server")


World = FlaskWorld | ServerWorld


@BOTH
@pytest.mark.parametrize("concurrent", [False, True], ids=["in order", "concurrent"])
def test_a_handler_is_named_by_its_event_and_namespace(
    world: World, transport: str, concurrent: bool
) -> None:
    look = Look()
    world.io.event("chat message", namespace="/chat", concurrent=concurrent)(look)
    client = world.network.joined(transport, namespace="/chat")
    client.send('2/chat,["chat message"]')
    assert look.what() == "the handler of 'chat message' in '/chat'"


@BOTH
@pytest.mark.parametrize("event", ["connection", "disconnecting", "disconnect"])
def test_handlers_of_the_beginning_and_the_end_are_named(
    world: World, transport: str, event: str
) -> None:
    look = Look()
    world.io.event(event)(look)
    world.network.joined(transport).disconnect()
    assert look.what() == f"the handler of {event!r} in '/'"


@pytest.mark.parametrize("register", [Socket.use, Socket.on_any], ids=["use", "on_any"])
def test_what_sees_every_event_is_named_by_the_event(
    world: World, register: Callable[..., Any]
) -> None:
    look = Look()
    world.io.on("connection", lambda socket: register(socket, look) and None)
    world.network.joined().emit("event")
    assert look.what() == "the handler of 'event' in '/'"


def test_a_middleware_is_named(world: World) -> None:
    look = Look()
    world.io.use(look)
    world.network.joined()
    assert look.what() == "the handler of 'middleware' in '/'"


def test_a_function_that_chooses_namespaces_is_named(world: World) -> None:
    look = Look()
    world.io.of(lambda name, auth: look() or False)
    client = SocketClient(world.network.line("websocket"))
    client.send("0/dynamic,")
    assert look.what() == "the handler of 'namespace'"


def test_callbacks_and_listeners_are_named(world: World) -> None:
    look, other = Look(), Look()
    world.io.on("reload", look)
    world.io.sockets.adapter.namespace.on_server_side_emit(["reload"])
    assert look.what() == "the handler of 'reload'"
    world.io.on("connection", lambda socket: socket.emit("q", ack=other))
    client = world.network.joined()
    client.answer(client.question()[0])
    assert other.what() == "the handler of 'acknowledgement' in '/'"


def test_a_stack_without_an_event_has_no_name() -> None:
    frame = inspect.currentframe()
    assert frame is not None
    assert work_of(frame) is None


@BOTH
def test_a_handler_that_blocks_is_one_warning_with_event_place_and_seconds(
    world: World, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    @world.io.event
    def slow(socket: Socket) -> str:
        time.sleep(1.2)
        return "done"

    client = world.network.joined(transport)
    gevent.sleep(0.2)
    caplog.clear()
    assert client.call("slow") == ["done"]
    wait_until(lambda: "the hub was blocked" in caplog.text, "the line in the log")
    gevent.sleep(0.2)
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    number = inspect.getsourcelines(slow)[1] + 2
    assert line.startswith("! the hub was blocked for 1.")
    assert line.endswith(f" s: the handler of 'slow' in '/', at {__file__}:{number} in slow")
    assert world.io.engine.stats()["hub_lag"] > 1
