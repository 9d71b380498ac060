"""Official clients of a server that is stopped, and what became of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_realtime import Emitter
from tests.processes import Process, eventually, node, node_package

PROGRAM = Path(__file__).with_name("crowd.mjs")


class Crowd(Process):
    """So many clients, on WebSockets by now."""

    def __init__(self, url: str, count: int, env: Mapping[str, str] | None = None) -> None:
        node_package("socket.io-client")
        super().__init__([node(), str(PROGRAM), url, str(count)], env)
        self.count = count
        self.wait_for("^all here$", within=30)

    def said(self, kind: str) -> list[dict[str, Any]]:
        values = [json.loads(line) for line in self.lines() if line.startswith("{")]
        return [value for value in values if kind in value]

    def come_back(self, times: int = 1, within: float = 30) -> None:
        """Wait until each has lost its connection so often, and is connected again."""
        wanted = self.count * times
        eventually(lambda: len(self.said("back")) == wanted, within=within, what=self.report())
        assert len(self.said("gone")) == wanted
        assert all(value["recovered"] for value in self.said("back")), self.report()

    def slices(self, seconds: float) -> list[int]:
        """How many have lost their connection in each slice of so many seconds."""
        times = [value["at"] / 1000 for value in self.said("gone")]
        found = [0] * (int((max(times) - min(times)) / seconds) + 1)
        for time in times:
            found[int((time - min(times)) / seconds)] += 1
        return found

    def received_all(self, last: int) -> None:
        """Each has received every number up to the last once, in order."""
        self.tell(str(last))
        (said,) = eventually(lambda: self.said("numbers"), within=10, what=self.report())
        for got in said["numbers"]:
            missing = set(range(last + 1)) - set(got)
            twice = [number for number in set(got) if got.count(number) > 1]
            assert got == list(range(last + 1)), (missing, twice, got)


class Counting:
    """Emits numbers to all clients of a cluster until it is told to end."""

    def __init__(self, redis: str) -> None:
        self._emitter = Emitter(redis, adapter="streams")
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._count)
        self.last = -1

    def _count(self) -> None:
        while not self._ends.wait(0.02):
            self._emitter.emit("message", self.last + 1)
            self.last += 1

    def end(self) -> int:
        """Return the last number that was emitted."""
        self._ends.set()
        self._thread.join(10)
        return self.last

    def start(self) -> None:
        self._thread.start()


@contextmanager
def counting(redis: str) -> Iterator[Counting]:
    running = Counting(redis)
    running.start()
    try:
        yield running
    finally:
        running.end()
