"""How long to wait before the next attempt: longer each time, and not all servers together."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Delays between attempts, which double up to a limit and are partly random.

    Args:
        first: Seconds before the second attempt.
        most: Seconds at most.
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
        """Begin with the first delay again; called when an attempt has succeeded."""
        self._next = self._first

    def next_delay(self) -> float:
        """Return the seconds to wait now: half to all of the delay, so that servers spread."""
        seconds, self._next = self._next, min(self._next * 2, self._most)
        return seconds * (0.5 + 0.5 * self._chance())
