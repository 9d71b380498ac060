"""One timer for all deadlines of a server.

Every :class:`~flask_realtime.loop.deadlines.DelayQueue` with what is to be done when a key
falls due; the hub's timer runs for the nearest of them only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

from gevent import get_hub

from ..quoting import quoted
from .deadlines import DelayQueue

__all__ = ["Clock", "HubTimer", "ManualTimer", "Scheduler", "Timer"]

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
K = TypeVar("K", bound=Hashable)

#: Seconds by which the timer may be late before that counts as a stall of the hub.
STALL = 0.5


class Timer(Protocol):
    """What wakes the scheduler: the hub's timer, or a test's."""

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in ``seconds``; the call before is forgotten."""

    def forget(self) -> None:
        """The hub of the last call is gone, and the call with it."""


class HubTimer:
    """A timer of the gevent hub of the running thread."""

    def __init__(self) -> None:
        self._timer: Any = None

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in ``seconds``; the call before is forgotten."""
        if self._timer is not None:
            self._timer.close()
        # ref=False: waiting for a deadline does not keep a program alive.
        self._timer = get_hub().loop.timer(max(seconds, 0.0), ref=False)
        self._timer.start(callback)

    def forget(self) -> None:
        """The hub of the last call is gone, and the call with it."""
        self._timer = None


class ManualTimer:
    """A timer for tests: it never fires; tests call :meth:`Scheduler.tick`."""

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""


class Scheduler:
    """Runs what is due.

    Args:
        clock: Monotonic seconds.
        timer: What wakes the scheduler at the next deadline.
    """

    def __init__(self, clock: Clock = time.monotonic, timer: Timer | None = None) -> None:
        self.clock = clock
        self._timer: Timer = timer or HubTimer()
        self._queues: list[tuple[DelayQueue[Any], Callable[[Any], None]]] = []
        self._armed: float | None = None
        #: Seconds by which the last timer was late.
        self.lag: float = 0.0

    def queue(self, delay: float, on_due: Callable[[K], None]) -> DelayQueue[K]:
        """Return a new queue; ``on_due(key)`` is called in the hub for each key that expires."""
        queue: DelayQueue[K] = DelayQueue(delay)
        self._queues.append((queue, on_due))
        return queue

    def start(self, queue: DelayQueue[K], key: K) -> None:
        """Start the time of ``key`` in ``queue``."""
        now = self.clock()
        queue.add(key, now)
        if self._armed is None or now + queue.delay < self._armed:
            self._arm(now + queue.delay, now)

    def tick(self) -> None:
        """Do what is due now. The timer calls it; so do tests with their own clock."""
        now = self.clock()
        if self._armed is not None:
            self.lag = max(0.0, now - self._armed)
        self._armed = None
        if self.lag > STALL:
            # The hub stood still: what clients sent meanwhile has not been read yet, so their
            # silence proves nothing. Nothing falls due before it has been.
            logger.debug("= every deadline is postponed by %.1f s", self.lag)
            for queue, _ in self._queues:
                queue.postpone(self.lag + STALL)
        for queue, on_due in self._queues:
            for key in queue.pop_due(now):
                _run(on_due, key)
        self._rearm()

    def clear(self) -> None:
        """Forget all that waits."""
        for queue, _ in self._queues:
            queue.clear()

    def begin_anew(self) -> None:
        """Run on the hub of this thread from now on: that before has ended."""
        self._timer.forget()
        self._armed = None
        self._rearm()

    def _rearm(self) -> None:
        due = [at for queue, _ in self._queues if (at := queue.next_due()) is not None]
        if due:
            self._arm(min(due), self.clock())

    def _arm(self, at: float, now: float) -> None:
        self._armed = at
        self._timer.start(at - now, self.tick)


def _run(on_due: Callable[[Any], None], key: Any) -> None:
    try:
        on_due(key)
    except Exception:
        logger.exception("! a deadline of %s could not be handled", quoted(key))
