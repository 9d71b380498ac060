"""One room on three servers: two of Flask and one of Node, joined by Redis.

Starts them all, and its own Redis unless one is given; Ctrl-C stops them.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 20  # seconds within which a server has to listen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program(name: str, hint: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name!r} is missing: {hint}")
    return found


class Servers:
    """The processes of the cluster; when one of them ends, the others are stopped."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._waiting: list[tuple[int, subprocess.Popen[bytes]]] = []

    def start(self, port: int, *command: str) -> None:
        """Start a server that is going to listen on a port."""
        process = subprocess.Popen(command, cwd=HERE)
        self._running.append(process)
        self._waiting.append((port, process))

    def wait_listening(self) -> None:
        """Wait until every server accepts connections."""
        deadline = time.monotonic() + PATIENCE
        for port, process in self._waiting:
            while not self._listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"no server listens on port {port}")
                time.sleep(0.05)
        self._waiting.clear()

    @staticmethod
    def _listens(port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def wait(self) -> None:
        """Wait until one of them has ended."""
        while all(process.poll() is None for process in self._running):
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop all of them; Redis, which was started first, comes last."""
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    running = Servers()
    try:
        yield running
    finally:
        running.stop()


def start_redis(running: Servers, folder: str) -> str:
    """Start a Redis without persistence; return its URL."""
    port = free_port()
    redis = program("redis-server", "install Redis 7 or later, or give --redis URL")
    options = ["--bind", "127.0.0.1", "--save", "", "--dir", folder, "--loglevel", "warning"]
    running.start(port, redis, "--port", str(port), *options)
    running.wait_listening()
    print(f"Redis is redis://127.0.0.1:{port}", flush=True)
    return f"redis://127.0.0.1:{port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", metavar="URL", help="an existing Redis server")
    parser.add_argument("--port", type=int, default=5001, help="the first port; 0 for free ones")
    parser.add_argument("--python", type=int, default=2, help="how many Flask servers")
    parser.add_argument("--node", type=int, default=1, help="how many Node servers")
    given = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory() as folder, servers() as running:
        url = given.redis or start_redis(running, folder)
        commands = [(sys.executable, "server.py")] * given.python
        if given.node:
            node = program("node", "install Node.js 18 or later, or give --node 0")
            commands += [(node, "neighbour.mjs")] * given.node
        ports = [given.port + n if given.port else free_port() for n in range(len(commands))]
        for port, command in zip(ports, commands, strict=True):
            running.start(port, *command, "--port", str(port), "--redis", url)
        running.wait_listening()
        for port in ports:
            print(f"open http://127.0.0.1:{port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            running.wait()
            raise SystemExit("one of the servers has ended")


if __name__ == "__main__":
    main()
