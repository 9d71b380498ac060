"""The heartbeat: the server pings, and a client that does not answer in time is gone.

A pong starts the interval to the next ping; a ping starts the time for its pong. Two queues
hold every session, no greenlet waits (Engine.IO protocol, "Heartbeat"). In protocol 3 it is
the client that pings.
"""

from __future__ import annotations

from typing import Protocol

from ..codec.engine_packet import PING, PONG
from ..loop.scheduler import Scheduler
from ..reasons import Reason
from .session import Session

__all__ = ["ClientHeartbeat", "Heartbeat", "SessionHeartbeat"]


class SessionHeartbeat(Protocol):
    """The heartbeat of one revision of the protocol, as the engine sees it."""

    def start(self, session: Session) -> None:
        """Begin with a session that has been opened."""

    def beat(self, session: Session) -> None:
        """Note a sign of life of the client."""

    def stop(self, session: Session) -> None:
        """End with a session that is over."""


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

    def start(self, session: Session) -> None:
        """Start the interval to the first ping."""
        self._scheduler.start(self._intervals, session)

    def beat(self, session: Session) -> None:
        """A pong: start the interval to the next ping."""
        self._timeouts.discard(session)
        self._scheduler.start(self._intervals, session)

    def stop(self, session: Session) -> None:
        """End with a session that is over."""
        self._intervals.discard(session)
        self._timeouts.discard(session)

    def _ping(self, session: Session) -> None:
        session.transport.send_control(PING)
        self._scheduler.start(self._timeouts, session)

    def _expire(self, session: Session) -> None:
        if session.is_paused:
            # Its handlers are behind and nothing is read: the client is not silent.
            self._scheduler.start(self._timeouts, session)
        else:
            session.close(Reason.PING_TIMEOUT, flush=False)


class ClientHeartbeat:
    """Pongs for the sessions of protocol 3.

    Args:
        scheduler: Runs the deadlines.
        silence: Seconds within which a client has to ping.
    """

    def __init__(self, scheduler: Scheduler, silence: float) -> None:
        self._scheduler = scheduler
        self._silences = scheduler.queue(silence, self._expire)

    def start(self, session: Session) -> None:
        """Start the time for the first ping."""
        self._scheduler.start(self._silences, session)

    def beat(self, session: Session) -> None:
        """A ping: answer it, and start the time for the next."""
        session.transport.send_control(PONG)
        self._scheduler.start(self._silences, session)

    def stop(self, session: Session) -> None:
        """End with a session that is over."""
        self._silences.discard(session)

    def _expire(self, session: Session) -> None:
        if session.is_paused:
            # Its pings wait in a socket that is not read: the client is not silent.
            self._scheduler.start(self._silences, session)
        else:
            session.close(Reason.PING_TIMEOUT, flush=False)
