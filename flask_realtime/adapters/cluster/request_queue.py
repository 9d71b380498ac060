"""Requests of other servers wait here and are served in order, on a greenlet of their own.

The greenlet that reads from the bus goes on reading meanwhile: a request may call listeners of
the application, which may wait for a response that is still to be read.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

__all__ = ["RequestQueue"]

logger = logging.getLogger(__name__)

Call = tuple[Callable[..., object], tuple[Any, ...]]

_CAUGHT = (Exception, gevent.Timeout)
#: Bytes that may wait, and what a call costs beside its payload.
_LIMIT, _OVERHEAD = 16_000_000, 500
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
        self._limit = limit
        self._waiting: deque[tuple[Call, int]] = deque()
        self._size = 0
        self._is_closed = False
        # Set while it runs, and while it waits for something to call.
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._parked: gevent.Greenlet[..., Any] | None = None
        self._room = Event()
        self._room.set()

    @property
    def is_serving_here(self) -> bool:
        """Whether the current greenlet is the one that the functions are called on."""
        return self._greenlet is not None and self._greenlet is gevent.getcurrent()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits or is being served."""
        return self._greenlet is None or self._parked is not None

    def put(self, function: Callable[..., object], *args: Any, size: int = 0) -> None:
        """Call ``function(*args)`` after what came before it; blocks while too much waits.

        Args:
            function: What it raises is logged, or counted as malformed.
            args: Its arguments.
            size: Bytes that they hold.
        """
        if self._is_closed:
            return
        size += _OVERHEAD
        self._waiting.append(((function, args), size))
        self._size += size
        self._wake()
        if self._size > self._limit:
            self._room.clear()
            while not self._room.wait(_PATIENCE):
                logger.warning("! a listener holds up what other servers ask for")

    def close(self) -> None:
        """Drop what waits, and take no more; what is being served goes on."""
        self._is_closed = True
        self._waiting.clear()
        self._size = 0
        self._room.set()
        if self._parked is not None:
            self._wake()

    def _wake(self) -> None:
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._serve)
        elif self._parked is not None:
            greenlet, self._parked = self._parked, None
            gevent.get_hub().loop.run_callback(greenlet.switch)
            if not self._is_closed:
                # Before the reader reads on, which takes longer than serving does.
                gevent.sleep(0)

    def _serve(self) -> None:
        hub, here = gevent.get_hub(), self._greenlet
        try:
            while not self._is_closed:
                while self._waiting:
                    self._call_next()
                self._parked = here
                hub.switch()
        finally:
            self._greenlet = self._parked = None
            if self._waiting:
                # The greenlet was killed: what waits is served by another one.
                self._wake()

    def _call_next(self) -> None:
        (function, args), size = self._waiting.popleft()
        self._size -= size
        if self._size <= self._limit // 2:
            self._room.set()
        try:
            function(*args)
        except ValueError as error:
            self._on_malformed(error)
        except _CAUGHT:
            logger.exception("! what another server asked for failed")
