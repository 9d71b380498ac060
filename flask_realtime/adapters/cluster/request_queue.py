"""Requests of other servers wait here and are served in order, on a greenlet of their own.

The greenlet that reads from the bus goes on reading meanwhile: a request may call listeners of
the application, which may wait for a response that is still to be read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent

from ...loop.greenlet_pool import GreenletPool
from ...loop.inbox import Inbox

__all__ = ["RequestQueue"]

logger = logging.getLogger(__name__)

#: Bytes that may wait, and what a call costs beside its payload and the inbox's own overhead.
_LIMIT, _OVERHEAD = 16_000_000, 244
#: Seconds after which the log says that a listener holds up reading.
_PATIENCE = 10.0


class RequestQueue:
    """Calls functions one after the other, on one greenlet that stays: a new one costs 50 us.

    At its bound the reader waits, so that a stream keeps what follows and a channel pushes
    back on Redis.

    Args:
        on_malformed: Called with the ``ValueError`` of a request that is malformed.
        limit: Bytes that may wait.
    """

    def __init__(self, on_malformed: Callable[[ValueError], None], limit: int = _LIMIT) -> None:
        self._on_malformed = on_malformed
        self._pool = GreenletPool()
        self._inbox = Inbox(limit, _nothing, _nothing, self._pool, self._failed)

    @property
    def is_serving_here(self) -> bool:
        """Whether the current greenlet is the one that the functions are called on."""
        return self._inbox.is_running_here

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits or is being served."""
        return self._inbox.is_idle

    def put(self, function: Callable[..., object], *args: Any, size: int = 0) -> None:
        """Call ``function(*args)`` after those before it; block while too much waits.

        Args:
            function: A ``ValueError`` of it counts as malformed; other exceptions are logged.
            args: Its arguments.
            size: Bytes that they hold.
        """
        inbox = self._inbox
        if inbox.is_closed:
            return
        is_resting = bool(self._pool)
        inbox.put(function, args, size + _OVERHEAD)
        if is_resting:
            # Before the reader reads on, which takes longer than serving does.
            gevent.sleep(0)
        # A call that puts another one would wait for itself.
        while inbox.is_full and not inbox.is_running_here and not inbox.wait_for_room(_PATIENCE):
            logger.warning("! a listener holds up what other servers ask for")

    def close(self) -> None:
        """Drop what waits, and take no more; what is being served goes on."""
        self._inbox.drop()
        self._inbox.close()
        self._pool.close()

    def _failed(self, error: Exception | gevent.Timeout) -> None:
        if isinstance(error, ValueError):
            self._on_malformed(error)
        else:
            logger.error("! what another server asked for failed", exc_info=error)


def _nothing() -> None:
    """The reader itself waits for room."""
