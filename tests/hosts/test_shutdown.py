"""A process that is told to end: clients hear of it, handlers finish, and nobody waits."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests
import websocket

from tests.hosts.conftest import (
    GEVENT_WEBSOCKET_WORKER,
    GUNICORN_READY,
    REALTIME_WORKER,
    gunicorn_flags,
)
from tests.interop.running import MODES, start_scenario
from tests.interop.wire import hang_up
from tests.processes import ServerProcess, eventually, python

#: Far below the graceful timeout; gunicorn looks at its workers once a second, twice over.
SOON = 5.0
GRACEFUL = "30"
WORKERS = {
    "gevent": ("-k", "gevent"),
    "gevent preloaded": ("-k", "gevent", "--preload"),
    "gevent-websocket": ("-k", GEVENT_WEBSOCKET_WORKER),
    "worker class": ("-k", REALTIME_WORKER),
}
RUN = "io.run"


def start(host: str, *more: str, app: str = "tests.hosts.ending:app") -> ServerProcess:
    if host == RUN:
        return ServerProcess(python("-m", "tests.hosts.ending"), ready=r"http://127\.0\.0\.1:(\d+)")
    flags = ["-b", "127.0.0.1:0", "--graceful-timeout", GRACEFUL, *gunicorn_flags()]
    command = python("-m", "gunicorn", *flags, *WORKERS[host], *more, app)
    return ServerProcess(command, ready=GUNICORN_READY)


class Peer:
    """A polling client with one kept connection."""

    def __init__(self, server: ServerProcess) -> None:
        self.http = requests.Session()
        self.url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        self.url += "&sid=" + json.loads(self.http.get(self.url, timeout=5).text[1:])["sid"]
        self.post("40")
        assert self.get().startswith("40{")

    def post(self, packets: str) -> None:
        assert self.http.post(self.url, data=packets, timeout=5).text == "ok"

    def get(self) -> str:
        return self.http.get(self.url, timeout=20).text

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.http.close()


@contextmanager
def joined(server: ServerProcess) -> Iterator[websocket.WebSocket]:
    """A WebSocket client in the main namespace."""
    url = f"{server.ws_url}/socket.io/?EIO=4&transport=websocket"
    client = websocket.create_connection(url, timeout=20)
    client.recv()
    client.send("40")
    assert client.recv()[:3] == "40{"
    try:
        yield client
    finally:
        hang_up(client)


def close_code(client: websocket.WebSocket) -> int:
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big")


@pytest.mark.parametrize("host", [RUN, *WORKERS])
def test_clients_hear_of_the_end_and_the_process_ends_soon(host: str) -> None:
    with start(host) as server, joined(server) as ws, Peer(server) as peer:
        server.signal(signal.SIGTERM)
        assert peer.get() == "6\x1e1"
        assert close_code(ws) == 1001
        # The connection of the peer stays open: nobody waits for that either.
        assert server.wait(within=SOON) == 0
        for transport in ("polling", "websocket"):
            assert f"gone: server shutting down {transport}" in server.stdout
        assert not server.has_traceback, server.report()


@pytest.mark.parametrize("host", [RUN, *WORKERS])
def test_what_is_emitted_right_before_the_end_arrives(host: str) -> None:
    with start(host) as server, joined(server) as ws, Peer(server) as peer:
        ws.send('42["last words"]')
        assert ws.recv() == '42["last words"]'
        assert close_code(ws) == 1001
        assert peer.get() == '42["last words"]'
        server.wait_for("gone: server shutting down websocket")
        server.terminate()


@pytest.mark.parametrize("host", [RUN, *WORKERS])
def test_a_session_that_nobody_polls_is_not_waited_for(host: str) -> None:
    with start(host) as server, Peer(server):
        assert server.terminate(within=SOON) == 0
        assert "gone: server shutting down polling" in server.stdout


@pytest.mark.parametrize("host", [RUN, "gevent", "gevent-websocket", "worker class"])
def test_new_handshakes_are_refused_meanwhile(host: str) -> None:
    with start(host) as server, joined(server) as ws, requests.Session() as http:
        url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        assert http.get(url, timeout=5).status_code == 200
        server.signal(signal.SIGTERM)
        (answer,) = eventually(lambda: refusals(http, url))
        assert (answer.status_code, answer.text) == (503, "server shutting down")
        assert answer.headers["Retry-After"] == "1"
        assert close_code(ws) == 1001
        assert server.wait(within=SOON) == 0


def refusals(http: requests.Session, url: str) -> list[requests.Response]:
    answer = http.get(url, timeout=5)
    return [] if answer.status_code == 200 else [answer]


def test_a_websocket_after_the_101_of_its_host_comes_again_at_once() -> None:
    with start("gevent-websocket") as server, joined(server) as ws:
        server.signal(signal.SIGTERM)
        url = f"{server.ws_url}/socket.io/?EIO=4&transport=websocket"
        refused = websocket.create_connection(url, timeout=5)
        assert str(refused.recv()).startswith('0{"sid":')
        assert close_code(refused) == 1001
        hang_up(refused)
        assert close_code(ws) == 1001
        assert server.wait(within=SOON) == 0


def test_a_handler_that_blocks_is_stopped_when_the_time_is_over() -> None:
    with start("gevent", "--graceful-timeout", "2") as server, joined(server) as ws:
        ws.send('42["block",60]')
        server.wait_for("blocking")
        server.signal(signal.SIGTERM)
        assert close_code(ws) == 1001
        assert server.wait(within=SOON + 2) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=lambda n: n.name)
@pytest.mark.parametrize("host", ["gevent", "gevent-websocket", "worker class"])
def test_a_quick_end_of_gunicorn_tells_clients_as_well(host: str, number: signal.Signals) -> None:
    with start(host) as server, joined(server) as ws, Peer(server) as peer:
        server.signal(number)
        assert peer.get() == "6\x1e1"
        assert close_code(ws) == 1001
        assert server.wait(within=SOON) == 0
        server_said = server.stdout
        assert "gone: server shutting down polling" in server_said


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("host", ["gevent", "gevent-websocket", "worker class"])
def test_the_official_client_comes_back_after_a_reload(host: str, mode: str) -> None:
    with start(host, app="tests.hosts.app:app") as server:
        with start_scenario("comesBackToANewServer", mode, server.url) as client:
            client.wait_for("^connected$")
            server.signal(signal.SIGHUP)
            client.wait_for("^left$", within=SOON)
            assert client.wait() == 0, client.report()
        server.saw(kind="disconnect", reason="server shutting down")
        server.stop()


@pytest.mark.parametrize("host", ["gevent", "worker class"])
def test_max_requests_is_announced_and_ends_cleanly(host: str) -> None:
    with start(host, "--max-requests", "6") as server, joined(server) as ws:
        server.wait_for("after max_requests = 6, and every long-polling request counts")
        for _ in range(5):
            requests.get(server.url, timeout=5)
        assert close_code(ws) == 1001
        server.wait_for("gone: server shutting down websocket")
        # The connection waits for the next worker.
        with joined(server):
            server.terminate()


def test_without_max_requests_there_is_no_warning() -> None:
    with start("gevent") as server, joined(server):
        server.terminate()
        assert "max_requests" not in server.stderr


@pytest.mark.parametrize("host", ["gevent", "gevent-websocket", "worker class"])
def test_a_forked_child_leaves_the_clients_to_the_worker(host: str) -> None:
    with start(host) as server, joined(server) as ws, Peer(server) as peer:
        ws.send('420["who"]')
        worker = ws.recv()
        ws.send('420["fork"]')
        child = json.loads(str(ws.recv()).removeprefix("430"))[0]
        try:
            for _ in range(300):
                ws.send('420["who"]')
                assert ws.recv() == worker
            for _ in range(30):
                peer.post('420["who"]')
                assert peer.get() == worker
        finally:
            # gunicorn's loop, of which the child has a copy, ends it within a second or so.
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        server.terminate()
