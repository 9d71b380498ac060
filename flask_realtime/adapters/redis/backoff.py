"""How long to wait before the next attempt: longer each time, and never all at once."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Seconds between attempts.

    Args:
        first: Seconds before the second attempt.
        most: Seconds that are never exceeded.
        chance: Returns a number between 0 and 1.
    """

    def __init__(
        self, first: float = 0.1, most: float = 5, chance: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._most = most
        self._chance = chance
        self._next = first

    def reset(self) -> None:
        """It worked."""
        self._next = self._first

    def next_delay(self) -> float:
        """Return how long to wait now: between half and all of it, so that nobody is in step."""
        seconds, self._next = self._next, min(self._next * 2, self._most)
        return seconds * (0.5 + 0.5 * self._chance())
