"""How much may wait for a client that is behind, and for how long it may take nothing.

Up to ``max_buffered_bytes`` anything may wait. Above that it depends on what the client takes:
one that reads may have up to four times as much, one that does not is disconnected. Pure: time
is an argument.
"""

from __future__ import annotations

__all__ = ["HARD", "STALL", "Backlog"]

#: Times ``max_buffered_bytes`` that may wait for a client, however well it reads.
HARD = 4
#: Seconds within which a client has to take something while more than the bound waits.
STALL = 10.0
#: Bytes that count as something; less where the bound is small.
_LEAST = 65_536


class Backlog:
    """Judges one client, from the moment when more than the bound waits for it.

    Args:
        bound: The option ``max_buffered_bytes``.
        waiting: Bytes that wait now.
        now: Seconds.
    """

    __slots__ = ("_bound", "_least", "_level", "_since")

    def __init__(self, bound: int, waiting: int, now: float) -> None:
        self._bound = bound
        self._least = min(_LEAST, bound // 64)
        # What would wait if the client had taken nothing since then.
        self._level = waiting
        self._since = now

    def problem(self, waiting: int, more: int, now: float) -> str | None:
        """Add bytes to what waits; return why they may not, and ``None`` when they may.

        Args:
            waiting: Bytes that wait without them.
            more: How many they are.
            now: Seconds.
        """
        size = waiting + more
        if size > HARD * self._bound:
            return f"{size:,} bytes wait, over {HARD} times max_buffered_bytes ({self._bound:,})"
        if self._level - waiting > self._least:
            self._level, self._since = waiting, now
        elif now - self._since > STALL:
            return (
                f"{size:,} bytes wait, over max_buffered_bytes ({self._bound:,}), and the client "
                f"has stopped reading"
            )
        self._level += more
        return None
