"""WSGI middlewares around the application: those that hand `write` on, and those that keep it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
import websocket

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.interop.running import Runner
from tests.processes import ServerProcess, eventually, python

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
KEEPING = ("profiler", "transforming")
PASSING = ("headers", "counting", "two", "proxy", "shared", "dispatcher")
WARNING = "a WSGI middleware around the application keeps its responses"


def serve(host: str, middleware: str) -> ServerProcess:
    env = {"MIDDLEWARE": middleware}
    if host == "embedded":
        return ServerProcess(python("-m", "tests.hosts.wrapped"), env=env)
    flags = ["-k", "gevent", "-b", "127.0.0.1:0", "--graceful-timeout", "2", *gunicorn_flags()]
    command = python("-m", "gunicorn", *flags, "tests.hosts.wrapped:app")
    return ServerProcess(command, ready=GUNICORN_READY, env=env)


@pytest.fixture(params=["embedded", "gunicorn"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=KEEPING)
def keeping(host: str, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with serve(host, request.param) as server:
        yield server
        server.stop()


@pytest.fixture(params=PASSING)
def passing(host: str, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with serve(host, request.param) as server:
        yield server
        server.stop()


def test_behind_a_middleware_that_keeps_write_there_is_no_websocket(
    keeping: ServerProcess,
) -> None:
    for _ in range(2):
        answer = requests.get(keeping.url + HANDSHAKE, timeout=5)
        opened = json.loads(answer.text[1:])
        assert opened["upgrades"] == []
        for sid in ("", f"&sid={opened['sid']}"):
            url = f"{keeping.ws_url}/socket.io/?EIO=4&transport=websocket{sid}"
            with pytest.raises(websocket.WebSocketBadStatusException) as refused:
                websocket.create_connection(url, timeout=5)
            assert refused.value.status_code == 400
            body = json.loads(refused.value.resp_body or b"")
            assert body["code"] == 3
            assert "middleware" in body["message"]
        posted = requests.post(f"{keeping.url}{HANDSHAKE}&sid={opened['sid']}", "40", timeout=5)
        assert posted.text == "ok"
    eventually(lambda: WARNING in keeping.stderr)
    assert keeping.stderr.count(WARNING) == 1
    assert not keeping.has_traceback


def test_behind_a_middleware_that_hands_write_on_the_client_is_on_websocket(
    passing: ServerProcess, official_client: Runner
) -> None:
    for mode in ("websocket", "upgrade"):
        official_client.run("smoke", mode, passing.url)
    assert WARNING not in passing.stderr
