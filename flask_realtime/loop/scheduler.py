"""One timer for all deadlines of a server.

It holds every :class:`~flask_realtime.loop.deadlines.DelayQueue` with the function that is
called when a key falls due; one timer of the hub runs, for the nearest deadline.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

from gevent import get_hub

from ..quoting import quoted
from .deadlines import DelayQueue

__all__ = ["Clock", "HubTimer", "Scheduler", "Timer"]

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
K = TypeVar("K", bound=Hashable)

#: Seconds by which the timer may be late before that counts as a stall of the hub.
STALL = 0.5


class Timer(Protocol):
    """Wakes the scheduler at its next deadline."""

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in ``seconds``, in place of the call before."""

    def forget(self) -> None:
        """Forget the last call: its hub has ended."""


class HubTimer:
    """A timer of the gevent hub of the running thread."""

    def __init__(self) -> None:
        self._timer: Any = None

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in ``seconds``, in place of the call before."""
        if self._timer is not None:
            self._timer.close()
        # ref=False: waiting for a deadline does not keep a program alive.
        self._timer = get_hub().loop.timer(max(seconds, 0.0), ref=False)
        self._timer.start(callback)

    def forget(self) -> None:
        """Forget the last call: its hub has ended."""
        self._timer = None


class Scheduler:
    """Calls functions when their keys fall due.

    Args:
        clock: Monotonic seconds.
        timer: Wakes the scheduler at the next deadline; by default a timer of the hub.
    """

    def __init__(self, clock: Clock = time.monotonic, timer: Timer | None = None) -> None:
        self.clock = clock
        self._timer: Timer = timer or HubTimer()
        self._queues: list[tuple[DelayQueue[Any], Callable[[Any], None]]] = []
        self._armed: float | None = None
        #: Seconds by which the last timer was late.
        self.lag: float = 0.0

    def queue(self, delay: float, on_due: Callable[[K], None]) -> DelayQueue[K]:
        """Return a new queue.

        Args:
            delay: Seconds after which its keys fall due.
            on_due: Called in the hub with each key that falls due; it must not block.
        """
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
        """Handle the keys that are due; called by the timer, and by tests with their own clock."""
        now = self.clock()
        if self._armed is not None:
            self.lag = max(0.0, now - self._armed)
        self._armed = None
        if self.lag > STALL:
            # The hub was blocked: what clients sent meanwhile is still unread, so their silence
            # proves nothing. No key falls due before that is read.
            logger.debug("= every deadline is postponed by %.1f s", self.lag)
            for queue, _ in self._queues:
                queue.postpone(self.lag + STALL)
        for queue, on_due in self._queues:
            for key in queue.pop_due(now):
                _run(on_due, key)
        self._rearm()

    def clear(self) -> None:
        """Stop the time of every key in every queue."""
        for queue, _ in self._queues:
            queue.clear()

    def begin_anew(self) -> None:
        """Use the hub of this thread from now on: the previous one has ended."""
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
