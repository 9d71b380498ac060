"""Acknowledgements of several clients, on any server: a callback for each, as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

__all__ = ["EachAnswer"]

#: Seconds after which an answer is not expected any more.
PATIENCE = 600.0


class EachAnswer:
    """Passes on the values of each client that answers; an adapter's collector.

    Args:
        callback: ``fn(*values)``; it must not block.
        patience: Seconds that clients have.
    """

    def __init__(self, callback: Callable[..., Any], patience: float = PATIENCE) -> None:
        self._callback = callback
        self._forget: list[Callable[[], None]] = []
        self._missing = 0
        self._held = 1  # until start()
        self._timer = gevent.spawn_later(patience, self._end)

    def start(self) -> None:
        """All clients have been asked."""
        self.release()

    def hold(self) -> None:
        """Do not end before :meth:`release`: other servers have not said whom they asked."""
        self._held += 1

    def release(self) -> None:
        """Undo one :meth:`hold`."""
        self._held -= 1
        self._check()

    def on_end(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` when no answer is expected any more."""
        self._forget.append(forget)

    def expect(self, count: int) -> None:
        """So many more clients have been asked."""
        self._missing += count

    def respond(self, *args: Any) -> None:
        """A client has answered."""
        self._callback(*args)
        self._missing -= 1
        self._check()

    def disconnected(self, reason: str) -> None:
        """A client that was asked has left."""
        self._missing -= 1
        self._check()

    def _check(self) -> None:
        if self._held <= 0 and self._missing <= 0:
            self._timer.kill(block=False)
            self._end()

    def _end(self) -> None:
        forget, self._forget = self._forget, []
        for function in forget:
            function()
