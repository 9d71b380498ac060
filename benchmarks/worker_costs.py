"""What it costs that the workers of one host are one server: CPU time, and how evenly they serve.

The time is that of all workers, of Redis as well where it takes part. What a hand-over costs is
the difference between two workers and one, for the requests that were handed over.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from comparison import server_environment
from processes import HERE, BenchmarkError, children, free_port, redis_server

START_SECONDS = 30.0
TAG_LENGTH = 4
POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@dataclass(frozen=True, slots=True)
class Workers:
    """A gunicorn with its workers, and whatever else takes part."""

    port: int
    pids: tuple[int, ...]
    others: tuple[int, ...] = ()

    def cpu_us(self) -> float:
        """The CPU time of all of them so far."""
        total = 0
        for pid in (*self.pids, *self.others):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0])
        return total / 1000

    def stats(self) -> list[dict[str, float]]:
        """The counters of each worker, once each has found the others."""
        found: dict[float, dict[str, float]] = {}
        deadline = time.monotonic() + START_SECONDS
        while len(found) < len(self.pids):
            stats = json.loads(request(self.port, "GET", "/"))
            if stats.get("siblings", 0) == len(self.pids) - 1:
                found[stats["pid"]] = stats
            if time.monotonic() > deadline:
                raise BenchmarkError("the workers did not find each other")
        return list(found.values())

    def handed_over(self) -> int:
        """How many requests the workers have handed over."""
        return sum(int(stats.get("siblings_handed_over", 0)) for stats in self.stats())

    def spend(self, work: Callable[[], None], count: int) -> tuple[float, float]:
        """Return the CPU time of each of ``count`` steps, and which share was handed over."""
        moved, began = self.handed_over(), self.cpu_us()
        work()
        spent = self.cpu_us() - began
        return spent / count, (self.handed_over() - moved) / count


@contextmanager
def gunicorn(workers: int, adapter: str = "", others: tuple[int, ...] = ()) -> Iterator[Workers]:
    """Run gunicorn for the duration of the block."""
    port = free_port()
    options = ["-k", "gevent", "-w", str(workers), "-b", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "--no-control-socket", "gunicorn_app:app"],
        cwd=HERE / "servers",
        env={**server_environment(), "BENCH_ADAPTER": adapter},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as master:
        try:
            server = Workers(port, tuple(wait_for_workers(master, port, workers)), others)
            server.stats()
            yield server
        finally:
            master.terminate()
            try:
                master.wait(15)
            except subprocess.TimeoutExpired:
                master.kill()


def wait_for_workers(master: subprocess.Popen[bytes], port: int, workers: int) -> list[int]:
    """Return the processes of the workers when one of them answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and master.poll() is None:
        pids = children(master.pid)
        if len(pids) >= workers:
            try:
                request(port, "GET", "/")
            except OSError:
                continue
            return pids
        time.sleep(0.05)
    raise BenchmarkError("the workers did not start")


def request(port: int, method: str, target: str, body: str = "") -> str:
    """Send a request on a connection of its own and return the body of its response."""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = b""
        while data := sock.recv(65_536):
            answer += data
    status, _, rest = answer.decode().partition("\r\n")
    if " 200 " not in status:
        raise BenchmarkError(f"{method} {target}: {status}")
    return rest.partition("\r\n\r\n")[2]


def open_session(port: int) -> str:
    """Return the id of a new session on long-polling, in the main namespace."""
    sid: str = json.loads(request(port, "GET", POLLING)[1:])["sid"]
    request(port, "POST", f"{POLLING}&sid={sid}", "40")
    return sid


