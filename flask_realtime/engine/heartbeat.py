"""The heartbeat: the server pings, and who does not answer in time is gone.

A pong starts the interval to the next ping; a ping starts the time for its pong. Two queues
hold every session, no greenlet waits (Engine.IO protocol, "Heartbeat").
"""

from __future__ import annotations

from ..codec.engine_packet import PING
from ..reasons import Reason
from .scheduler import Scheduler
from .session import Session

__all__ = ["Heartbeat"]


class Heartbeat:
    """Pings for all sessions.

    Args:
        scheduler: Runs the deadlines.
        interval: Seconds from a pong to the next ping.
        timeout: Seconds that a client has for its pong.
    """

    def __init__(self, scheduler: Scheduler, interval: float, timeout: float) -> None:
        self._scheduler = scheduler
        self._intervals = scheduler.queue(interval, self._ping)
        self._timeouts = scheduler.queue(timeout, self._expire)

    def beat(self, session: Session) -> None:
        """Start the interval to the next ping: at the start, and with each pong."""
        self._timeouts.discard(session)
        self._scheduler.start(self._intervals, session)

    def stop(self, session: Session) -> None:
        """The session is over."""
        self._intervals.discard(session)
        self._timeouts.discard(session)

    def _ping(self, session: Session) -> None:
        session.transport.send_control(PING)
        self._scheduler.start(self._timeouts, session)

    def _expire(self, session: Session) -> None:
        if session.is_paused:
            # Its handlers are behind and nothing is read: the silence is ours.
            self._scheduler.start(self._timeouts, session)
        else:
            session.close(Reason.PING_TIMEOUT, flush=False)
