"""What it costs that the workers of one host are one server: CPU time, and how evenly they serve.

The time is that of all workers, of Redis as well where it takes part. A request costs more at
the wrong worker: blocks of requests that are known to be there alternate with blocks of the same
requests at the right one, and the figure is the median of the differences.
"""

from __future__ import annotations

import json
import random
import socket
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from processes import BenchmarkError, redis_server
from worker_clients import (
    POLLING,
    SETTLE_SECONDS,
    WEBSOCKET,
    Connection,
    WebSocket,
    Workers,
    gunicorn,
)

WORKERS = 4
TAG_LENGTH = 4
#: Clients at a time. What they do next waits for the last of them.
BURST = 20
#: The end of what a client does.
END = object()


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        blocks: Pairs of blocks, or blocks, of each row.
        requests: Requests of a block, all of them to the right worker or all to a wrong one.
        upgrades: The same for upgrades.
        clients: Those of which the workers have equal shares.
        broadcasts: Broadcasts of a block.
    """

    blocks: int
    requests: int
    upgrades: int
    clients: int
    broadcasts: int


THOROUGH = Sizes(blocks=30, requests=100, upgrades=60, clients=400, broadcasts=300)
SMALL = Sizes(blocks=3, requests=40, upgrades=40, clients=200, broadcasts=40)

#: What a session does over a connection: it waits where it yields, while others do the same.
Step = Callable[[str, Connection], Iterator[None]]


def post(sid: str, connection: Connection) -> Iterator[None]:
    """Send an event that has no handler."""
    return polled(sid, connection, '42["nothing"]')


def leave(sid: str, connection: Connection) -> Iterator[None]:
    """End a session on long-polling."""
    return polled(sid, connection, "1")


def polled(sid: str, connection: Connection, body: str) -> Iterator[None]:
    """Send packets in a POST."""
    connection.send_request("POST", f"{POLLING}&sid={sid}", body)
    yield
    connection.response()


def upgrade(sid: str, connection: Connection) -> Iterator[None]:
    """Upgrade a session to a WebSocket, and end it."""
    client = WebSocket(connection, f"{WEBSOCKET}&sid={sid}")
    yield
    client.open()
    client.send("2probe")
    yield
    while client.receive() != "3probe":
        pass
    client.send("5")
    client.send("1")
    client.close()


def run(steps: Iterable[Iterator[None]]) -> None:
    """Run steps, a burst of them at a time: the workers have something to do, as under load."""
    left = list(steps)
    while left:
        burst, left = left[:BURST], left[BURST:]
        while burst:
            burst = [step for step in burst if next(step, END) is None]


def spend(server: Workers, step: Step, count: int, is_right: bool) -> float:
    """Return the CPU time of a step, where all are done at the right worker or all at a wrong one.

    Args:
        server: The workers.
        step: What is done by each of some new sessions.
        count: How many.
        is_right: Whether each uses a connection that is in the worker of its session.
    """
    visitors = server.visitors(count)
    # Half of them away is another worker, as none has half of all sessions.
    hosts = visitors if is_right else [*visitors[count // 2 :], *visitors[: count // 2]]
    pairs = [(one.sid, host.connection) for one, host in zip(visitors, hosts, strict=True)]
    random.shuffle(pairs)
    moved, began = server.handed_over(), server.cpu_us()
    run(step(*pair) for pair in pairs)
    spent = server.cpu_us() - began
    moved = server.handed_over() - moved
    if moved != (0 if is_right else count):
        raise BenchmarkError(f"{moved} of {count} requests were handed over")
    if step is not upgrade:
        run(leave(*pair) for pair in pairs)
    for _, connection in pairs:
        connection.close()
    return spent / count


@dataclass(frozen=True, slots=True)
class Added:
    """What a step costs at the right worker, and more at a wrong one: medians."""

    right: float
    more: float
    #: The middle half of the differences.
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.more:.0f} µs ({self.low:.0f}–{self.high:.0f}) more than {self.right:.0f} µs"


def added(server: Workers, step: Step, count: int, blocks: int) -> Added:
    """Measure a step in blocks that alternate: right, wrong, wrong, right."""
    rights, differences = [], []
    for number in range(blocks + 1):
        order = (True, False) if number % 2 else (False, True)
        spent = {is_right: spend(server, step, count, is_right) for is_right in order}
        if number:  # the first is the warm-up
            rights.append(spent[True])
            differences.append(spent[False] - spent[True])
    low, middle, high = statistics.quantiles(differences, n=4, method="inclusive")
    return Added(statistics.median(rights), middle, low, high)


def placement(server: Workers, count: int) -> float:
    """How far the sessions of a worker are from the mean at most, as a share of that."""
    found: Counter[str] = Counter()
    with ExitStack() as stack:
        for _ in range(count // BURST):
            burst = [WebSocket(Connection(server.port), WEBSOCKET) for _ in range(BURST)]
            for client in burst:
                stack.callback(client.close)
                client.open()
                sid = json.loads(client.receive()[1:])["sid"]
                found[sid[-TAG_LENGTH:]] += 1
            time.sleep(SETTLE_SECONDS)
    mean = found.total() / WORKERS
    counts = [*found.values(), *[0] * (WORKERS - len(found))]
    return max(abs(number - mean) for number in counts) / mean


def broadcasts(server: Workers, count: int) -> float:
    """The CPU time of a broadcast of 64 bytes to two clients of each worker."""
    event = '42["bcast","' + "x" * 64 + '"]'
    with ExitStack() as stack:
        clients = [WebSocket(Connection(server.port), WEBSOCKET) for _ in range(2 * WORKERS)]
        for client in clients:
            stack.callback(client.close)
            client.open()
            client.receive()
            client.send("40")
            client.receive()

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


def table(sizes: Sizes) -> str:
    """Measure all rows and return a Markdown table."""
    with ExitStack() as stack:
        url = stack.enter_context(redis_server(None))
        alone = stack.enter_context(gunicorn(WORKERS))
        moved = added(alone, post, sizes.requests, sizes.blocks)
        upgraded = added(alone, upgrade, sizes.upgrades, sizes.blocks)
        uneven = placement(alone, sizes.clients)
        joined = stack.enter_context(gunicorn(WORKERS, url, (redis_pid(url),)))
        spent = [
            (broadcasts(alone, sizes.broadcasts), broadcasts(joined, sizes.broadcasts))
            for _ in range(sizes.blocks)
        ]
    bus, redis = (statistics.median(values) for values in zip(*spent, strict=True))
    return "\n".join(
        [
            "| what | measured | to reach |",
            "|---|---|---|",
            f"| request at the wrong worker, CPU | {moved} | at most 350 µs more |",
            f"| upgrade at the wrong worker, CPU | {upgraded} | at most 300 µs more |",
            f"| sessions of a worker, {WORKERS} workers | mean ± {uneven:.0%} | within 10 % |",
            f"| broadcast, {WORKERS} workers, CPU, {bus:.0f} µs beside {redis:.0f} µs of Redis"
            f" | {bus / redis:.2f} | at most 0.6 |",
        ]
    )
