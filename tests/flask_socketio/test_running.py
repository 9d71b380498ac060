"""Keywords of ``run()``."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from flask import Flask

from flask_realtime.flask_socketio import SocketIO
from flask_realtime.flask_socketio.running import run
from flask_realtime.testing import deadline


class Recorded:
    """A server that notes what it is run with."""

    def run(self, app: Any = None, host: Any = "", port: Any = 0, **keywords: Any) -> None:
        self.given = (app, host, port, keywords)


def given(app: Flask, host: Any = None, port: Any = None, **keywords: Any) -> Any:
    server: Any = Recorded()
    run(server, app, host, port, keywords)
    return server.given


def test_the_defaults_are_those_of_flask() -> None:
    app = Flask(__name__)
    _, host, port, keywords = given(app)
    assert (host, port) == ("127.0.0.1", 5000)
    assert keywords == {"log": False, "debug": False}


def test_debug_turns_on_the_access_log_as_well() -> None:
    app = Flask(__name__)
    assert given(app, debug=True)[3] == {"log": True, "debug": True}
    assert app.debug
    keywords = given(app, use_reloader=False, log_output=False)[3]
    assert keywords == {"log": False, "use_reloader": False, "debug": True}


@pytest.mark.parametrize(("name", "port"), [("a.example:80", 80), ("a.example", 5000), ("", 5000)])
def test_the_port_may_come_from_the_name_of_the_server(name: str, port: int) -> None:
    app = Flask(__name__)
    app.config["SERVER_NAME"] = name
    assert given(app)[2] == port
    assert given(app, port="7")[2] == "7"


def test_keywords_of_other_servers_are_named(caplog: pytest.LogCaptureFixture) -> None:
    keywords = given(Flask(__name__), allow_unsafe_werkzeug=True)[3]
    assert "allow_unsafe_werkzeug" not in keywords
    assert "allow_unsafe_werkzeug=" in caplog.text


def test_run_serves_until_stop() -> None:
    app = Flask(__name__)
    io = SocketIO()

    def keep_stopping() -> None:
        while True:
            io.stop()
            gevent.sleep(0.01)

    stopping = gevent.spawn(keep_stopping)
    with deadline("run()"):
        io.run(app, port=0)
    stopping.kill()
    assert app.extensions["socketio"] is io
