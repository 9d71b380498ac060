"""What is measured: one row per kind of load, with the ratio to Node that it must not exceed.

Data only. A row knows the load generator's arguments; it knows nothing about processes or tables.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class App(enum.Enum):
    """Which of our servers a row is about; Node's is the same for all."""

    #: `Server` under its embedded server.
    BARE = "bare"
    #: `Realtime` on a Flask application, whose handlers read `request` and `g`.
    FLASK = "flask"
    #: The bare server under `gunicorn -k gevent`.
    GUNICORN = "gunicorn"
    #: The same under the worker class of this package.
    WORKER_CLASS = "worker class"


class Generator(enum.Enum):
    """What makes the load."""

    #: loadgen.c
    COMPILED = "compiled"
    #: official.mjs: the official client.
    OFFICIAL = "official"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str  # as in --rows
    title: str
    unit: str
    metric: str  # the field of the load generator's answer
    target: float | None  # the highest accepted ratio ours / Node; None: it is only shown
    load: tuple[str, ...]  # mode and options of the load generator
    app: App = App.BARE
    generator: Generator = Generator.COMPILED
    warm_up: bool = True  # memory is measured on a process that has done nothing yet
    digits: int = 1  # after the point

    @property
    def connections(self) -> int:
        """How many connections the load holds at once."""
        return int(self.load[self.load.index("--conns") + 1])

    def smaller(self, connections: int) -> Row:
        """Return the row with fewer connections: to see that it works."""
        at = self.load.index("--conns") + 1
        fewer = str(min(connections, self.connections))
        return replace(self, load=(*self.load[:at], fewer, *self.load[at + 1 :]))


CPU = "µs CPU"
SMALL = ("--conns", "100", "--size", "64")
LARGE = ("--conns", "20", "--size", "60000")  # few, so that a slow server finishes some of them too
CROWD = ("--conns", "500", "--size", "64")
BATCHES = ("--conns", "100", "--depth", "20")  # 20 connections at a time
CLIENTS = ("--conns", "20")


def _cpu(name: str, title: str, target: float | None, *load: str, app: App = App.BARE) -> Row:
    return Row(name, title, CPU, "cpu_us", target, load, app)


def _memory(name: str, title: str, target: float, connections: int) -> Row:
    load = ("idle", "--conns", str(connections))
    return Row(name, title, "kB", "kb_per_conn", target, load, warm_up=False)


_USING = "whose handler reads `request` and `g`"

ROWS = (
    _cpu("echo", "echo, 64 B", 0.85, "echo", *SMALL),
    _cpu("ack", "acknowledgement, 64 B", 0.9, "ack", *SMALL),
    _cpu("flask-echo", f"echo {_USING}", 1.2, "echo", *SMALL, app=App.FLASK),
    _cpu("flask-ack", f"acknowledgement {_USING}", 1.25, "ack", *SMALL, app=App.FLASK),
    _cpu("echo-8", "echo, 8 in flight", 0.9, "echo", *SMALL, "--depth", "8"),
    _cpu("broadcast", "broadcast to 500, per delivery", 0.55, "broadcast", *CROWD),
    _cpu("connect", "connect, WebSocket", 0.8, "connect", *BATCHES),
    Row(
        "default-connect",
        "connect, polling and then the upgrade",
        CPU,
        "cpu_us",
        0.9,
        ("connect", *CLIENTS),
        generator=Generator.OFFICIAL,
    ),
    _cpu("poll", "echo over polling, 64 B", 0.9, "poll", *SMALL),
    _cpu("large", "echo, 60 kB", 0.6, "echo", *LARGE),
    _memory("memory", "memory per idle WebSocket, of 2,000", 0.65, 2_000),
    _memory("memory-10k", "memory per idle WebSocket, of 10,000", 1.0, 10_000),
    _cpu("gunicorn-poll", "echo over polling, gunicorn", None, "poll", *SMALL, app=App.GUNICORN),
    _cpu("gunicorn-connect", "connect, gunicorn", None, "connect", *BATCHES, app=App.GUNICORN),
    _cpu(
        "worker-poll",
        "echo over polling, gunicorn with `RealtimeWorker`",
        1.1,
        "poll",
        *SMALL,
        app=App.WORKER_CLASS,
    ),
    _cpu(
        "worker-connect",
        "connect, gunicorn with `RealtimeWorker`",
        0.9,
        "connect",
        *BATCHES,
        app=App.WORKER_CLASS,
    ),
)
