"""The test client: what a test says to a server, and what comes out of it."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest
from flask import Flask
from gevent.event import Event

from flask_realtime import (
    AckTimeout,
    ConnectError,
    Middleware,
    Realtime,
    Server,
    SocketDisconnected,
)
from flask_realtime.parsers import MsgpackParser
from flask_realtime.server.server import BaseServer
from flask_realtime.testing import Late, TestClient, settle
from tests.testing.apps import App

# --- connecting --------------------------------------------------------------


def test_a_client_is_in_its_namespace_once_it_is_made(world: App, transport: str) -> None:
    client = TestClient(world.flask, transport=transport)
    (socket,) = world.sockets
    assert client.connected
    assert client.id == socket.id
    assert socket.conn.transport_name == transport
    assert (client.namespace, client.disconnect_reason) == ("/", "")
    assert repr(client) == f"<TestClient {socket.id} in />"
    client.disconnect()
    assert not client.connected
    assert client.disconnect_reason == "io client disconnect"
    assert world.ends == ["client namespace disconnect"]
    client.disconnect()


def test_a_block_ends_with_the_connection(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        assert client.connected
    assert not client.connected
    assert world.io.engine.clients_count == 0


def test_a_client_connects_when_it_is_told_to(world: App, transport: str) -> None:
    client = TestClient(world.flask, transport=transport, auto_connect=False)
    assert (world.sockets, client.connected, client.id) == ([], False, "")
    assert client.disconnect_reason == "it has not connected"
    assert client.connect() is client
    first = client.id
    assert client.connect().id == first
    client.disconnect()
    with client:
        assert client.id not in ("", first)
        assert client.call("add", 1, 1) == 2


def test_the_handshake_shows_what_the_client_was_given(world: App, transport: str) -> None:
    with TestClient(
        world.flask,
        transport=transport,
        auth={"token": "secret"},
        query={"room": "a b&c"},
        headers={"X-Name": "Bé"},
        cookies={"one": "1"},
    ):
        handshake = world.sockets[0].handshake
    assert handshake.auth == {"token": "secret"}
    assert handshake.query["room"] == "a b&c"
    assert handshake.headers["x-name"] == "Bé"
    assert handshake.headers["cookie"] == "one=1"
    assert handshake.address == "127.0.0.1"


def test_a_middleware_that_refuses_raises_with_its_message_and_data(
    world: App, transport: str
) -> None:
    with pytest.raises(ConnectError) as caught:
        TestClient(world.flask, "/private", transport=transport, auth={"token": "guessed"})
    assert (caught.value.message, caught.value.data) == ("a token is missing", {"retry": False})
    with TestClient(
        world.flask, "private", transport=transport, auth={"token": "secret"}
    ) as client:
        assert client.namespace == "/private"


def test_a_handshake_that_is_refused_raises_with_the_answer_of_the_server(transport: str) -> None:
    app = App(allow_request=lambda environ: False)
    with pytest.raises(ConnectError) as caught:
        TestClient(app.flask, transport=transport)
    assert caught.value.message == "Forbidden"
    assert caught.value.data == {"code": 4, "message": "Forbidden"}


def test_a_transport_that_is_not_enabled_is_refused(transport: str) -> None:
    others = {"polling": "websocket", "websocket": "polling"}
    app = App(transports=[others[transport]])
    with pytest.raises(ConnectError, match="Transport unknown"):
        TestClient(app.flask, transport=transport)


def test_a_handshake_that_is_not_answered_in_time_is_told(transport: str) -> None:
    gate = Event()
    app = App(allow_request=lambda environ: gate.wait() and False)
    with pytest.raises(Late, match=r"the handshake has not been answered within 0\.05 s"):
        TestClient(app.flask, transport=transport, timeout=0.05)
    gate.set()
    settle()
    assert app.io.engine.clients_count == 0


def test_a_namespace_that_does_not_answer_in_time_is_told(world: App, transport: str) -> None:
    gate = Event()
    world.io.use(lambda socket: gate.wait())
    with pytest.raises(Late, match=r"/ has not answered within 0\.05 s"):
        TestClient(world.flask, transport=transport, timeout=0.05)
    gate.set()
    settle()


def test_a_defect_of_a_middleware_comes_out(world: App, transport: str) -> None:
    @world.io.use
    def defect(socket: Any) -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        TestClient(world.flask, transport=transport)
    with pytest.raises(ConnectError, match="Internal server error"):
        TestClient(world.flask, transport=transport, raise_errors=False)


def test_a_connection_handler_that_raises_leaves_no_client_behind(
    world: App, transport: str
) -> None:
    @world.io.on("connection")
    def defect(socket: Any) -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        TestClient(world.flask, transport=transport)
    assert world.io.engine.clients_count == 0
    with TestClient(world.flask, transport=transport, raise_errors=False) as client:
        assert client.connected


def test_a_server_that_closes_the_connection_is_told(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        world.io.close()
        assert not client.connected
        assert client.disconnect_reason == "transport close"
    with pytest.raises(ConnectError, match="server shutting down"):
        client.connect()


@pytest.mark.parametrize(
    ("transport", "reason"), [("polling", "transport error"), ("websocket", "transport close")]
)
def test_a_connection_that_breaks_is_seen_by_the_server(
    world: App, transport: str, reason: str
) -> None:
    client = TestClient(world.flask, transport=transport)
    client.drop()
    assert not client.connected
    assert world.ends == [reason]
    with pytest.raises(SocketDisconnected):
        client.drop()


def test_a_server_that_disconnects_the_client_is_heard(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        client.emit("leave")
        assert not client.connected
        assert client.disconnect_reason == "io server disconnect"
        with pytest.raises(SocketDisconnected, match="io server disconnect"):
            client.emit("add", 1, 2)
        with pytest.raises(SocketDisconnected):
            client.call("add", 1, 2)


def test_a_call_ends_with_the_connection(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client, pytest.raises(SocketDisconnected):
        client.call("leave")


# --- what it can be made of --------------------------------------------------


def test_a_client_comes_from_the_extension(world: App, transport: str) -> None:
    with world.flask.extensions["realtime"].test_client(transport=transport) as client:
        assert client.call("add", 1, 2) == 3
    with TestClient(world.io, transport=transport) as client:
        assert client.call("who") == (None, "127.0.0.1")


def test_a_client_of_a_server_without_flask(transport: str) -> None:
    io = Server(path="/live", add_trailing_slash=False)
    io.event("add")(lambda socket, one, two: one + two)
    for made in (io, Middleware(io)):
        with TestClient(made, transport=transport) as client:
            assert client.call("add", 1, 2) == 3
    with io.test_client("/", transport=transport) as client:
        assert client.call("add", 1, 2) == 3


@pytest.mark.parametrize("app", [None, "app", object(), BaseServer(), lambda environ, start: []])
def test_what_has_no_server_is_a_type_error(app: Any) -> None:
    with pytest.raises(TypeError, match="takes an application or a server"):
        TestClient(app)


def test_a_flask_application_without_the_extension_is_told() -> None:
    with pytest.raises(TypeError, match="has no Realtime extension"):
        TestClient(Flask("app"))
    with pytest.raises(RuntimeError, match="no Flask application yet"):
        Realtime().test_client()


def test_an_unknown_transport_is_a_value_error(world: App) -> None:
    with pytest.raises(ValueError, match="not 'webtransport'"):
        TestClient(world.flask, transport="webtransport")


def test_auth_is_a_dictionary(world: App) -> None:
    wrong: Any = "secret"
    with pytest.raises(TypeError, match="auth is a dictionary, not 'secret'"):
        TestClient(world.flask, auth=wrong)


# --- events ------------------------------------------------------------------


def test_what_a_handler_sends_is_there_when_emit_returns(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        client.emit("echo", "text", 1, None, {"a": [True]}, "é 😀")
        assert client.received == [("echo", "text", 1, None, {"a": [True]}, "é 😀")]


def test_bytes_travel_both_ways(world: App, transport: str) -> None:
    large = bytes(range(256)) * 300
    with TestClient(world.flask, transport=transport) as client:
        client.emit("echo", b"", large, {"deep": [b"x"]})
        assert client.wait_for("echo") == (b"", large, {"deep": [b"x"]})


def test_a_server_may_send_more_attachments_than_it_takes(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        world.io.emit("many", [b"x"] * 50)
        assert client.received == [("many", [b"x"] * 50)]


def test_an_answer_is_what_the_handler_returned(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        assert client.call("add", 1, 2) == 3
        assert client.call("several") == (1, b"two")
        assert client.call("nothing") is None


def test_the_client_answers_the_server(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        client.on("question", lambda number: number * 2)
        assert client.call("question", 21) == 42

        @client.on("question")
        def later(*args: Any) -> tuple[Any, ...]:
            gevent.sleep(0)
            return args

        assert client.call("question", b"x", 2) == (b"x", 2)
        client.on("question", lambda: None)
        assert client.call("question") is None


def test_a_handler_of_the_client_that_raises_is_heard(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        client.on("news", lambda text: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            client.emit("news", "x")


def test_a_call_without_a_handler_times_out(world: App, transport: str) -> None:
    with (
        TestClient(world.flask, transport=transport) as client,
        pytest.raises(AckTimeout, match=r"no handler has answered 'unheard' within 0\.05 s"),
    ):
        client.call("unheard", timeout=0.05)


def test_events_are_waited_for_one_after_the_other(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        for text in ("one", "two"):
            client.emit("echo", text)
        client.emit("news", "three")
        assert client.wait_for("news") == ("three",)
        assert client.wait_for("echo") == ("one",)
        assert client.wait_for("echo") == ("two",)
        assert client.received == [("echo", "one"), ("echo", "two"), ("news", "three")]
        client.clear()
        assert client.received == []
        with pytest.raises(Late, match=r"'echo' has not come within 0\.01 s; received: \[\]"):
            client.wait_for("echo", timeout=0.01)


def test_an_event_of_a_background_task_is_waited_for(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        gevent.spawn_later(0.02, world.io.emit, "tick", 1)
        assert client.received == []
        assert client.wait_for("tick") == (1,)


def test_an_event_that_cannot_come_any_more_is_not_waited_for(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        world.io.disconnect_sockets()
        with pytest.raises(Late, match="before the connection ended"):
            client.wait_for("news")


def test_what_the_test_itself_emits_has_arrived(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        world.io.emit("news", "from the test")
        assert client.received == [("news", "from the test")]
        thread = threading.Thread(target=world.io.emit, args=("news", "from a thread"))
        thread.start()
        thread.join()
        assert client.received[1:] == [("news", "from a thread")]


@pytest.mark.parametrize(
    ("event", "args", "error"),
    [("disconnect", (), ValueError), (1, (), TypeError), ("x", (object(),), TypeError)],
)
def test_what_cannot_be_sent_raises_at_the_call(
    world: App, transport: str, event: Any, args: tuple[Any, ...], error: type[Exception]
) -> None:
    with TestClient(world.flask, transport=transport) as client:
        for send in (client.emit, client.call):
            with pytest.raises(error):
                send(event, *args)
        assert client.call("add", 1, 2) == 3


def test_a_handler_without_an_event_is_told(world: App) -> None:
    client = TestClient(world.flask, auto_connect=False)
    wrong: list[Any] = [print, "text"]
    with pytest.raises(TypeError):
        client.on(wrong[0])
    with pytest.raises(TypeError):
        client.on("event", wrong[1])


def test_other_parsers_are_spoken(transport: str) -> None:
    app = App(parser=MsgpackParser)
    with TestClient(app.flask, transport=transport) as client:
        client.emit("echo", b"x", {"a": 1})
        assert client.received == [("echo", b"x", {"a": 1})]
        assert client.call("several") == (1, b"two")


# --- exceptions of handlers --------------------------------------------------


@pytest.mark.parametrize("send", ["emit", "call"])
def test_what_a_handler_raises_comes_out_where_the_test_emitted(
    world: App, transport: str, send: str
) -> None:
    reported: list[Any] = []
    world.io.on_error(lambda error, socket, event: reported.append((error, socket.id, event)))
    with TestClient(world.flask, transport=transport) as client:
        with pytest.raises(KeyError, match="a defect") as caught:
            getattr(client, send)("boom")
        assert reported == [(caught.value, client.id, "boom")]
        assert caught.traceback[-1].name == "boom"
        assert client.call("add", 1, 2) == 3


def test_exceptions_can_stay_where_they_are(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport, raise_errors=False) as client:
        client.emit("boom")
        with pytest.raises(AckTimeout):
            client.call("boom", timeout=0.05)
        assert world.io.runner.errors == 2
    with TestClient(world.flask, transport=transport) as client:
        assert client.call("add", 1, 2) == 3


def test_what_tests_before_have_left_is_forgotten(world: App, transport: str) -> None:
    client = TestClient(world.flask, transport=transport)
    world.sockets[0].on("disconnect", lambda reason: 1 / 0)
    world.io.disconnect_sockets(True)
    assert not client.connected
    with TestClient(world.flask, transport=transport) as client:
        assert client.call("add", 1, 2) == 3


def test_a_disconnect_handler_that_raises_is_heard(world: App, transport: str) -> None:
    client = TestClient(world.flask, transport=transport)
    world.sockets[0].on("disconnect", lambda reason: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        client.disconnect()


def test_what_the_test_raises_is_not_hidden_by_the_end_of_the_block(
    world: App, transport: str
) -> None:
    def fail() -> None:
        with TestClient(world.flask, transport=transport):
            world.sockets[0].on("disconnect", lambda reason: 1 / 0)
            raise LookupError("of the test")

    with pytest.raises(LookupError, match="of the test"):
        fail()
    with TestClient(world.flask, transport=transport) as client:
        assert client.connected


# --- waiting for handlers ----------------------------------------------------


def test_handlers_that_sleep_are_waited_for(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        client.emit("slow", 0.02)
        assert client.received == [("slept",)]
        assert client.call("slow", 0.02) == "slept"


def test_handlers_of_other_clients_are_waited_for(world: App, transport: str) -> None:
    world.io.of("/").event("end", lambda socket: world.io.disconnect_sockets(True))

    @world.io.event
    def disconnect(socket: Any) -> None:
        gevent.sleep(0.02)
        world.seen.append("end")

    one, two = (TestClient(world.flask, transport=transport) for _ in range(2))
    one.emit("end")
    assert world.seen == ["end", "end"]
    assert (one.connected, two.connected) == (False, False)


def test_concurrent_handlers_are_waited_for(world: App, transport: str) -> None:
    @world.io.event("beside", concurrent=True)
    def beside(socket: Any) -> None:
        gevent.sleep(0.02)
        world.seen.append("done")

    with TestClient(world.flask, transport=transport) as client:
        client.emit("beside")
        assert world.seen == ["done"]


def test_a_handler_that_takes_too_long_is_told(world: App, transport: str) -> None:
    gate = Event()
    world.io.event("wait")(lambda socket: gate.wait())
    with TestClient(world.flask, transport=transport, timeout=0.05) as client:
        with pytest.raises(Late, match=r"emit\('wait'\): handlers are still at work after 0\.05"):
            client.emit("wait")
        assert client.connected
        world.io.emit("news", "meanwhile")
        assert client.wait_for("news") == ("meanwhile",)
        gate.set()


def test_handlers_need_not_be_waited_for(world: App, transport: str) -> None:
    gate = Event()
    world.io.event("wait")(lambda socket: gate.wait() and socket.emit("done"))
    with TestClient(world.flask, transport=transport) as client:
        client.emit("wait", wait=False)
        assert client.received == []
        gate.set()
        client.wait_for("done")
    gate.clear()
    world.io.on("connection", lambda socket: gate.wait())
    with TestClient(world.flask, transport=transport, wait=False) as client:
        client.emit("add", 1, 2)
        assert client.connected
        gate.set()


# --- several clients, namespaces, servers ------------------------------------


def test_what_one_client_sends_has_reached_the_others(world: App) -> None:
    with TestClient(world.flask) as one, TestClient(world.flask, transport="websocket") as two:
        one.emit("news", "hello")
        assert one.received == two.received == [("news", "hello")]
        two.on("question", lambda: "from two")
        assert two.call("question") == "from two"
        assert one.received == [("news", "hello")]


def test_namespaces_share_a_connection(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        with client.of("/private", auth={"token": "secret"}) as private:
            assert world.io.engine.clients_count == 1
            world.io.of("/private").emit("news", "secret")
            assert (client.received, private.received) == ([], [("news", "secret")])
            with pytest.raises(ValueError, match="has joined '/private' already"):
                client.of("/private", auth={"token": "secret"})
        assert not private.connected
        assert client.connected
        with pytest.raises(ConnectError, match="a token is missing"):
            client.of("/private")
        assert client.call("add", 1, 2) == 3
        private.connect()
        client.disconnect()
        assert private.connected
        private.disconnect()
    with pytest.raises(SocketDisconnected):
        client.of("/private", auth={"token": "secret"})


def test_servers_follow_each_other_also_in_threads(transport: str) -> None:
    answers: list[int] = []

    def serve() -> None:
        for number in range(3):
            with TestClient(App().flask, transport=transport) as client:
                answers.append(client.call("add", number, 1))

    serve()
    for _ in range(2):
        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()
    assert answers == [1, 2, 3] * 3


def test_greenlets_of_a_test_have_clients_of_their_own(world: App, transport: str) -> None:
    def visit(number: int) -> Any:
        with TestClient(world.flask, transport=transport) as client:
            return client.call("add", number, number)

    visits = [gevent.spawn(visit, number) for number in range(20)]
    assert [found.get() for found in visits] == [2 * number for number in range(20)]


# --- cookies -----------------------------------------------------------------


def test_who_has_logged_in_with_flask_is_logged_in_here(world: App, transport: str) -> None:
    browser = world.flask.test_client()
    browser.environ_base["REMOTE_ADDR"] = "10.0.0.7"
    browser.get("/login/bob")
    with TestClient(world.flask, transport=transport, flask_test_client=browser) as client:
        assert client.call("who") == ("bob", "10.0.0.7")
    with TestClient(world.flask, transport=transport) as client:
        assert client.call("who") == (None, "127.0.0.1")
    with browser, browser.session_transaction() as session:
        session["name"] = "eve"
    with TestClient(world.flask, transport=transport, flask_test_client=browser) as client:
        assert client.call("who")[0] == "eve"
