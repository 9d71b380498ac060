"""A gunicorn whose workers are told apart, and clients that know in which of them they are."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comparison import server_environment
from processes import HERE, BenchmarkError, children, free_port

START_SECONDS = 30.0
STOP_SECONDS = 15.0
#: What workers do after their last answer takes less; the kernel counts time when they sleep.
SETTLE_SECONDS = 0.03
POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class Connection:
    """A connection with keep-alive: it stays in one worker until it is handed over.

    Args:
        port: That of the server.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._data = b""

    def ask(self, method: str, target: str, body: str = "") -> str:
        """Send a request and return the body of its response."""
        self.send_request(method, target, body)
        return self.response()

    def send_request(self, method: str, target: str, body: str) -> None:
        """Send a request."""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.send((head + body).encode())

    def response(self) -> str:
        """Return the body of the next response."""
        head = self.head()
        if " 200 " not in head.partition("\r\n")[0]:
            raise BenchmarkError(f"a request was answered {head}")
        _, _, size = head.lower().partition("content-length:")
        return self.take(int(size.partition("\r\n")[0])).decode()

    def stats(self) -> dict[str, float]:
        """The counters of its worker; `pid` is the process of that."""
        found: dict[str, float] = json.loads(self.ask("GET", "/"))
        return found

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def head(self) -> str:
        """Return the head of the next response."""
        while b"\r\n\r\n" not in self._data:
            self._read()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        return head.decode()

    def take(self, size: int) -> bytes:
        """Return that many bytes."""
        while len(self._data) < size:
            self._read()
        found, self._data = self._data[:size], self._data[size:]
        return found

    def _read(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise BenchmarkError("the server ended a connection")
        self._data += data

    def close(self) -> None:
        """End it."""
        self._socket.close()


class WebSocket:
    """A client with short messages.

    Args:
        connection: Becomes the WebSocket, which closes it.
        target: What it asks for.
    """

    def __init__(self, connection: Connection, target: str) -> None:
        self._connection = connection
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode())

    def open(self) -> None:
        """Read that it is a WebSocket now."""
        head = self._connection.head()
        if " 101 " not in head:
            raise BenchmarkError(f"no WebSocket: {head}")

    def receive(self) -> str:
        """Return the next message."""
        size = self._connection.take(2)[1]
        if size == 126:
            size = int.from_bytes(self._connection.take(2), "big")
        return self._connection.take(size).decode()

    def send(self, text: str) -> None:
        """Send a message of fewer than 126 bytes, with a mask of zeros."""
        self._connection.send(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Visitor:
    """A session on long-polling, in the main namespace, and a connection in the same worker."""

    worker: int
    sid: str
    connection: Connection


@dataclass(frozen=True, slots=True)
class Workers:
    """A gunicorn with its workers, and what else takes part.

    Attributes:
        port: Its port.
        desks: A connection to each worker, by the process of that.
        others: More processes whose CPU time counts.
    """

    port: int
    desks: dict[int, Connection]
    others: tuple[int, ...] = ()

    def cpu_us(self) -> float:
        """The CPU time of all of them so far."""
        time.sleep(SETTLE_SECONDS)
        total = 0
        for pid in (*self.desks, *self.others):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0])
        return total / 1000

    def handed_over(self) -> int:
        """How many requests the workers have handed over."""
        return sum(int(desk.stats()["siblings_handed_over"]) for desk in self.desks.values())

    def visitors(self, count: int) -> list[Visitor]:
        """Return new visitors, those of a worker beside each other."""
        found = []
        for _ in range(count):
            connection = Connection(self.port)
            # The session may have another worker; its connection has moved to that.
            sid = json.loads(connection.ask("GET", POLLING)[1:])["sid"]
            connection.ask("POST", f"{POLLING}&sid={sid}", "40")
            found.append(Visitor(int(connection.stats()["pid"]), sid, connection))
        return sorted(found, key=lambda visitor: visitor.worker)


@contextmanager
def gunicorn(workers: int, adapter: str = "", others: tuple[int, ...] = ()) -> Iterator[Workers]:
    """Run gunicorn for the duration of the block.

    Args:
        workers: How many; they have found each other.
        adapter: The URL of a Redis, or nothing.
        others: More processes whose CPU time counts.
    """
    port = free_port()
    options = ["-k", "gevent", "-w", str(workers), "-b", f"127.0.0.1:{port}"]
    # Connections are opened before they are measured.
    options += ["--keep-alive", "600", "--no-control-socket"]
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "gunicorn_app:app"],
        cwd=HERE / "servers",
        env={**server_environment(), "BENCH_ADAPTER": adapter},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as master:
        desks: dict[int, Connection] = {}
        try:
            reach_all(desks, master, port, workers)
            yield Workers(port, desks, others)
        finally:
            for desk in desks.values():
                desk.close()
            master.terminate()
            try:
                master.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                master.kill()


def reach_all(
    desks: dict[int, Connection], master: subprocess.Popen[bytes], port: int, workers: int
) -> None:
    """Open a connection to each worker, once that has found its siblings."""
    deadline = time.monotonic() + START_SECONDS
    while len(desks) < workers:
        if time.monotonic() > deadline or master.poll() is not None:
            raise BenchmarkError("the workers did not start, or did not find each other")
        if len(children(master.pid)) < workers:
            time.sleep(0.05)
            continue
        try:
            desk = Connection(port)
            stats = desk.stats()
        except OSError:
            time.sleep(0.05)
            continue
        if stats["pid"] in desks or stats.get("siblings") != workers - 1:
            desk.close()
        else:
            desks[int(stats["pid"])] = desk
