"""The embedded server: it runs until it is told to stop, and closes gracefully."""

from __future__ import annotations

import json
import signal
import socket
import threading
import urllib.request

import pytest
import websocket

from tests.interop.wire import hang_up
from tests.processes import Late, Process, ServerProcess, python

READY = r"Running on http://127\.0\.0\.1:(\d+)"
BEHIND = """
from flask_realtime import Server
io = Server(ping_interval=0.2)

def behind(environ, start_response):
    start_response("200 OK", [])
    return [b"behind"]

@io.on("connection")
def connected(socket):
    @socket.on("disconnect")
    def gone(reason):
        print("gone:", reason, flush=True)

io.run(behind, port=0)
print("run() has returned", flush=True)
"""
BLOCKED = """
import time
import gevent
from flask_realtime import Server
io = Server()

@io.event
def connection(socket):
    socket.on("disconnect", lambda reason: print("gone:", reason, flush=True))

@io.event
def block(socket):
    print("blocking", flush=True)
    try:
        gevent.sleep(60)
    finally:
        print("stopped", flush=True)

@io.event("block the hub")
def block_the_hub(socket):
    import signal
    print("blocking", flush=True)
    while signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        time.sleep(0.01)
    print("interrupted", flush=True)
    time.sleep(60)

io.run(port=0)
"""
FLASK = """
from flask import Flask
from flask_realtime import Realtime
app = Flask(__name__)
io = Realtime({given})

@app.get("/")
def index():
    return "index"

io.run({run}port=0)
"""


def visit(server: ServerProcess) -> str:
    """Open a polling session and close it again; returns the handshake."""
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    answer = get(url)
    sid = json.loads(answer[1:])["sid"]
    post(f"{url}&sid={sid}", b"1")
    return answer


def joined(server: ServerProcess) -> websocket.WebSocket:
    """A WebSocket client in the main namespace."""
    client = websocket.create_connection(
        f"{server.ws_url}/socket.io/?EIO=4&transport=websocket", timeout=5
    )
    client.recv()
    client.send("40")
    assert client.recv()[:3] == "40{"
    return client


def post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, data=body, method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.read() == b"ok"


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        body: bytes = response.read()
    return body.decode()


def test_it_serves_the_application_and_the_clients_until_sigterm() -> None:
    with ServerProcess(python("-c", BEHIND), ready=READY) as server:
        assert get(server.url) == "behind"
        answer = visit(server)
        assert json.loads(answer[1:])["upgrades"] == ["websocket"]
        client = joined(server)
        assert client.recv() == "2"
        client.send("3")
        last: list[tuple[int, bytes]] = []
        reader = threading.Thread(target=lambda: last.append(client.recv_data()))
        reader.start()  # it answers the close frame, so that the server need not wait
        assert server.terminate() == 0
        reader.join(5)
        hang_up(client)
        server.wait_for("gone: server shutting down")
        server.wait_for(r"run\(\) has returned")
        ((opcode, data),) = last
        assert (opcode, data[:2]) == (8, (1001).to_bytes(2, "big"))
        assert "Traceback" not in server.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(number: signal.Signals) -> None:
    with ServerProcess(python("-c", BEHIND), ready=READY) as server:
        # An idle keep-alive connection is no reason to wait.
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200 OK")
            server.signal(number)
            assert server.wait(within=3) == 0
        assert "run() has returned" in server.stdout


def test_a_polling_session_without_a_poll_costs_a_moment_only() -> None:
    with ServerProcess(python("-c", BEHIND), ready=READY) as server:
        get(f"{server.url}/socket.io/?EIO=4&transport=polling")
        assert server.terminate(within=3) == 0


def test_a_second_sigint_ends_at_once() -> None:
    with ServerProcess(python("-c", BLOCKED), ready=READY) as server:
        client = joined(server)
        client.send('42["block the hub"]')
        server.wait_for("blocking")
        server.signal(signal.SIGINT)
        server.wait_for("interrupted")
        server.signal(signal.SIGINT)
        assert server.wait(within=3) == -signal.SIGINT
        hang_up(client)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handler_that_blocks_does_not_outlast_the_grace(transport: str) -> None:
    with ServerProcess(python("-c", BLOCKED), ready=READY) as server:
        url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        if transport == "websocket":
            client = joined(server)
            client.send('42["block"]')
        else:
            sid = json.loads(get(url)[1:])["sid"]
            post(f"{url}&sid={sid}", b"40")
            assert get(f"{url}&sid={sid}").startswith("40{")
            post(f"{url}&sid={sid}", b'42["block"]')
        server.wait_for("blocking")
        server.signal(signal.SIGTERM)
        server.wait_for("gone: server shutting down")  # beside the handler that blocks
        assert server.wait(within=8) == 0
        assert "stopped" in server.stdout
        if transport == "websocket":
            hang_up(client)


@pytest.mark.parametrize(
    ("given", "run"), [("app", ""), ("", "app, "), ("app", "app, "), ("", "app=app, ")]
)
def test_a_flask_application_is_served(given: str, run: str) -> None:
    program = FLASK.replace("{given}", given).replace("{run}", run)
    with ServerProcess(python("-c", program), ready=READY) as server:
        assert get(server.url) == "index"
        assert visit(server).startswith("0{")
        server.stop()


def test_a_port_that_is_taken_is_an_error() -> None:
    with ServerProcess(python("-c", BEHIND), ready=READY) as server:
        taken = BEHIND.replace("port=0", f"port={server.port}")
        with Process(python("-c", taken)) as second:
            assert second.wait() != 0
            assert "Address already in use" in second.stderr


def test_a_thread_that_runs_it_needs_no_signals() -> None:
    program = f"import threading\nthread = threading.Thread(target=exec, args=({BEHIND!r}, {{}}), daemon=True)\nthread.start()\nthread.join(30)"  # noqa: E501
    with ServerProcess(python("-c", program), ready=READY) as server:
        assert get(server.url) == "behind"
        with pytest.raises(Late):
            server.wait_for("Traceback", within=0.1)
