"""The open sessions of an engine, and what all of them share: deadlines, counters, greenlets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.pool import Group

from ..loop.greenlet_pool import GreenletPool
from ..loop.scheduler import Scheduler
from ..options import Options
from ..reasons import Reason
from .requests.revision import heartbeats
from .session import Session
from .shutdown import drain, wait_for_handlers
from .state import SessionState
from .traffic import Traffic

__all__ = ["Sessions"]

#: Seconds that a closed session has to deliver what is buffered.
CLOSE_TIMEOUT = 30.0


class Sessions:
    """Lists sessions from their beginning to their end.

    A session reports here: it is the only caller of :meth:`beat`, :meth:`closing` and
    :meth:`closed`.

    Args:
        by_id: Where the sessions are listed; the engine shows this mapping to applications.
        traffic: The counters of all sessions.
        options: Times of the heartbeat.
        scheduler: Runs the deadlines.
    """

    def __init__(
        self,
        by_id: dict[str, Session],
        traffic: Traffic,
        options: Options,
        scheduler: Scheduler,
    ) -> None:
        self.by_id = by_id
        self.traffic = traffic
        self.scheduler = scheduler
        self._heartbeats = heartbeats(options, scheduler)
        self._goodbyes = scheduler.queue(CLOSE_TIMEOUT, _goodbye_timed_out)
        self._greenlets = Group()
        #: Runs the handlers; the end of the server waits for its greenlets.
        self.pool: GreenletPool = GreenletPool(self._spawn)

    def begin(self, session: Session) -> None:
        """List a new session and start its heartbeat."""
        self.by_id[session.id] = session
        self._heartbeats[session.protocol].start(session)

    def beat(self, session: Session) -> None:
        """Note the client's part of the heartbeat."""
        if session.state is SessionState.OPEN:
            self._heartbeats[session.protocol].beat(session)

    def closing(self, session: Session) -> None:
        """Give a session that is closing a deadline in place of its heartbeat."""
        self._heartbeats[session.protocol].stop(session)
        self.scheduler.start(self._goodbyes, session)

    def closed(self, session: Session) -> None:
        """Forget a session that is over."""
        self._heartbeats[session.protocol].stop(session)
        self._goodbyes.discard(session)
        self.by_id.pop(session.id, None)

    def _spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._greenlets.spawn(function, *args)

    # The end

    def drain(self, grace: float) -> None:
        """Block until the sessions, which are being closed, are over.

        Args:
            grace: Seconds for clients that are still taking what was sent to them; the others
                get a moment. Those that take longer are cut.
        """
        drain(self.by_id, grace, self.scheduler.clock)

    @property
    def is_idle(self) -> bool:
        """Whether no handler of an open session runs or waits for its turn."""
        inboxes = [session.inbox for session in self.by_id.values()]
        return len(self._greenlets) == self._resting() and all(inbox.is_idle for inbox in inboxes)

    def _resting(self) -> int:
        """Return how many of the greenlets have nothing to do."""
        return len(self.pool)

    def wait_for_handlers(self, timeout: float) -> None:
        """Block until the handlers that run have returned; stop the others.

        Args:
            timeout: Seconds. A host that lends its greenlets to WebSockets waits for these.
        """
        wait_for_handlers(self._greenlets, self._resting, timeout, self.scheduler.clock)

    def abandon(self) -> None:
        """Close the sessions of a hub that has ended with its thread."""
        self._greenlets = Group()
        for session in list(self.by_id.values()):
            session.inbox.take_back()
            session.close(Reason.SERVER_SHUTTING_DOWN, flush=False)


def _goodbye_timed_out(session: Session) -> None:
    session.close(flush=False)