class WebSocket:
    """A client with short messages."""

    def __init__(self, port: int, target: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode())
        self._data = b""
        self._is_open = False

    def receive(self) -> str:
        """Return the next message."""
        if not self._is_open:
            while b"\r\n\r\n" not in self._data:
                self._read()
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            if b" 101 " not in head:
                raise BenchmarkError(f"no WebSocket: {head.decode()}")
            self._is_open = True
        while True:
            size = self._data[1] if len(self._data) > 1 else 0
            begin = 2
            if size == 126 and len(self._data) > 3:
                size, begin = int.from_bytes(self._data[2:4], "big"), 4
            if len(self._data) >= begin + size > 2:
                message = self._data[begin : begin + size].decode()
                self._data = self._data[begin + size :]
                return message
            self._read()

    def _read(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise BenchmarkError("the server ended a WebSocket")
        self._data += data

    def send(self, text: str) -> None:
        """Send a message of fewer than 126 bytes, with a mask of zeros."""
        self._socket.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


# The rows


def posts(workers: int, count: int) -> tuple[float, float]:
    """Polling requests, each on a connection of its own: see :meth:`Workers.spend`."""
    with gunicorn(workers) as server:
        sids = [open_session(server.port) for _ in range(20)]

        def work() -> None:
            for number in range(count):
                target = f"{POLLING}&sid={sids[number % len(sids)]}"
                request(server.port, "POST", target, '42["nothing"]')

        server.spend(work, count)
        return server.spend(work, count)


def upgrades(workers: int, count: int) -> tuple[float, float]:
    """Upgrades of polling sessions to a WebSocket: see :meth:`Workers.spend`."""
    with gunicorn(workers) as server, ExitStack() as stack:

        def work(sids: list[str]) -> None:
            for sid in sids:
                client = WebSocket(server.port, f"{WEBSOCKET}&sid={sid}")
                stack.callback(client.close)
                client.send("2probe")
                while client.receive() != "3probe":
                    pass
                client.send("5")

        for some in (count // 4, count):
            sids = [open_session(server.port) for _ in range(some)]
            found = server.spend(lambda: work(sids), some)  # noqa: B023
        return found


def added(measure: Callable[[int, int], tuple[float, float]], count: int) -> float:
    """The CPU time that a request costs more at the wrong worker."""
    (alone, _), (together, share) = measure(1, count), measure(2, count)
    if share < 0.02:
        raise BenchmarkError("hardly a request was handed over")
    return (together - alone) / share


def placement(workers: int, count: int) -> float:
    """How far the sessions of a worker are from the mean at most, as a share of that."""
    found: Counter[str] = Counter()
    with gunicorn(workers) as server, ExitStack() as stack:
        for _ in range(count // 20):
            burst = [WebSocket(server.port, WEBSOCKET) for _ in range(20)]
            for client in burst:
                stack.callback(client.close)
                sid = json.loads(client.receive()[1:])["sid"]
                found[sid[-TAG_LENGTH:]] += 1
    mean = count / workers
    counts = [*found.values(), *[0] * (workers - len(found))]
    return max(abs(number - mean) for number in counts) / mean


def broadcasts(workers: int, count: int, with_redis: bool) -> float:
    """The CPU time of a broadcast of 64 bytes to two clients of each worker."""
    with ExitStack() as stack:
        url, others = "", tuple[int, ...]()
        if with_redis:
            url = stack.enter_context(redis_server(None))
            others = (redis_pid(url),)
        server = stack.enter_context(gunicorn(workers, url, others))
        clients = [WebSocket(server.port, WEBSOCKET) for _ in range(2 * workers)]
        for client in clients:
            stack.callback(client.close)
            client.receive()
            client.send("40")
            client.receive()
        event = '42["bcast","' + "x" * 64 + '"]'

        def work() -> None:
            for _ in range(count):
                clients[0].send(event)
                for client in clients:
                    client.receive()

        work()
        began = server.cpu_us()
        work()
        return (server.cpu_us() - began) / count


def redis_pid(url: str) -> int:
    """The process of a Redis server."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as sock:
        sock.sendall(b"INFO server\r\n")
        text = ""
        while "process_id:" not in text or "\n" not in text.rpartition("process_id:")[2]:
            text += sock.recv(65_536).decode()
    return int(text.partition("process_id:")[2].split()[0])


def table(rounds: int, scale: float) -> str:
    """Measure all rows and return a Markdown table.

    Args:
        rounds: How often; the table has the medians.
        scale: 1 for good numbers, less for a look.
    """

    def steps(number: int) -> int:
        return max(round(number * scale / 20) * 20, 40)

    def middle(measure: Callable[[], float]) -> float:
        return statistics.median(measure() for _ in range(rounds))

    moved = middle(lambda: added(posts, steps(2000)))
    upgraded = middle(lambda: added(upgrades, steps(400)))
    uneven = middle(lambda: placement(4, steps(200)))
    bus = middle(lambda: broadcasts(4, steps(1500), False))
    redis = middle(lambda: broadcasts(4, steps(1500), True))
    return "\n".join(
        [
            "| what | measured | to reach |",
            "|---|---|---|",
            f"| hand-over of a request, CPU | {moved:.0f} µs | at most 350 µs |",
            f"| upgrade at the wrong worker, CPU | {upgraded:.0f} µs more | at most 300 µs more |",
            f"| sessions of a worker, 4 workers | mean ± {uneven:.0%} | within 10 % |",
            f"| broadcast, 4 workers, CPU, {bus:.0f} µs beside {redis:.0f} µs of Redis"
            f" | {bus / redis:.2f} | at most 0.6 |",
        ]
    )
