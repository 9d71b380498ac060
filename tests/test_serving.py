"""The embedded server: it runs until it is told to stop, and closes gracefully."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import websocket
from werkzeug.test import Client

from flask_realtime import Server
from tests.interop.wire import hang_up
from tests.processes import Late, Process, ServerProcess, eventually, python

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

STOPPING = BEHIND.replace(
    "io.run(",
    """
@io.event
def stop(socket):
    import threading
    {stop}()
    io.stop()

io.run(""",
)
IN_THREADS = """
import threading
from time import monotonic, sleep
from flask_realtime import Server

for number in range(3):
    io = Server()
    io.stop()
    thread = threading.Thread(target=io.run, kwargs={"port": 0})
    thread.start()
    while thread.is_alive():  # it may not have begun when it is told
        io.stop()
        thread.join(0.05)
    print(number, "ended", flush=True)
"""
FORKING = """
{patch}
import multiprocessing, os, time
import gevent
from flask_realtime import Server
io = Server(ping_interval=0.3, ping_timeout=2)

def say(text):  # in one piece: two processes write
    os.write(1, f"{text}\\n".encode())

@io.event
def disconnect(socket, reason):
    print('gone:', os.getpid(), reason, flush=True)

def work():
    say("the child runs")
    time.sleep(60)

def watch(process):
    while process.exitcode is None:
        gevent.sleep(0.02)
    print("ended by", -process.exitcode, flush=True)

def reap(pid):
    done, status = 0, 0
    while not done:
        gevent.sleep(0.02)
        done, status = os.waitpid(pid, os.WNOHANG)
    print("ended by", os.waitstatus_to_exitcode(status) * -1, flush=True)

@io.event("multiprocessing")
def with_multiprocessing(socket):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    say(f"child {process.pid}")
    gevent.spawn(watch, process)

@io.event
def fork(socket):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    say(f"child {pid}")
    gevent.spawn(reap, pid)

@io.event("who")
def who(socket):
    return os.getpid()

io.run(port=0)
"""
HANDLING = """
import signal, sys
from flask_realtime import Server
io = Server()

def own(number, frame):
    print("own handler", number, flush=True)
    sys.exit(7)

numbers = (signal.SIGTERM, signal.SIGINT)
for number in numbers:
    signal.signal(number, own)
try:
    io.run(port=0)
finally:
    back = all(signal.getsignal(number) is own for number in numbers)
    print("handlers are back:", back, flush=True)
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
        assert not server.has_traceback


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


def test_a_port_that_is_taken_is_two_lines_and_status_1() -> None:
    with ServerProcess(python("-c", BEHIND), ready=READY) as server:
        taken = BEHIND.replace("port=0", f"port={server.port}")
        with Process(python("-c", taken)) as second:
            assert second.wait() == 1
            first, remedy = second.stderr.splitlines()
            assert first.endswith(f"http://127.0.0.1:{server.port}: Address already in use")
            assert "another program" in remedy


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_cannot_be_had_is_two_lines(host: str) -> None:
    with Process(python("-c", BEHIND.replace("port=0", f"host={host!r}"))) as process:
        assert process.wait() == 1
        first, _ = process.stderr.splitlines()
        assert first.startswith(f"Cannot listen on http://{host}:5000: ")


def test_the_banner_of_ipv6_can_be_clicked() -> None:
    program = BEHIND.replace("port=0", "host='::1', port='0'")
    ready = r"Running on http://\[::1\]:(\d+)"
    with ServerProcess(python("-c", program), ready=ready) as server:
        assert get(f"http://[::1]:{server.port}/") == "behind"
        server.terminate()


def test_a_storm_of_connections_waits_to_be_accepted() -> None:
    """Linux keeps the rest out, silently, until a client tries again a second later."""
    program = BLOCKED.replace("io.run(port=0)", "io.run(port=0, debug=None)")
    with ServerProcess(python("-c", program), ready=READY) as server:
        client = joined(server)
        client.send('42["block the hub"]')
        server.wait_for("blocking")
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
        with ExitStack() as stack:
            for _ in range(min(most, 600)):
                address = ("127.0.0.1", server.port)
                stack.enter_context(socket.create_connection(address, timeout=0.9))
        hang_up(client)


def test_stop_ends_it_from_a_handler_and_another_thread() -> None:
    for where in ("io.stop", "threading.Thread(target=io.stop).start"):
        program = STOPPING.replace("{stop}", where)
        with ServerProcess(python("-c", program), ready=READY) as server:
            client = joined(server)
            client.send('42["stop"]')
            assert server.wait() == 0
            server_said = server.stdout
            assert "run() has returned" in server_said
            assert "gone: server shutting down" in server_said
            assert not server.has_traceback
            hang_up(client)


def test_stop_ends_servers_in_threads_one_after_another() -> None:
    with Process(python("-c", IN_THREADS)) as process:
        assert process.wait() == 0, process.report()
        assert process.stdout.splitlines() == ["0 ended", "1 ended", "2 ended"]


def test_the_debugger_shows_what_the_application_behind_a_server_raises() -> None:
    class Recorded(Server):
        def serve(self, application: Any, options: Any) -> None:
            self.served = application

    def broken(environ: Any, start_response: Any) -> list[bytes]:
        raise ZeroDivisionError("behind")

    io = Recorded()
    io.run(broken, debug=True, use_reloader=False)
    assert "ZeroDivisionError: behind" in Client(io.served).get("/").text


def test_a_closed_server_does_not_run_again() -> None:
    io = Server()
    io.stop()  # nothing runs: harmless
    io.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        io.run(port=0)


PATCHES = {"plain": "", "patched": "from gevent import monkey; monkey.patch_all()"}


def forking(patch: str) -> ServerProcess:
    return ServerProcess(python("-c", FORKING.replace("{patch}", PATCHES[patch])), ready=READY)


def answers(client: websocket.WebSocket, count: int) -> set[str]:
    """Who answers, while pings are answered as well."""
    found = set()
    for _ in range(count):
        client.send('421["who"]')
        while (packet := str(client.recv())) == "2":
            client.send("3")
        found.add(packet.removeprefix("431"))
    return found


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("how", ["multiprocessing", "fork"])
def test_a_forked_child_can_be_terminated(how: str, patch: str) -> None:
    with forking(patch) as server:
        client = joined(server)
        client.send(f'42["{how}"]')
        child = int(server.wait_for(r"child (\d+)")[1])
        server.wait_for("the child runs")
        os.kill(child, signal.SIGTERM)
        server.wait_for(f"ended by {int(signal.SIGTERM)}")
        assert len(answers(client, 1)) == 1
        hang_up(client)
        assert server.terminate() == 0


@pytest.mark.parametrize("patch", PATCHES)
def test_a_forked_child_leaves_clients_and_port_to_its_parent(patch: str) -> None:
    with forking(patch) as server:
        client = joined(server)
        (parent,) = answers(client, 1)
        client.send('42["multiprocessing"]')
        child = int(server.wait_for(r"child (\d+)")[1])
        server.wait_for("the child runs")
        try:
            # Long enough for heartbeats, which the child would miss.
            until = time.monotonic() + 3
            while time.monotonic() < until:
                assert answers(client, 20) == {parent}
            hang_up(client)
            server.wait_for("gone: ")
            # It waits for its child, as multiprocessing does it, but not on the port.
            server.signal(signal.SIGTERM)
            eventually(lambda: refuses(server.port), what="a closed port")
        finally:
            os.kill(child, signal.SIGTERM)
        assert server.wait() == 0
        assert f"gone: {child}" not in server.stdout, server.report()


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_handlers_of_the_application_are_called_and_come_back(number: signal.Signals) -> None:
    with ServerProcess(python("-c", HANDLING), ready=READY) as server:
        server.signal(number)
        server.wait_for(f"own handler {int(number)}")
        assert server.wait() == 7
        assert server.stdout.splitlines()[-1] == "handlers are back: True"


def test_a_thread_that_runs_it_needs_no_signals() -> None:
    program = f"import threading\nthread = threading.Thread(target=exec, args=({BEHIND!r}, {{}}), daemon=True)\nthread.start()\nthread.join(30)"  # noqa: E501
    with ServerProcess(python("-c", program), ready=READY) as server:
        assert get(server.url) == "behind"
        with pytest.raises(Late):
            server.wait_for("Traceback", within=0.1)
