"""Time that a test moves: heartbeats and deadlines of hours pass in no time."""

from __future__ import annotations

from collections.abc import Callable

from ..loop.scheduler import Scheduler
from .waiting import settle

__all__ = ["ManualTime"]


class ManualTime:
    """A clock that stands still until it is advanced, and the timer that goes with it.

    Deadlines of the server are meant: heartbeats, timeouts of upgrades, connections that
    join no namespace, connection state recovery. ``gevent.sleep()`` in a handler and the
    timeouts of ``emit_with_ack`` go by the real time::

        time = ManualTime()
        io = Realtime(app, scheduler=time.scheduler())
        time.advance(60)

    Attributes:
        now: The seconds that the clock shows.
    """

    def __init__(self) -> None:
        self.now: float = 1_000.0
        self._due: float | None = None
        self._callback: Callable[[], None] | None = None

    def __call__(self) -> float:
        """Return the time: the clock of a scheduler."""
        return self.now

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in ``seconds``; the call before is forgotten."""
        self._due, self._callback = self.now + seconds, callback

    def forget(self) -> None:
        """Call nothing any more: the hub of the timer has ended."""
        self._due = self._callback = None

    def scheduler(self) -> Scheduler:
        """Return a scheduler that goes by this time, for one server."""
        return Scheduler(self, self)

    def advance(self, seconds: float) -> None:
        """Go on, and do what falls due on the way, each at its time.

        Args:
            seconds: How far.
        """
        end = self.now + seconds
        while self._due is not None and self._callback is not None and self._due <= end + 1e-9:
            self.now, callback = max(self.now, self._due), self._callback
            self._due = self._callback = None
            callback()
            settle()
        self.now = end
        settle()

    def stall(self, seconds: float) -> None:
        """Go on as if the hub had stood still meanwhile: what falls due is done once, late.

        Args:
            seconds: For how long.
        """
        self.now += seconds
        callback, self._due, self._callback = self._callback, None, None
        if callback is not None:
            callback()
        settle()
