"""What is measured of servers joined by Redis: the loads, and the rows that each of them fills.

Data only, as in rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from rows import CPU, Row

ALONE = "none"
ADAPTERS = (ALONE, "classic", "sharded", "streams")


@dataclass(frozen=True, slots=True)
class Number:
    """What a row takes from the answer of the load generator."""

    name: str
    title: str
    unit: str
    metric: str
    target: float
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load: what it asks of the servers, and the numbers that come of it.

    Attributes:
        name: As in --loads.
        arguments: Mode and options of the load generator.
        numbers: Several where one run answers several questions.
        relayed: Whether what one server emits is for the clients of another, which is measured.
    """

    name: str
    arguments: tuple[str, ...]
    numbers: tuple[Number, ...]
    relayed: bool

    def rows(self, adapter: str) -> list[Row]:
        """Return the rows of servers with an adapter."""
        return [
            Row(
                f"{number.name} {adapter}",
                f"{number.title}, {'alone' if adapter == ALONE else adapter}",
                number.unit,
                number.metric,
                number.target,
                self.arguments,
                digits=number.digits,
            )
            for number in self.numbers
        ]


def _emit(name: str, clients: int, title: str, target: float) -> Load:
    arguments = ("ask", "--conns", str(clients), "--size", "64")
    return Load(name, arguments, (Number(name, title, CPU, "cpu_us", target),), relayed=False)


def _deliver(clients: int, title: str, target: float, *more: Number) -> Load:
    name = f"deliver-{clients}"
    arguments = ("relay", "--conns", str(clients), "--size", "64")
    numbers = (Number(name, title, CPU, "cpu_us", target), *more)
    return Load(name, arguments, numbers, relayed=True)


LOADS = (
    _emit("emit", 1, "emit, one at a time", 2.6),
    _emit("emit-busy", 50, "emit, 50 at a time", 2.4),
    _deliver(
        1,
        "deliver to 1 client",
        1.9,
        Number("latency", "from the request to the client, median", "ms", "p50_ms", 2.2, 3),
        Number("latency-p99", "from the request to the client, p99", "ms", "p99_ms", 2.0, 3),
    ),
    _deliver(10, "deliver to 10 clients, each", 1.7),
    _deliver(500, "deliver to 500 clients, each", 0.8),
)
