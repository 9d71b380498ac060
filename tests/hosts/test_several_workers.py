"""More gunicorn workers than one, as a new user starts them: the log says what is missing."""

from __future__ import annotations

import pytest
import requests

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.processes import ServerProcess, python


@pytest.mark.parametrize("how", ["-w", "WEB_CONCURRENCY"])
def test_workers_without_a_cluster_are_warned_of(how: str) -> None:
    flags = ["-b", "127.0.0.1:0", "-k", "gevent", *gunicorn_flags()]
    env = {"WEB_CONCURRENCY": "2"} if how == "WEB_CONCURRENCY" else {}
    more = ["-w", "2"] if how == "-w" else []
    command = python("-m", "gunicorn", *flags, *more, "tests.hosts.app:app")
    with ServerProcess(command, ready=GUNICORN_READY, env=env) as server:
        requests.get(f"{server.url}/socket.io/?EIO=4&transport=polling", timeout=10)
        line = server.wait_for(r".*2 workers.*redis://.*").group()
        assert "websocket" in line
        assert "-w 1" in line
