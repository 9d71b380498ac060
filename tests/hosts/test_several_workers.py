"""More gunicorn workers than one: they are one server, or the log says what is missing."""

from __future__ import annotations

import pytest
import requests

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.processes import ServerProcess, python

WARNING = "each has clients of its own"


def gunicorn(app: str, *more: str, env: dict[str, str]) -> ServerProcess:
    flags = ["-b", "127.0.0.1:0", "-k", "gevent", *gunicorn_flags(), *more]
    return ServerProcess(python("-m", "gunicorn", *flags, app), ready=GUNICORN_READY, env=env)


def open_session(server: ServerProcess) -> None:
    requests.get(f"{server.url}/socket.io/?EIO=4&transport=polling", timeout=10)


@pytest.mark.parametrize("how", ["-w", "WEB_CONCURRENCY"])
def test_workers_that_stay_alone_are_warned_of(how: str) -> None:
    env = {"WEB_CONCURRENCY": "2"} if how == "WEB_CONCURRENCY" else {}
    more = ["-w", "2"] if how == "-w" else []
    env["TEST_OPTIONS"] = '{"workers": "alone"}'
    with gunicorn("tests.hosts.workers.app:app", *more, env=env) as server:
        open_session(server)
        line = server.wait_for(rf".*2 workers.*{WARNING}.*redis://.*").group()
        assert "websocket" in line
        assert "-w 1" in line


def test_workers_that_are_one_server_are_not_warned_of() -> None:
    with gunicorn("tests.hosts.workers.app:app", "-w", "2", env={"TEST_LOG": "INFO"}) as server:
        server.wait_for(r"\+ worker \w+ joined")
        open_session(server)
        server.wait_for(r"\+ session ")
        assert WARNING not in server.stderr
