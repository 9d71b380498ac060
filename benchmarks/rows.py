"""What is measured: one row per kind of load, with the ratio to Node that it must not exceed.

Data only. A row knows the load generator's arguments; it knows nothing about processes or tables.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str  # as in --rows
    title: str
    unit: str
    metric: str  # the field of the load generator's answer
    target: float  # the highest accepted ratio ours / Node
    load: tuple[str, ...]  # mode and options of the load generator
    flask: bool = False  # our server is Realtime on a Flask application
    warm_up: bool = True  # memory is measured on a process that has done nothing yet
    digits: int = 1  # after the point

    @property
    def connections(self) -> int:
        """How many connections the load holds at once."""
        return int(self.load[self.load.index("--conns") + 1])


CPU = "µs CPU"
SMALL = ("--conns", "100", "--size", "64")
LARGE = ("--conns", "20", "--size", "60000")  # few, so that a slow server finishes some of them too
CROWD = ("--conns", "500", "--size", "64")
BATCHES = ("--conns", "100", "--depth", "20")  # 20 connections at a time
IDLE = ("--conns", "2000")

ROWS = (
    Row("echo", "echo, 64 B", CPU, "cpu_us", 0.55, ("echo", *SMALL)),
    Row("ack", "acknowledgement, 64 B", CPU, "cpu_us", 0.7, ("ack", *SMALL)),
    Row("flask-echo", "echo in a Flask context", CPU, "cpu_us", 1.1, ("echo", *SMALL), flask=True),
    Row(
        "flask-ack",
        "acknowledgement in a Flask context",
        CPU,
        "cpu_us",
        1.1,
        ("ack", *SMALL),
        flask=True,
    ),
    Row("broadcast", "broadcast to 500, per delivery", CPU, "cpu_us", 0.6, ("broadcast", *CROWD)),
    Row("connect", "connect, WebSocket", CPU, "cpu_us", 1.1, ("connect", *BATCHES)),
    Row("poll", "echo over polling, 64 B", CPU, "cpu_us", 2.2, ("poll", *SMALL)),
    Row("large", "echo, 60 kB", CPU, "cpu_us", 1.0, ("echo", *LARGE)),
    Row(
        "memory",
        "memory per idle WebSocket",
        "kB",
        "kb_per_conn",
        1.3,
        ("idle", *IDLE),
        warm_up=False,
    ),
)
