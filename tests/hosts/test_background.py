"""Background tasks and native threads in real servers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import websocket

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.interop.wire import hang_up
from tests.processes import ServerProcess, eventually, python

APP = "tests.hosts.background:app"
GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:0", "-k", "gevent", "--graceful-timeout", "5")


def run(*arguments: str) -> ServerProcess:
    command = python("-m", "tests.hosts.background", *arguments)
    return ServerProcess(command, ready=r"Running on .*:(\d+)")


def gunicorn(*arguments: str) -> ServerProcess:
    command = python(*GUNICORN, *gunicorn_flags(), *arguments, APP)
    return ServerProcess(command, ready=GUNICORN_READY)


class Client:
    """A client on a WebSocket."""

    def __init__(self, server: ServerProcess) -> None:
        url = f"{server.ws_url}/socket.io/?EIO=4&transport=websocket"
        self._line = websocket.create_connection(url, timeout=15)
        self._receive("0{")
        self._line.send("40")
        self._receive("40")

    def emit(self, event: str, *args: Any, ack_id: str = "") -> None:
        self._line.send(f"42{ack_id}{json.dumps([event, *args])}")

    def call(self, event: str, *args: Any) -> Any:
        """The answer of a handler; what comes before it is passed over."""
        self.emit(event, *args, ack_id="7")
        return json.loads(self._receive("437")[3:])[0]

    def _receive(self, begin: str) -> str:
        while True:
            packet = str(self._line.recv())
            if packet.startswith(begin):
                return packet

    def close(self) -> None:
        hang_up(self._line)


@contextmanager
def connected(server: ServerProcess) -> Iterator[Client]:
    client = Client(server)
    try:
        yield client
    finally:
        client.close()


def places(server: ServerProcess, name: str) -> set[int]:
    """The processes in which a task has worked."""
    found = re.findall(rf"^{name} works in (\d+) for background$", server.stdout, re.M)
    return {int(pid) for pid in found}


def test_a_thread_holds_up_neither_others_nor_the_end() -> None:
    with run("patched") as server:
        with connected(server) as one, connected(server) as two:
            assert one.call("block", 0.05) == "/socket.io/"
            one.emit("block", 60)
            server.wait_for("blocks for 60 s")
            began = time.monotonic()
            assert two.call("ping") == "pong"
            assert two.call("block", 0) == "/socket.io/"
            assert time.monotonic() - began < 10
            server.request_end()
            assert server.wait(within=30) == 0
        assert "hub was blocked" not in server.stderr
        assert not server.has_traceback, server.report()
        assert "the first ends" in server.stdout


def test_a_worker_runs_and_ends_its_own_tasks_and_none_from_before_the_fork() -> None:
    with gunicorn("--preload", "-w", "2") as server:
        with connected(server) as client:
            worker = client.call("start", "second")
            eventually(lambda: places(server, "second") == {worker})
        server.wait_for("! 1 background tasks were started before this process was forked")
        count = server.stdout.count(f"second works in {worker}")
        eventually(lambda: server.stdout.count(f"second works in {worker}") > count + 3)
        assert worker not in places(server, "the first")
        assert len(places(server, "the first")) <= 1
        assert server.terminate(within=20) == 0
        assert f"second ends in {worker}" in server.stdout
        assert not server.has_traceback, server.report()
