"""Handlers as Flask code when the request of their connection was let go."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from flask import Flask, current_app, g, has_request_context, request, session
from flask.ctx import RequestContext
from gevent.event import Event

from flask_realtime import Realtime, Socket
from flask_realtime.engine.engine import Engine
from flask_realtime.engine.requests.host import Environ
from tests.clients import network_of
from tests.fakes import FakeHost, settle, wait_until
from tests.flasks import FlaskWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


def contexts() -> int:
    gc.collect()
    return sum(isinstance(found, RequestContext) for found in gc.get_objects())


@BOTH
@pytest.mark.parametrize("when", ["early", "late"])
def test_handlers_have_the_application_and_no_request(
    flask_world: FlaskWorld, transport: str, when: str
) -> None:
    if when == "early":
        flask_world.io.engine.on("connection", lambda conn: conn.forget_request())

    @flask_world.io.event
    def forget(socket: Socket) -> None:
        socket.conn.forget_request()

    @flask_world.io.event
    def look(socket: Socket) -> list[Any]:
        g.count = g.get("count", 0) + 1
        found = [current_app.name, has_request_context(), g.count]
        for use in (lambda: request.path, lambda: session.get("name")):
            with pytest.raises(RuntimeError, match="Working outside of request context"):
                use()
        return found

    client = flask_world.network.joined(transport)
    client.emit("forget")
    expected = [flask_world.app.name, False, 1]
    assert [client.call("look", ack_id=number) for number in (1, 2)] == [[expected]] * 2


@BOTH
def test_teardown_functions_of_the_application_go_on(
    flask_world: FlaskWorld, transport: str
) -> None:
    steps: list[str] = []
    flask_world.io.engine.on("connection", lambda conn: conn.forget_request())
    flask_world.app.teardown_appcontext(lambda error: steps.append(f"app {g.get('name')}"))

    @flask_world.io.event
    def event(socket: Socket, name: str) -> None:
        g.name = name

    client = flask_world.network.joined(transport)
    settle()
    steps.clear()
    for name in ("a", "b"):
        client.emit("event", name)
    wait_until(lambda: len(steps) >= 2)
    assert steps == ["app a", "app b"]


@BOTH
def test_the_contexts_of_the_connection_go_as_well(flask_world: FlaskWorld, transport: str) -> None:
    before = contexts()
    flask_world.io.event("event")(lambda socket: "done")
    flask_world.io.event("forget")(lambda socket: socket.conn.forget_request())
    client = flask_world.network.joined(transport)
    assert client.call("event") == ["done"]
    assert contexts() > before
    client.emit("forget")
    settle()
    assert contexts() <= before


def test_an_event_that_waits_behind_the_one_that_forgets_has_no_request(
    flask_world: FlaskWorld,
) -> None:
    release, seen = Event(), []

    @flask_world.io.event
    def forget(socket: Socket) -> None:
        release.wait()
        socket.conn.forget_request()
        seen.append(has_request_context())

    @flask_world.io.event
    def look(socket: Socket) -> None:
        seen.append(has_request_context())

    client = flask_world.network.joined()
    client.emit("forget")
    client.emit("look")
    settle()
    release.set()
    wait_until(lambda: len(seen) == 2)
    assert seen == [True, False]


@BOTH
def test_the_end_of_the_connection_is_heard(flask_world: FlaskWorld, transport: str) -> None:
    seen: list[Any] = []

    @flask_world.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.conn.forget_request()
        socket.on("disconnect", lambda reason: seen.append((current_app.name, reason)))

    client = flask_world.network.joined(transport)
    client.line.leave()
    wait_until(lambda: seen)
    assert seen == [(flask_world.app.name, "transport close")]


@BOTH
def test_one_connection_forgets_for_itself(flask_world: FlaskWorld, transport: str) -> None:
    @flask_world.io.event
    def forget(socket: Socket) -> None:
        socket.conn.forget_request()

    @flask_world.io.event
    def look(socket: Socket) -> str:
        return request.path

    forgetting, other = (flask_world.network.joined(transport) for _ in range(2))
    forgetting.emit("forget")
    settle()
    assert other.call("look") == ["/socket.io/"]


# --- connections that did not come through the application


def mounted(app: Flask, engine: Engine) -> None:
    inner = app.wsgi_app

    def outer(environ: Environ, start_response: Any) -> Any:
        own = environ["PATH_INFO"] == "/engine/"
        return (engine.handle if own else inner)(environ, start_response)

    app.wsgi_app = outer  # type: ignore[method-assign]


def look_at_the_application(io: Realtime) -> None:
    io.event("look")(lambda socket: current_app.name)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_engine_behind_the_application_has_its_context(quiet_hub: Any, transport: str) -> None:
    app, io, engine = Flask("mounted"), Realtime(), Engine()
    engine.bind(host=FakeHost())
    engine.on("connection", io.onconnection)
    mounted(app, engine)
    io.init_app(app)
    look_at_the_application(io)

    def elsewhere(environ: Environ, start_response: Any) -> Any:
        environ["PATH_INFO"] = "/engine/"
        return app(environ, start_response)

    with network_of(elsewhere) as network:
        assert network.joined(transport).call("look") == ["mounted"]
        assert (engine.clients_count, io.engine.clients_count) == (1, 0)


def test_an_engine_beside_the_application_is_told_where_it_belongs(
    quiet_hub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app, engine = Flask("beside"), Engine()
    io = Realtime(app)
    engine.on("connection", io.onconnection)
    look_at_the_application(io)
    with network_of(engine.handle) as network:
        client = network.joined("polling")
        client.emit("look")
        wait_until(lambda: "did not come through the Flask application" in caplog.text)
        client.line.leave()
