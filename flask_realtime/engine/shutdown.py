"""The end of an engine: clients take what is theirs, handlers return, all in bounded time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pool import Group

from ..loop.scheduler import Clock
from ..reasons import Reason

if TYPE_CHECKING:
    from .session import Session

__all__ = ["GRACE", "MOMENT", "drain", "patience", "wait_for_handlers"]

logger = logging.getLogger(__name__)

#: Seconds that connections and handlers have to end when the server is told to stop.
GRACE = 5.0
#: Seconds that a closed session has for its next poll, or to answer the close frame.
MOMENT = 1.0
_STEP = 0.02


def patience(session: Session, grace: float) -> float:
    """Return how many seconds after its close a session may take to end.

    Args:
        session: A session that is being closed.
        grace: Seconds for a client that is still taking what was sent to it.
    """
    # A poll that does not come and a close frame without an answer are a sign that the client is
    # gone. What the kernel of a slow client has not taken yet is on its way, and so is the packet
    # that ends an upgrade.
    is_taking = session.transport_name == "websocket" and session.buffered_bytes > 0
    return grace if is_taking or session.upgrading else min(MOMENT, grace)


def drain(sessions: Mapping[str, Session], grace: float, clock: Clock) -> None:
    """Block until closed sessions are over; cut those that are not in time.

    Args:
        sessions: They leave this mapping by themselves.
        grace: Seconds that the slowest client has.
        clock: Monotonic seconds.
    """
    began = clock()
    while sessions:
        elapsed = clock() - began
        for session in list(sessions.values()):
            if elapsed >= patience(session, grace):
                session.close(Reason.SERVER_SHUTTING_DOWN, flush=False)
        if sessions:
            gevent.sleep(_STEP)


def wait_for_handlers(
    greenlets: Group, resting: Callable[[], int], timeout: float, clock: Clock
) -> None:
    """Block until the greenlets of handlers have ended; stop those that are not in time.

    Args:
        greenlets: They leave this group by themselves.
        resting: Returns how many of them have nothing to do.
        timeout: Seconds.
        clock: Monotonic seconds.
    """
    deadline = clock() + timeout
    while len(greenlets) > resting() and clock() < deadline:
        gevent.sleep(_STEP)
    late = len(greenlets) - resting()
    if late > 0:
        logger.warning("! %d handlers did not return in time and are stopped", late)
        all_of_them: list[Any] = list(greenlets)
        gevent.killall(all_of_them, timeout=MOMENT)
