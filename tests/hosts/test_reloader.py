"""The reloader, in real processes: what a change does to a program and to its clients."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from flask_realtime.hosts.reloader import listen, serve_in_children
from flask_realtime.hosts.watched_files import WatchedFiles
from tests.processes import ROOT, Process, ServerProcess, eventually, node, node_package, python

READY = r"Running on http://127\.0\.0\.1:(\d+)"
PATCH = "from gevent import monkey; monkey.patch_all()"
PROGRAM = """
{patch}
import os, time
import gevent
from flask import Flask
from werkzeug.serving import is_running_from_reloader
from flask_realtime import Realtime

app = Flask(__name__)
io = Realtime(app)

@app.get("/")
def index():
    return "version {version}"

@app.get("/bad")
def bad():
    raise ZeroDivisionError("of a view")

@app.get("/stop")
def stop():
    io.stop()
    return "stopping"

@app.get("/hang")
def hang():
    print("hanging", flush=True)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass

@io.event
def version(socket):
    return {version}

@io.event
def block(socket):
    print("blocking", flush=True)
    gevent.sleep(60)

@io.event
def disconnect(socket, reason):
    print("gone:", reason, flush=True)

def background():
    print("background", is_running_from_reloader(), flush=True)
    gevent.sleep(60)

gevent.spawn(background)
# What the tests of this project write meanwhile is not meant.
options = {{"interval": 0.1, "exclude_patterns": ["{root}/*"]}}
print("group", os.getpgid(0), "child", os.getpid(), flush=True)
try:
    io.run(app, port={port}, debug=True, reloader_options=options, extra_files={extra})
    print("run() has returned", flush=True)
finally:
    print("the end of", os.getpid(), flush=True)
"""


class Program:
    """A program that is being written."""

    def __init__(self, folder: Path, patch: str = PATCH) -> None:
        self.folder = folder
        self.file = folder / "app.py"
        self.settings = folder / "settings.toml"
        self.settings.write_text("")
        self.patch = patch

    def write(self, version: int, more: str = "", port: int = 0) -> None:
        extra = [str(self.settings)]
        text = PROGRAM.format(version=version, patch=self.patch, root=ROOT, extra=extra, port=port)
        # In one step: half of a program would be a version of its own.
        new = self.folder / "app.py~"
        new.write_text(text + more)
        os.replace(new, self.file)

    def start(self) -> ServerProcess:
        return ServerProcess(python(str(self.file)), ready=READY)


def get(server: ServerProcess, path: str = "/") -> str:
    with urllib.request.urlopen(server.url + path, timeout=30) as response:
        body: bytes = response.read()
    return body.decode()


def count(server: ServerProcess, line: str) -> int:
    return (server.stdout + "\n" + server.stderr).splitlines().count(line)


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("patch", [PATCH, ""], ids=["patched", "plain"])
def test_clients_come_back_to_the_new_code_and_ctrl_c_ends_it(patch: str, tmp_path: Path) -> None:
    node_package("socket.io-client")
    program = Program(tmp_path, patch)
    program.write(1)
    script = str(Path(__file__).with_name("reload.mjs"))
    with ExitStack() as stack:
        server = stack.enter_context(program.start())
        clients = [
            stack.enter_context(Process([node(), script, server.url, transport]))
            for transport in ("websocket", "polling")
        ]
        for client in clients:
            client.wait_for("^version 1$")
        eventually(lambda: count(server, "blocking") == 2, what="two handlers that block")
        program.write(2)
        for client in clients:
            client.wait_for("^version 2$", within=30)
            assert "left: transport close" in client.stdout
        assert count(server, "gone: server shutting down") == 2
        assert count(server, "background True") == 2
        # A mistake waits for its repair, and so do the clients.
        program.write(3, more="x = (")
        server.wait_for("Ended with status 1: starts again", within=30)
        # An editor that writes in two steps.
        program.file.write_text("")
        server.wait_for("Ended with status 0: starts again", within=30)
        program.write(4, port=5999)
        for client in clients:
            client.wait_for("^version 4$", within=30)
        server.wait_for(rf"! port {server.port} goes on: start the program again for port 5999")
        assert "background False" not in server.stdout
        # Ctrl-C in a terminal is for both processes.
        os.killpg(int(server.wait_for(r"^group (\d+)")[1]), signal.SIGINT)
        assert server.wait(within=8) == 0
        assert count(server, "gone: server shutting down") == 6
        assert refuses(server.port)
        assert "KeyboardInterrupt" not in server.stderr


def test_it_looks_like_werkzeugs_reloader_and_has_its_debugger(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.write(1)
    with program.start() as server:
        assert get(server) == "version 1"
        assert count(server, " * Restarting with stat") == 1
        server.wait_for(r" \* Debugger PIN: \d+-\d+-\d+")
        with pytest.raises(urllib.error.HTTPError, match="500") as caught:
            get(server, "/bad")
        page = caught.value.read().decode()
        assert "ZeroDivisionError: of a view" in page
        assert "EVALEX = true" in page
        server.wait_for(r'"GET /bad HTTP/1\.1" 500')  # the access log
        # A file that is no Python; a handler that holds up everything is no reason to wait.
        with socket.create_connection(("127.0.0.1", server.port)) as hanging:
            hanging.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            server.wait_for("hanging")
            program.settings.write_text("changed")
            server.wait_for(r"Detected change in '.*settings\.toml', reloading")
            eventually(lambda: get(server) == "version 1", within=30)
        assert count(server, " * Restarting with stat") == 2
        assert get(server, "/stop") == "stopping"
        assert server.wait() == 0
        assert "run() has returned" in server.stdout


def test_sigterm_for_the_first_process_alone_ends_both(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.write(1)
    with program.start() as server:
        get(server)
        server.signal(signal.SIGTERM)
        assert server.wait(within=8) == 0
        assert "run() has returned" in server.stdout
        assert refuses(server.port)
        assert not server.has_traceback


def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.write(1)
    with program.start() as server:
        get(server)
        server.signal(signal.SIGKILL)
        eventually(lambda: refuses(server.port), within=15, what="a closed port")


def test_a_port_that_is_taken_is_two_lines_and_status_1(tmp_path: Path) -> None:
    with listen(("127.0.0.1", 0), 1) as taken:
        program = Program(tmp_path)
        program.write(1, port=taken.getsockname()[1])
        with Process(python(str(program.file))) as process:
            assert process.wait() == 1
            first, remedy = process.stderr.splitlines()
            assert first.endswith("Address already in use")
            assert "another program" in remedy


def test_a_listener_of_ipv6() -> None:
    with listen(("::1", 0), 1) as listener:
        assert listener.getsockname()[0] == "::1"


def test_it_needs_the_main_thread() -> None:
    raised: list[str] = []

    def run() -> None:
        with listen(("127.0.0.1", 0), 1) as listener:
            try:
                serve_in_children(listener, WatchedFiles([], []), 1, "")
            except RuntimeError as error:
                raised.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert raised == ["the reloader needs the main thread: use_reloader=False does without"]
