"""The Flask extension: how it is put to work and configured."""

from __future__ import annotations

import logging
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from flask import Flask, current_app, request
from werkzeug.test import Client

import flask_realtime
from flask_realtime import Namespace, Realtime, Server, Socket
from flask_realtime.hosts.run_options import RunOptions
from flask_realtime.testing import ManualTime
from tests.clients import Network, network_of
from tests.fakes import settle
from tests.flasks import FlaskWorld

POLLING = "EIO=4&transport=polling"


def handshake_of(app: Any) -> dict[str, Any]:
    with network_of(app) as network:
        return network.request("GET", POLLING).handshake


def test_the_extension_is_where_flask_keeps_extensions() -> None:
    app = Flask(__name__)
    io = Realtime(app)
    assert app.extensions["realtime"] is io
    assert isinstance(io, Server)


def test_an_application_has_one_server() -> None:
    app = Flask(__name__)
    io = Realtime(app)
    with pytest.raises(RuntimeError):
        io.init_app(app)
    with pytest.raises(RuntimeError):
        Realtime(app)


def test_handlers_may_be_registered_before_the_application_is_there() -> None:
    io = Realtime()
    seen: list[str] = []

    class Chat(Namespace):
        def on_connection(self, socket: Socket) -> None:
            seen.append(f"chat of {current_app.name}")

    io.register(Chat("/chat"))
    io.use(lambda socket: seen.append("middleware"))
    io.event("who")(lambda socket: current_app.name)

    def create_app() -> Flask:
        app = Flask("factory")
        app.config["REALTIME_PING_INTERVAL"] = 3
        io.init_app(app)
        return app

    with network_of(create_app()) as network:
        client = network.client("polling")
        assert client.line.handshake["pingInterval"] == 3000
        client.connect()
        assert client.call("who") == ["factory"]
        client.connect("/chat")
        settle()
    assert seen == ["middleware", "chat of factory"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_talks_to_an_application(flask_world: FlaskWorld, transport: str) -> None:
    io = flask_world.io

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.join("lobby")

        @socket.on("chat message")
        def chat(text: str) -> str:
            io.to("lobby").emit("chat message", text)
            return "delivered"

    client, other = flask_world.network.joined(transport), flask_world.network.joined()
    client.emit("chat message", "hello", ack_id=1)
    assert client.event() == ["chat message", "hello"]
    assert client.receive() == '31["delivered"]'
    assert other.event() == ["chat message", "hello"]


def test_views_go_on_as_before(flask_world: FlaskWorld) -> None:
    flask_world.app.add_url_rule("/", "index", lambda: f"at {request.path}")
    browser = flask_world.app.test_client()
    assert browser.get("/").text == "at /"
    assert browser.get("/nothing").status_code == 404
    assert browser.get("/socket.io").status_code == 404


def test_a_view_may_emit(flask_world: FlaskWorld) -> None:
    @flask_world.app.post("/news")
    def news() -> str:
        flask_world.io.emit("news", request.get_json())
        return "sent"

    client = flask_world.network.joined()
    flask_world.app.test_client().post("/news", json={"a": 1})
    assert client.event() == ["news", {"a": 1}]


# --- options


def test_options_come_from_the_config() -> None:
    app = Flask(__name__)
    app.config.update(REALTIME_PING_INTERVAL=0.5, REALTIME_PING_TIMEOUT=0.25, REAL_OTHER=1)
    Realtime(app)
    values = handshake_of(app)
    assert (values["pingInterval"], values["pingTimeout"]) == (500, 250)


def test_arguments_win_over_the_config_and_the_last_over_the_first() -> None:
    app = Flask(__name__)
    app.config.update(
        REALTIME_PING_INTERVAL=1, REALTIME_PING_TIMEOUT=1, REALTIME_MAX_HTTP_BUFFER_SIZE=1000
    )
    io = Realtime(ping_interval=2, ping_timeout=2)
    io.init_app(app, ping_timeout=3)
    values = handshake_of(app)
    assert values["pingInterval"] == 2000
    assert values["pingTimeout"] == 3000
    assert values["maxPayload"] == 1000


def test_an_unknown_config_key_names_the_nearest() -> None:
    app = Flask(__name__)
    app.config["REALTIME_PING_INTERVALL"] = 5
    with pytest.raises(TypeError, match="REALTIME_PING_INTERVALL") as caught:
        Realtime(app)
    assert "ping_interval" in str(caught.value)
    assert "realtime" not in app.extensions


@pytest.mark.parametrize("late", [True, False])
def test_an_unknown_option_names_the_nearest(late: bool) -> None:
    give: Any = partial(Realtime().init_app, Flask(__name__)) if late else Realtime
    with pytest.raises(TypeError, match="did you mean 'ping_timeout'"):
        give(ping_timeuot=5)


def test_the_path_of_the_config_is_served() -> None:
    app = Flask(__name__)
    app.config["REALTIME_PATH"] = "/rt"
    Realtime(app)
    with network_of(app) as network:
        assert network.request("GET", POLLING, path="/rt/").handshake["sid"]
        assert network.request("GET", POLLING).status == 404


def test_what_listens_to_an_adapter_stays_when_options_follow() -> None:
    io, joined = Realtime(), []
    io.of("/").adapter.on("join-room", lambda room, sid: joined.append(room))
    app = Flask(__name__)
    app.config["REALTIME_PING_INTERVAL"] = 3
    io.init_app(app)
    network = Network(app)
    try:
        client = network.client("polling")
        sid = client.connect()
    finally:
        network.close()
    assert joined == [sid]


# --- running


@pytest.mark.parametrize(
    ("scheme", "bus"),
    [("redis", "ClassicBus"), ("redis+sharded", "ShardedBus"), ("redis+streams", "StreamsBus")],
)
def test_the_address_of_a_redis_in_the_config_makes_a_cluster(scheme: str, bus: str) -> None:
    """In a process of its own: the sockets of this one are not gevent's."""
    program = f"""
from gevent import monkey; monkey.patch_all()
from flask import Flask
from flask_realtime import Realtime
app = Flask(__name__)
app.config["REALTIME_ADAPTER"] = "{scheme}://127.0.0.1:1"
io = Realtime()
io.init_app(app)
for adapter in (io.sockets.adapter, io.of("/chat").adapter):
    print(type(adapter).__name__, *{{type(value).__name__ for value in vars(adapter).values()}})
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("ClusterAdapter" in line and bus in line.split() for line in lines), lines


def test_it_does_not_run_without_an_application() -> None:
    with pytest.raises(RuntimeError, match="application"):
        Realtime().run()


# --- what is exported


class Recorded(Realtime):
    """Notes what it would serve, and how."""

    def serve(self, application: Any, options: RunOptions) -> None:
        self.served = application, options


@pytest.mark.parametrize(
    ("before", "given", "found"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_debug_mode_is_that_of_the_application_unless_it_is_given(
    before: bool, given: bool | None, found: bool
) -> None:
    app = Flask(__name__)
    app.debug = before
    io = Recorded(app)
    io.run(debug=given)
    application, options = io.served
    assert (application, application.debug) == (app, found)
    assert options.development.debug is found
    assert options.server["log"] == ("default" if found else None)


def test_the_debugger_is_for_views_and_not_for_clients() -> None:
    app = Flask(__name__)
    io = Recorded(app)
    seen: list[str] = []
    io.engine.use(lambda environ: seen.extend(key for key in environ if "debug" in key))

    @app.get("/bad")
    def bad() -> str:
        raise ZeroDivisionError("of a view")

    io.run(debug=True, use_reloader=False)
    page = Client(app).get("/bad")
    assert page.status_code == 500
    assert "ZeroDivisionError: of a view" in page.text
    assert "EVALEX = true" in page.text
    assert handshake_of(app)["pingInterval"] == 25_000
    assert seen == []


def test_the_public_names_can_be_imported() -> None:
    expected = {
        "Realtime", "Server", "Namespace", "Socket", "BroadcastOperator", "Adapter",
        "MemoryAdapter", "Middleware", "ConnectError", "AckTimeout", "SocketDisconnected",
        "ClusterTimeout", "Reason", "ParentNamespace",
    }  # fmt: skip
    assert expected <= set(flask_realtime.__all__)
    assert all(hasattr(flask_realtime, name) for name in flask_realtime.__all__)


def test_importing_it_sets_up_no_logging() -> None:
    logger = logging.getLogger("flask_realtime")
    assert logger.handlers == []
    assert logger.level == logging.NOTSET


@pytest.mark.parametrize("app", [5, "app", Realtime])
def test_it_is_for_flask_applications(app: Any) -> None:
    with pytest.raises(TypeError, match="Realtime is for a Flask application, not"):
        Realtime(app)


def test_a_scheduler_of_a_test_goes_with_options_of_the_config() -> None:
    time = ManualTime()
    app = Flask("app")
    app.config["REALTIME_PING_INTERVAL"] = 60
    io = Realtime(app, scheduler=time.scheduler())
    with io.test_client() as client:
        time.advance(50)
        assert client.connected
        assert io.engine.stats()["messages_out"] == 1
    assert io.options.ping_interval == 60
