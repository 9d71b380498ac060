"""Real servers name the handler that blocks them, once, and only when it does."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
import websocket

from tests.hosts import blocking
from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.interop.wire import hang_up
from tests.processes import ServerProcess, eventually, python

RUN = ("-m", "tests.hosts.blocking")
GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:0", *gunicorn_flags())
APP = "tests.hosts.blocking:app"
HOSTS = {
    "run": RUN,
    "run patched": (*RUN, "patched"),
    "gunicorn": (*GUNICORN, "-k", "gevent", APP),
    "gunicorn preloaded": (*GUNICORN, "-k", "gevent", "--preload", APP),
}
BLOCKED = re.compile(r"! the hub was blocked for (\d+\.\d) s: (.*)")


def start(name: str) -> ServerProcess:
    ready = GUNICORN_READY if name.startswith("gunicorn") else r"Running on .*:(\d+)"
    return ServerProcess(python(*HOSTS[name]), ready=ready)


def ask(server: ServerProcess, event: str) -> None:
    """Let a client send an event and wait for its answer."""
    url = f"{server.ws_url}/socket.io/?EIO=4&transport=websocket"
    client = websocket.create_connection(url, timeout=10)
    client.recv()
    client.send("40")
    client.recv()
    client.send(f'420["{event}"]')
    assert client.recv() == "430[]"
    hang_up(client)


def blockages(server: ServerProcess) -> list[tuple[float, str]]:
    found: Sequence[tuple[str, str]] = BLOCKED.findall(server.stderr)
    return [(float(seconds), culprit) for seconds, culprit in found]


@pytest.mark.parametrize("name", HOSTS)
def test_a_handler_that_computes_is_named_in_one_line(name: str) -> None:
    with start(name) as server:
        ask(server, "compute")
        eventually(lambda: blockages(server), what="the line in the log")
        assert server.terminate() == 0
        ((seconds, culprit),) = blockages(server)
        assert 1.5 < seconds < 10
        event, _, place = culprit.partition(", at ")
        assert event == "the handler of 'compute' in '/'"
        assert place.startswith(f"{blocking.__file__}:")
        assert " in compute" in place


@pytest.mark.parametrize("name", HOSTS)
def test_a_handler_that_waits_blocks_an_unpatched_process_alone(name: str) -> None:
    with start(name) as server:
        ask(server, "wait")
        if name == "run":
            eventually(lambda: blockages(server), what="the line in the log")
        assert server.terminate() == 0
        found = [culprit for _, culprit in blockages(server) if "'wait'" in culprit]
        assert len(found) == (name == "run")
        assert server.stderr.count("this process is not patched") == (name == "run")
