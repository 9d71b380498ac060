"""Handlers as Flask code: `current_app`, `g`, `request` and `session` around each event."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from flask import Flask, current_app, g, request, session, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from gevent.event import Event

from flask_realtime import ConnectError, Realtime, Socket
from flask_realtime.context import event_context
from tests.clients import Network
from tests.fakes import settle, wait_until
from tests.flasks import FlaskWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


@BOTH
def test_handlers_are_flask_code(flask_world: FlaskWorld, transport: str) -> None:
    seen: list[Any] = []

    @flask_world.io.event
    def look(socket: Socket) -> None:
        seen.append(current_app._get_current_object())  # type: ignore[attr-defined]
        seen.append((request.path, request.args["transport"], request.remote_addr))
        seen.append(dict(session))
        seen.append(list(g))

    client = flask_world.network.joined(transport)
    client.emit("look")
    wait_until(lambda: len(seen) == 4)
    assert seen == [flask_world.app, ("/socket.io/", transport, "127.0.0.1"), {}, []]


@BOTH
def test_every_kind_of_handler_is_flask_code(flask_world: FlaskWorld, transport: str) -> None:
    seen: list[str] = []

    def note(what: str) -> None:
        assert request.path == "/socket.io/"
        seen.append(f"{what} of {current_app.name}")

    @flask_world.io.use
    def middleware(socket: Socket) -> None:
        note("middleware")

    @flask_world.io.on("connection")
    def connection(socket: Socket) -> None:
        note("connection")
        socket.on("event", lambda: note("event"))
        socket.on("beside", lambda: note("beside"), concurrent=True)
        socket.on_any(lambda *args: note("any"))
        socket.on("disconnecting", lambda: note("disconnecting"))
        socket.on("disconnect", lambda: note("disconnect"))

    client = flask_world.network.joined(transport)
    client.emit("event")
    settle()
    client.emit("beside")
    settle()
    client.disconnect()
    name = flask_world.app.name
    kinds = "middleware connection any event any beside disconnecting disconnect"
    wait_until(lambda: len(seen) == 8)
    assert seen == [f"{kind} of {name}" for kind in kinds.split()]


@BOTH
def test_g_is_new_for_each_event(flask_world: FlaskWorld, transport: str) -> None:
    @flask_world.io.event
    def count(socket: Socket) -> int:
        g.count = g.get("count", 0) + 1
        return int(g.count)

    client = flask_world.network.joined(transport)
    assert [client.call("count", ack_id=number) for number in range(3)] == [[1]] * 3


@BOTH
def test_teardown_functions_run_after_each_event(flask_world: FlaskWorld, transport: str) -> None:
    steps: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: steps.append(f"app {g.get('name')}"))
    flask_world.app.teardown_request(lambda error: steps.append(f"request {g.get('name')}"))

    @flask_world.io.event
    def event(socket: Socket, name: str) -> None:
        g.name = name
        steps.append(name)

    client = flask_world.network.joined(transport)
    settle()
    steps.clear()
    for name in ("a", "b"):
        client.emit("event", name)
    wait_until(lambda: len(steps) >= 6)
    assert steps == ["a", "request a", "app a", "b", "request b", "app b"]


@BOTH
def test_teardown_functions_run_after_a_handler_that_failed(
    flask_world: FlaskWorld, transport: str
) -> None:
    steps: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: steps.append("teardown"))
    flask_world.io.event("event")(lambda socket: 1 // 0)
    client = flask_world.network.joined(transport)
    settle()
    steps.clear()
    client.emit("event")
    wait_until(lambda: steps)
    settle()
    assert steps == ["teardown"]


@BOTH
def test_a_teardown_function_that_fails_is_reported_and_the_others_run(
    flask_world: FlaskWorld, transport: str
) -> None:
    told: list[str] = []
    returned: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: returned.append("database"))
    flask_world.io.on_error(lambda error, socket, event: told.append(f"{error!r} {event}"))
    flask_world.io.event("event")(lambda socket: "done")
    client = flask_world.network.joined(transport)
    settle()
    returned.clear()

    def fail(error: Any) -> None:
        if flask.has_request_context() and not request.args.get("sid"):
            raise KeyError("teardown")

    flask_world.app.teardown_request_funcs.setdefault(None, []).append(fail)
    assert client.call("event") == ["done"]
    wait_until(lambda: told)
    settle()
    assert told == ["KeyError('teardown') event"]
    assert "database" in returned
    flask_world.app.teardown_request_funcs.clear()
    assert client.call("event", ack_id=1) == ["done"]


@BOTH
def test_before_request_functions_are_for_views_alone(
    flask_world: FlaskWorld, transport: str
) -> None:
    called: list[str] = []
    flask_world.app.before_request(lambda: called.append(request.path))
    flask_world.io.event("event")(lambda socket: "done")
    assert flask_world.network.joined(transport).call("event") == ["done"]
    assert called == []


@BOTH
def test_what_a_handler_puts_into_the_session_stays_with_the_connection(
    flask_world: FlaskWorld, transport: str
) -> None:
    @flask_world.io.event
    def login(socket: Socket, name: str) -> None:
        session["name"] = name

    @flask_world.io.event
    def who(socket: Socket) -> Any:
        return session.get("name", "nobody")

    client, other = flask_world.network.joined(transport), flask_world.network.joined(transport)
    client.emit("login", "ann")
    assert client.call("who") == ["ann"]
    assert other.call("who") == ["nobody"]


@BOTH
def test_what_a_middleware_puts_into_the_session_is_there_in_handlers(
    flask_world: FlaskWorld, transport: str
) -> None:
    flask_world.io.use(lambda socket: session.update(name="ann"))
    flask_world.io.event("who")(lambda socket: session.get("name"))
    assert flask_world.network.joined(transport).call("who") == ["ann"]


@BOTH
def test_namespaces_of_a_connection_share_the_session(
    flask_world: FlaskWorld, transport: str
) -> None:
    flask_world.io.event("login")(lambda socket: session.update(name="ann"))
    flask_world.io.event("who", namespace="/chat")(lambda socket: session.get("name"))
    client = flask_world.network.joined(transport)
    client.connect("/chat")
    client.emit("login")
    client.send('2/chat,1["who"]')
    assert client.receive() == '3/chat,1["ann"]'


@BOTH
def test_the_session_outlives_handlers_that_run_at_once(
    flask_world: FlaskWorld, transport: str
) -> None:
    release = Event()

    @flask_world.io.event(concurrent=True)
    def slow(socket: Socket) -> Any:
        release.wait()
        return session.get("name")

    flask_world.io.event("login")(lambda socket: session.update(name="ann") or "in")
    flask_world.io.event("who")(lambda socket: session.get("name"))
    client = flask_world.network.joined(transport)
    client.emit("slow")
    client.emit("slow")
    settle()
    assert client.call("login", ack_id=1) == ["in"]
    release.set()
    settle()
    for number in range(2, 5):
        assert client.call("who", ack_id=number) == ["ann"]


@BOTH
def test_a_disconnect_handler_beside_one_that_blocks_knows_the_session(
    flask_world: FlaskWorld, transport: str
) -> None:
    release, seen = Event(), []

    @flask_world.io.event
    def slow(socket: Socket) -> None:
        session["name"] = "ann"
        release.wait()

    flask_world.io.event("disconnect")(lambda socket: seen.append(session.get("name")))
    client = flask_world.network.joined(transport)
    client.emit("slow")
    settle()
    client.line.leave()
    wait_until(lambda: seen)
    release.set()
    assert seen == ["ann"]


def test_the_session_of_the_browser_is_read(flask_world: FlaskWorld) -> None:
    serializer = SecureCookieSessionInterface().get_signing_serializer(flask_world.app)
    assert serializer is not None
    cookie = "session=" + str(serializer.dumps({"name": "ann"}))
    flask_world.io.event("who")(lambda socket: session.get("name"))
    line = flask_world.network.websocket(headers={"Cookie": cookie})
    from tests.clients import SocketClient

    client = SocketClient(line)
    client.connect()
    assert client.call("who") == ["ann"]


@BOTH
def test_two_handlers_of_one_socket_that_block_at_once_keep_their_contexts(
    flask_world: FlaskWorld, transport: str
) -> None:
    releases = {name: Event() for name in "abc"}
    started: list[str] = []

    @flask_world.io.event(concurrent=True)
    def slow(socket: Socket, name: str) -> str:
        g.name = name
        started.append(name)
        releases[name].wait()
        return f"{name} {g.name} {request.path}"

    client = flask_world.network.joined(transport)
    for number, name in enumerate("abc"):
        client.emit("slow", name, ack_id=number)
    wait_until(lambda: len(started) == 3)
    for number, name in ((1, "b"), (0, "a"), (2, "c")):
        releases[name].set()
        assert client.receive() == f'3{number}["{name} {name} /socket.io/"]'


def test_two_clients_whose_handlers_block_keep_their_contexts(flask_world: FlaskWorld) -> None:
    releases = {name: Event() for name in "ab"}

    @flask_world.io.event
    def slow(socket: Socket, name: str) -> str:
        g.name = name
        releases[name].wait()
        return f"{g.name} by {request.args['transport']}"

    polling, websocket = (
        flask_world.network.joined("polling"),
        flask_world.network.joined("websocket"),
    )
    polling.emit("slow", "a", ack_id=0)
    websocket.emit("slow", "b", ack_id=0)
    settle()
    releases["b"].set()
    assert websocket.receive() == '30["b by websocket"]'
    releases["a"].set()
    assert polling.receive() == '30["a by polling"]'


@BOTH
def test_a_broken_session_store_does_not_open_the_door(
    flask_world: FlaskWorld, transport: str
) -> None:
    class Store(SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: Any) -> SecureCookieSession | None:
            raise ConnectionError("the session store is down")

    seen: list[str] = []
    flask_world.app.session_interface = Store()

    @flask_world.io.use
    def members_only(socket: Socket) -> None:
        if not session.get("member"):
            raise ConnectError("members only")

    flask_world.io.on("connection", lambda socket: seen.append("connected"))
    client = flask_world.network.client(transport)
    client.send("0")
    packet = client.receive()
    assert packet.startswith("4{"), packet
    assert "store" not in packet
    assert flask_world.io.sockets.sockets == {}
    assert seen == []


def test_no_context_is_left_behind_when_the_connection_ends(flask_world: FlaskWorld) -> None:
    seen: list[bool] = []

    def app(environ: Any, start_response: Any) -> Any:
        try:
            return flask_world.app(environ, start_response)
        finally:
            seen.append(flask.has_app_context() or flask.has_request_context())

    flask_world.network.app = app
    flask_world.io.event("event")(lambda socket: "done")
    client = flask_world.network.joined()
    assert client.call("event") == ["done"]
    client.line.leave()
    client.line.ended()  # type: ignore[attr-defined]
    assert seen == [False]


def test_an_upgraded_connection_is_flask_code_all_the_way(flask_world: FlaskWorld) -> None:
    teardowns: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: teardowns.append("teardown"))
    flask_world.io.event("login")(lambda socket: session.update(name="ann"))
    flask_world.io.event("who")(lambda socket: [session.get("name"), request.args["transport"]])
    client = flask_world.network.joined("polling")
    client.emit("login")
    ws = flask_world.network.upgrade(client.line)  # type: ignore[arg-type]
    client.line = ws
    settle()
    teardowns.clear()
    assert client.call("who") == [["ann", "polling"]]
    settle()
    assert teardowns == ["teardown"]


def test_urls_can_be_built_in_handlers(flask_world: FlaskWorld) -> None:
    flask_world.app.add_url_rule("/user/<name>", "user", lambda name: name)
    flask_world.io.event("url")(lambda socket: url_for("user", name="ann"))
    for transport in ("polling", "websocket"):
        assert flask_world.network.joined(transport).call("url") == ["/user/ann"]


def test_views_are_not_disturbed_by_connections(flask_world: FlaskWorld) -> None:
    @flask_world.app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        flask_world.io.emit("counted", session["count"])
        return str(session["count"])

    client = flask_world.network.joined()
    browser = flask_world.app.test_client()
    assert [browser.get("/count").text for _ in range(2)] == ["1", "2"]
    assert [client.event(), client.event()] == [["counted", 1], ["counted", 2]]


def test_each_of_two_applications_has_its_own_context(quiet_hub: Any) -> None:
    networks = []
    for name in ("one", "two"):
        app = Flask(name)
        extension = Realtime(app)
        extension.event("who")(lambda socket: current_app.name)
        networks.append(Network(app))
    try:
        assert [network.joined().call("who") for network in networks] == [["one"], ["two"]]
    finally:
        for network in networks:
            network.close()


def test_an_event_of_another_server_runs_in_a_context_of_the_application(
    flask_world: FlaskWorld,
) -> None:
    returned: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: returned.append(g.get("name", "")))
    answers: list[Any] = []

    @flask_world.io.on("reload")
    def reload(what: str) -> list[Any]:
        g.name = what
        return [current_app.name, flask.has_request_context()]

    for what in ("one", "two"):
        flask_world.io.sockets.adapter.namespace.on_server_side_emit(
            ["reload", what], answers.append
        )
    wait_until(lambda: len(answers) == 2, "both answers")
    assert answers == [[flask_world.app.name, False]] * 2
    assert returned == ["one", "two"]


def test_the_answers_to_a_broadcast_are_taken_in_a_context_of_the_application(
    flask_world: FlaskWorld,
) -> None:
    seen: list[Any] = []
    client = flask_world.network.joined()
    flask_world.io.emit("q", ack=lambda error, found: seen.append((current_app.name, found)))
    ack_id, _ = client.question()
    client.answer(ack_id, "yes")
    wait_until(lambda: seen, "the callback")
    assert seen == [(flask_world.app.name, ["yes"])]


def test_without_an_application_an_event_of_another_server_runs_as_it_is() -> None:
    seen: list[bool] = []
    extension = Realtime()
    extension.on("reload", lambda: seen.append(flask.has_app_context()))
    extension.sockets.adapter.namespace.on_server_side_emit(["reload"])
    wait_until(lambda: seen, "the listener")
    assert seen == [False]


def test_cve_2026_27205_handlers_do_not_change_what_may_be_cached(flask_world: FlaskWorld) -> None:
    """Who looks at the session says ``Vary: Cookie``; no answer of ours depends on one."""
    flask_world.io.event("login")(lambda socket: session.update(name="ann"))
    client = flask_world.network.joined("polling")
    client.emit("login")
    line: Any = client.line
    for answer in (line.post("3"), flask_world.network.request("GET", "EIO=4&transport=polling")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers


@BOTH
def test_the_session_of_an_event_can_be_another_one(
    flask_world: FlaskWorld, transport: str
) -> None:
    @flask_world.io.event
    def exchange(socket: Socket, name: str) -> Any:
        before = flask.session.get("name")
        event_context().replace_session(SecureCookieSession({"name": name}))
        return [before, flask.session["name"]]

    client = flask_world.network.joined(transport)
    assert client.call("exchange", "one") == [[None, "one"]]
    assert client.call("exchange", "two")[0][1] == "two"
    with pytest.raises(RuntimeError, match="outside of request context"):
        event_context()
