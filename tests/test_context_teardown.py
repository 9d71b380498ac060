"""What teardown functions are told of the handlers that have run before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from flask import appcontext_tearing_down, g, request, request_tearing_down
from gevent.event import Event

from flask_realtime import ConnectError, Namespace, Socket
from tests.clients import SocketClient
from tests.fakes import settle, wait_until
from tests.flasks import FlaskWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Told:
    """Every way in which Flask tells of the end of a context."""

    def __init__(self, world: FlaskWorld) -> None:
        self.by_request: list[str] = []
        self.by_app: list[str] = []
        self.by_signals: list[str] = []
        self._app = world.app
        world.app.teardown_request(self.note(self.by_request))
        world.app.teardown_appcontext(self.note(self.by_app))
        request_tearing_down.connect(self._on_signal, world.app)
        appcontext_tearing_down.connect(self._on_signal, world.app)

    @staticmethod
    def note(told: list[str]) -> Callable[[Any], None]:
        """Return a teardown function that notes exceptions."""

        def teardown(error: Any) -> None:
            if error is not None:
                told.append(repr(error))

        return teardown

    def _on_signal(self, sender: Any, exc: Any = None, **rest: Any) -> None:
        if exc is not None:
            self.by_signals.append(repr(exc))

    def wait_for(self, *errors: str) -> None:
        wait_until(lambda: len(self.by_app) >= len(errors), "the teardown functions")
        settle()
        assert self.by_app == list(errors)
        assert self.by_request == list(errors)
        assert sorted(self.by_signals) == sorted(errors * 2)

    def disconnect(self) -> None:
        request_tearing_down.disconnect(self._on_signal, self._app)
        appcontext_tearing_down.disconnect(self._on_signal, self._app)


@pytest.fixture
def told(flask_world: FlaskWorld) -> Iterator[Told]:
    found = Told(flask_world)
    yield found
    found.disconnect()


def fail(*args: Any) -> None:
    raise KeyError("handler")


FAILED = "KeyError('handler')"


@BOTH
@pytest.mark.parametrize("concurrent", [False, True], ids=["in order", "concurrent"])
def test_teardown_functions_get_what_the_handler_raised(
    flask_world: FlaskWorld, told: Told, transport: str, concurrent: bool
) -> None:
    flask_world.io.event("event", concurrent=concurrent)(fail)
    flask_world.network.joined(transport).emit("event")
    told.wait_for(FAILED)


@BOTH
def test_an_event_after_one_that_failed_is_torn_down_without_an_exception(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.event("event")(fail)
    flask_world.io.event("fine")(lambda socket: "done")
    client = flask_world.network.joined(transport)
    client.emit("event")
    assert client.call("fine") == ["done"]
    told.wait_for(FAILED)


@BOTH
def test_handlers_of_a_class_are_told_of_as_well(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    class Chat(Namespace):
        def on_event(self, socket: Socket) -> None:
            fail()

    flask_world.io.register(Chat("/chat"))
    client = flask_world.network.joined(transport)
    client.connect("/chat")
    client.send('2/chat,["event"]')
    told.wait_for(FAILED)


@BOTH
def test_an_error_handler_changes_nothing_and_comes_before_the_teardown(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    steps: list[str] = []
    flask_world.app.teardown_appcontext(told.note(steps))
    flask_world.io.on_error(lambda *args: steps.append(f"on_error {g.name} {request.path}"))

    @flask_world.io.event
    def event(socket: Socket) -> None:
        g.name = "ann"
        fail()

    flask_world.network.joined(transport).emit("event")
    told.wait_for(FAILED)
    assert steps == ["on_error ann /socket.io/", FAILED]


@BOTH
def test_of_several_handlers_that_fail_the_first_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    called: list[str] = []

    @flask_world.io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("event", lambda: called.append("one"))
        socket.on("event", fail)
        socket.on("event", lambda: 1 // 0)
        socket.on("event", lambda: called.append("two"))

    flask_world.network.joined(transport).emit("event")
    told.wait_for(FAILED)
    assert called == ["one", "two"]


@BOTH
def test_an_answer_that_cannot_be_sent_is_a_failure_of_its_handler(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.event("event")(lambda socket: object())
    flask_world.network.joined(transport).emit("event", ack_id=0)
    wait_until(lambda: told.by_app, "the teardown")
    assert "TypeError" in told.by_app[0]


@BOTH
def test_a_timeout_of_the_handler_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    @flask_world.io.event
    def event(socket: Socket) -> None:
        raise gevent.Timeout(7)

    flask_world.network.joined(transport).emit("event")
    wait_until(lambda: told.by_app, "the teardown")
    assert "7" in told.by_app[0]


@BOTH
@pytest.mark.parametrize("kind", ["connection", "disconnecting", "disconnect"])
def test_handlers_of_the_beginning_and_the_end_are_told_of(
    flask_world: FlaskWorld, told: Told, transport: str, kind: str
) -> None:
    flask_world.io.event(kind)(fail)
    flask_world.network.joined(transport).disconnect()
    told.wait_for(FAILED)


@BOTH
def test_the_end_inside_a_handler_has_contexts_of_its_own(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    ended: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: ended.append(f"{g.get('name')} {error!r}"))
    flask_world.io.event("disconnect")(fail)

    @flask_world.io.event
    def event(socket: Socket) -> None:
        g.name = "outer"
        socket.disconnect()

    client = flask_world.network.joined(transport)
    settle()
    ended.clear()
    client.emit("event")
    wait_until(lambda: len(ended) >= 2, "both teardowns")
    assert [found for found in ended if found != "None None"] == [f"None {FAILED}", "outer None"]
    told.wait_for(FAILED)


@BOTH
def test_catch_all_listeners_are_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.on("connection", lambda socket: socket.on_any(fail))
    flask_world.io.event("event")(lambda socket: "done")
    assert flask_world.network.joined(transport).call("event") == ["done"]
    told.wait_for(FAILED)


@BOTH
def test_a_middleware_of_a_socket_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    @flask_world.io.on("connection")
    def connection(socket: Socket) -> None:
        socket.use(fail)
        socket.on("error", lambda error: 1 // 0)

    flask_world.network.joined(transport).emit("event")
    told.wait_for(FAILED)


def refused(world: FlaskWorld, transport: str, name: str = "/") -> None:
    client = SocketClient(world.network.line(transport))
    client.send("0" if name == "/" else f"0{name},")
    assert client.receive().startswith("4")


@BOTH
def test_a_middleware_that_fails_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.use(fail)
    refused(flask_world, transport)
    told.wait_for(FAILED)


@BOTH
def test_a_refusal_is_an_answer_and_no_failure(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    ended: list[Any] = []
    flask_world.app.teardown_appcontext(ended.append)

    @flask_world.io.use
    def middleware(socket: Socket) -> None:
        raise ConnectError("members only")

    refused(flask_world, transport)
    settle()
    assert set(ended) == {None}
    assert told.by_app == []


@BOTH
def test_a_function_that_chooses_namespaces_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.of(fail)
    refused(flask_world, transport, "/dynamic")
    told.wait_for(FAILED)


@BOTH
def test_a_listener_to_new_namespaces_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.of(lambda name, auth: True)
    flask_world.io.on("new_namespace", fail)
    client = SocketClient(flask_world.network.line(transport))
    client.connect("/dynamic")
    told.wait_for(FAILED)


@BOTH
def test_the_callback_of_an_acknowledgement_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.on("connection", lambda socket: socket.emit("q", ack=fail))
    client = flask_world.network.joined(transport)
    ack_id, _ = client.question()
    client.answer(ack_id)
    told.wait_for(FAILED)


def test_the_callback_of_a_broadcast_is_told_of(flask_world: FlaskWorld, told: Told) -> None:
    client = flask_world.network.joined()
    flask_world.io.emit("q", ack=fail)
    ack_id, _ = client.question()
    client.answer(ack_id)
    wait_until(lambda: told.by_app, "the teardown")
    assert told.by_app == [FAILED]


def test_a_listener_to_other_servers_is_told_of(flask_world: FlaskWorld, told: Told) -> None:
    flask_world.io.on("reload", fail)
    flask_world.io.sockets.adapter.namespace.on_server_side_emit(["reload"])
    wait_until(lambda: told.by_app, "the teardown")
    assert told.by_app == [FAILED]


@BOTH
def test_an_event_without_a_request_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    flask_world.io.engine.on("connection", lambda conn: conn.forget_request())
    flask_world.io.event("event")(fail)
    flask_world.network.joined(transport).emit("event")
    wait_until(lambda: told.by_app, "the teardown")
    settle()
    assert told.by_app == [FAILED]


@BOTH
def test_what_fails_in_a_greenlet_of_a_handler_is_not_the_handlers_own(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    done = Event()

    @flask_world.io.event
    def event(socket: Socket) -> str:
        # It reports a failure in another greenlet, which has a copy of the context variables.
        gevent.spawn(flask_world.io.runner.call, socket, "other", fail).join()
        done.set()
        return "done"

    assert flask_world.network.joined(transport).call("event") == ["done"]
    assert done.is_set()
    settle()
    assert told.by_app == []


@BOTH
def test_a_handler_that_is_killed_is_told_of(
    flask_world: FlaskWorld, told: Told, transport: str
) -> None:
    at_work: list[Any] = []

    @flask_world.io.event
    def event(socket: Socket) -> None:
        at_work.append(gevent.getcurrent())
        Event().wait()

    flask_world.network.joined(transport).emit("event")
    wait_until(lambda: at_work, "the handler")
    gevent.kill(at_work[0])
    wait_until(lambda: told.by_app, "the teardown")
    assert told.by_app[0].startswith("GreenletExit")
