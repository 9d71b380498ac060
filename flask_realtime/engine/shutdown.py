"""The end of an engine: clients take what is theirs, handlers return, all in bounded time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.pool import Group

from ..loop.scheduler import Clock
from ..reasons import Reason
from .state import SessionState

if TYPE_CHECKING:
    from .session import Session

__all__ = [
    "GRACE",
    "MOMENT",
    "drain",
    "due",
    "patience",
    "spread",
    "stop",
    "wait_for_handlers",
]

logger = logging.getLogger(__name__)

#: Seconds that connections and handlers have to end when the server is told to stop.
GRACE = 5.0
#: Seconds that a closed session has for its next poll, or to answer the close frame.
MOMENT = 1.0
_STEP = 0.02


def due(count: int, seconds: float, elapsed: float) -> int:
    """Return how many of ``count`` sessions are closed ``elapsed`` seconds after the beginning.

    The first is closed at once, the others follow at equal distances; all are closed within
    ``seconds``.
    """
    if elapsed >= seconds:
        return count
    return min(int(count * max(elapsed, 0.0) / seconds) + 1, count)


def spread(sessions: Iterable[Session], seconds: float, hurry: Event, clock: Clock) -> None:
    """Close sessions one after the other, evenly over a time; block until the last is closed.

    Args:
        sessions: The first is closed first. Those that end by themselves are not waited for.
        seconds: The time.
        hurry: Set to return early; the sessions that are left stay open.
        clock: Monotonic seconds.
    """
    waiting, began = deque(sessions), clock()
    count = len(waiting)
    while any(session.state is SessionState.OPEN for session in waiting):
        left = count - due(count, seconds, clock() - began)
        while len(waiting) > left:
            waiting.popleft().close(Reason.SERVER_SHUTTING_DOWN, code=1001)
        if hurry.wait(_STEP):
            return


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
        stop(all_of_them)


def stop(greenlets: Sequence[Any]) -> None:
    """Stop greenlets, and block until they have ended, for a moment at most."""
    # With a timeout, killall() raises.
    gevent.killall(greenlets, block=False)
    gevent.joinall(greenlets, timeout=MOMENT)
