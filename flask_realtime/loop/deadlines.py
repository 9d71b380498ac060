"""Deadlines that are all the same time ahead: a queue in order of expiry, without timers.

Pure: time is an argument. The scheduler that calls it is in ``scheduler.py``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["DelayQueue"]

K = TypeVar("K", bound=Hashable)


class DelayQueue(Generic[K]):
    """Keys that fall due ``delay`` seconds after they were added.

    Args:
        delay: Seconds, the same for every key: the first that was added is the first due.
    """

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self._due: OrderedDict[K, float] = OrderedDict()
        self._postponed = 0.0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: object) -> bool:
        return key in self._due

    def add(self, key: K, now: float) -> None:
        """Start the time of ``key``, or start it again.

        Args:
            key: Any hashable value.
            now: Seconds of the clock.
        """
        self._due.pop(key, None)
        self._due[key] = now + self.delay - self._postponed

    def discard(self, key: K) -> None:
        """Stop the time of ``key``; harmless when it is not running."""
        self._due.pop(key, None)

    def clear(self) -> None:
        """Stop the time of every key."""
        self._due.clear()

    def postpone(self, seconds: float) -> None:
        """Give every key more time, in seconds."""
        self._postponed += seconds

    def next_due(self) -> float | None:
        """Return when the first key falls due, in seconds of the clock; ``None`` without keys."""
        for due in self._due.values():
            return due + self._postponed
        return None

    def pop_due(self, now: float) -> list[K]:
        """Remove and return the keys whose time is over, first due first."""
        expired: list[K] = []
        limit = now - self._postponed
        for key, due in self._due.items():
            if due > limit:
                break
            expired.append(key)
        for key in expired:
            del self._due[key]
        return expired
