"""Native threads for functions that block in C, where gevent cannot switch to another greenlet.

A function waits for its turn on a greenlet, and its caller waits until it has returned. As many
run at a time as a limit allows; the others get their turn in the order in which they came. A
thread that has begun cannot be stopped: a killed caller leaves it to its end, and its place stays
taken until then.

gevent's pool of the hub is not used: it resolves host names, which handlers would hold up.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final

from gevent import get_hub
from gevent.event import Event
from gevent.threadpool import ThreadPool

from .hub import HubThread

__all__ = ["NativeThreads"]

logger = logging.getLogger(__name__)

#: Seconds that a function waits for a thread before the log says so.
PATIENCE: Final = 5.0


class NativeThreads:
    """Runs functions in native threads.

    Args:
        hub: The thread that owns the sessions; it calls :meth:`run`.
        patience: Seconds of a wait after which the log has a warning.

    Attributes:
        limit: How many functions run at a time; it counts from the first one on.
    """

    def __init__(self, hub: HubThread, patience: float = PATIENCE) -> None:
        self.limit: int = 1
        self._hub = hub
        self._patience = patience
        self._places: _Places | None = None

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function(*args)`` in a native thread, block until it returns, return its result.

        It has no context variables. What it asked of the owning thread has begun when this
        returns. In another thread than the owning one it is simply called.
        """
        if self._hub.is_foreign:
            return function(*args)
        places = self._places
        if places is None or not places.are_here:
            places = self._places = _Places(self.limit, self._patience)
        places.take()
        result = places.pool.spawn(Context().run, function, *args)
        result.rawlink(places.free)
        value = result.get()
        self._hub.catch_up()
        return value

    def close(self) -> None:
        """Let the threads end, each after the function that it runs; does not block."""
        places, self._places = self._places, None
        if places is not None and places.are_here:
            places.pool.maxsize = 0


class _Places:
    """The threads of one hub, and the queue for them.

    Args:
        limit: How many there are.
        patience: Seconds of a wait after which the log has a warning.
    """

    def __init__(self, limit: int, patience: float) -> None:
        self.pool = ThreadPool(limit)
        self._limit = limit
        self._patience = patience
        self._process = os.getpid()
        self._free = limit
        self._waiting: deque[Event] = deque()
        self._has_warned = False

    @property
    def are_here(self) -> bool:
        """Whether they belong to this process and to the running hub."""
        return self.pool.hub is get_hub() and self._process == os.getpid()

    def take(self) -> None:
        """Block until there is a thread, and take it."""
        if self._free:
            self._free -= 1
            return
        turn = Event()
        self._waiting.append(turn)
        try:
            if not turn.wait(self._patience):
                self._warn()
                turn.wait()
        except BaseException:
            # Killed: with a turn, or before it.
            if turn.is_set():
                self.free()
            else:
                self._waiting.remove(turn)
            raise

    def free(self, result: object = None) -> None:
        """Give a thread back: to the one who has waited longest, if there is one."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1
            self._has_warned = False

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "! a handler with thread=True has waited for %g s: all %d threads are busy, and "
                "those that wait get their turn in order; the option max_threads allows more",
                self._patience,
                self._limit,
            )
