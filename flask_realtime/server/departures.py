"""Namespaces that a server has just disconnected a client from.

What the client sent there before it received the packet is still under way and does not violate
the protocol.
"""

from __future__ import annotations

__all__ = ["MOST", "UNDER_WAY", "Departures"]

#: Seconds that a packet may be under way: the default time after which a silent connection is
#: dead, ``ping_interval`` and ``ping_timeout`` together.
UNDER_WAY = 45.0
#: How many namespaces of one client are remembered; the oldest go first.
MOST = 256


class Departures:
    """The namespaces that one client was disconnected from, with the time of each."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        # Hashes stand for the names: a client may have chosen long ones.
        self._times: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, name: str, now: float) -> None:
        """Add a namespace that the server has disconnected the client from."""
        self.forget(name)
        self._times[hash(name)] = now
        oldest = next(iter(self._times))
        while len(self._times) > MOST or now - self._times[oldest] > UNDER_WAY:
            del self._times[oldest]
            oldest = next(iter(self._times))

    def has(self, name: str, now: float) -> bool:
        """Return whether a packet for a namespace may still be under way."""
        time = self._times.get(hash(name))
        return time is not None and now - time <= UNDER_WAY

    def forget(self, name: str) -> None:
        """Remove a namespace: the client knows that it was disconnected."""
        self._times.pop(hash(name), None)
