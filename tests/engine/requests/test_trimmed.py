"""What is left of a first request, and who still holds the rest."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from flask_realtime.engine.requests.trimmed import APP_KEY, shed_headers, trimmed
from tests.fakes import request, settle
from tests.worlds import EngineWorld

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Big:
    """Stands for what hangs on a request."""


def test_the_headers_and_the_host_are_not_kept() -> None:
    environ = request(headers={"Cookie": "a=b"}, wsgi={APP_KEY: "the application"})
    assert trimmed(environ) == {
        "REMOTE_ADDR": "127.0.0.1",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": "EIO=4&transport=polling",
        "wsgi.url_scheme": "http",
        APP_KEY: "the application",
    }
    assert trimmed({}) == {}


def test_an_environ_without_headers_has_all_that_an_access_log_must_have() -> None:
    environ = request(headers={"Cookie": "a=b"})
    names = {name for name in environ if not name.startswith("HTTP_")}
    shed_headers(environ)
    assert set(environ) == names
    assert environ["REQUEST_METHOD"] == "GET"


@TRANSPORTS
def test_what_hangs_on_a_request_is_freed(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    session, _ = engine.handler.last
    environ: Any = session.environ
    environ["HTTP_X_BIG"] = Big()
    del environ
    session.forget_request()
    settle()
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, Big)]
    line.send("4still here")
    settle()
    assert engine.handler.last[1].messages == ["still here"]


@TRANSPORTS
def test_a_request_that_was_let_go_is_missed_with_a_clear_error(
    engine: EngineWorld, transport: str
) -> None:
    engine.network.line(transport)
    session, _ = engine.handler.last
    assert session.has_request
    session.forget_request()
    session.forget_request()
    assert not session.has_request
    with pytest.raises(RuntimeError, match="forget_request"):
        _ = session.request
    assert session.remote_address == "127.0.0.1"


def test_the_answer_to_a_handshake_still_knows_its_request(engine: EngineWorld) -> None:
    engine.engine.on("connection", lambda session: session.forget_request())
    hosts: list[str] = []
    engine.engine.on("headers", lambda headers, environ: hosts.append(environ["HTTP_HOST"]))
    engine.network.polling()
    engine.network.websocket()
    assert len(hosts) == 2


def test_the_request_of_an_upgrade_gives_up_its_headers_as_well(engine: EngineWorld) -> None:
    environs: list[Any] = []
    engine.engine.use(lambda environ: environs.append(environ))
    line = engine.network.polling()
    engine.handler.last[0].forget_request()
    engine.network.upgrade(line)
    settle()
    first, upgrade = environs
    assert "HTTP_HOST" in first  # only this test holds it
    assert "HTTP_HOST" not in upgrade
    other = engine.network.polling()
    engine.network.upgrade(other)
    assert "HTTP_HOST" in environs[-1]
