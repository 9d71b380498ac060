"""The one greenlet on which the handlers of a connection run, in order.

A WebSocket connection lends its own greenlet: it is parked here while there is nothing to do
and is switched to straight from the hub's read callback, without spawning. A polling session
has no request to live in: its greenlet starts when a task arrives and ends when none is left.

While a handler blocks, tasks queue, bounded by bytes; past the bound ``on_full`` asks the
transport to stop reading, and ``on_room`` to go on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event

__all__ = ["Inbox"]

logger = logging.getLogger(__name__)

Task = tuple[Callable[..., Any], tuple[Any, ...]]

_CAUGHT = (Exception, gevent.Timeout)
_FAILED = "! a task of a session failed"
#: What a queued task costs beyond its data, so that empty events are bounded as well.
_OVERHEAD = 256


class Inbox:
    """Runs the tasks of one session.

    Args:
        limit: Bytes that may wait.
        on_full: Called when the limit is passed.
        on_room: Called when half of it is free again.
        spawn: Starts a greenlet; its owner sees to it that they end.
    """

    __slots__ = (
        "_closed",
        "_drainer",
        "_full",
        "_host",
        "_hub",
        "_limit",
        "_on_full",
        "_on_room",
        "_parked",
        "_queue",
        "_room",
        "_size",
        "_spawn",
        "_waking",
    )

    def __init__(
        self,
        limit: int,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
        spawn: Callable[..., gevent.Greenlet[..., Any]] = gevent.spawn,
    ) -> None:
        self._limit = limit
        self._on_full = on_full
        self._on_room = on_room
        self._spawn = spawn
        self._queue: deque[tuple[Task, int]] | None = None
        self._size = 0
        self._full = False
        self._room: Event | None = None
        self._host: Any = None
        self._hub: Any = None
        self._parked: Any = None
        self._drainer: Any = None
        self._waking = False
        self._closed = False

    @property
    def is_idle(self) -> bool:
        """Whether a task that is put now would run at once."""
        if self._queue:
            return False
        return self._parked is not None or (self._host is None and self._drainer is None)

    @property
    def is_running_here(self) -> bool:
        """Whether the current greenlet is the one that runs the tasks."""
        current = getcurrent()
        return self._parked is None and current in (self._host, self._drainer)

    @property
    def is_hosted_here(self) -> bool:
        """Whether the current greenlet is the one that the connection has lent."""
        return self._host is not None and self._host is getcurrent()

    def put(self, function: Callable[..., Any], args: tuple[Any, ...], size: int = 0) -> None:
        """Run ``function(*args)`` after the tasks before it.

        Args:
            function: It may block; its exceptions are logged.
            args: Its arguments.
            size: Bytes that the task holds while it waits.
        """
        greenlet = self._parked
        if greenlet is not None and not self._queue and getcurrent() is self._hub:
            self._parked = None
            greenlet.switch((function, args))
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(((function, args), size))
        self._grow(size)
        self._wake()

    def put_urgent(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run ``function(*args)`` now: beside a handler that blocks, not behind it."""
        if self.is_idle:
            self.put(function, args)
        else:
            self._spawn(_run, (function, args))

    def spawn(self, function: Callable[..., Any], args: tuple[Any, ...], size: int = 0) -> None:
        """Run ``function(*args)`` in a greenlet of its own, counted like a waiting task."""
        self._grow(size)
        greenlet = self._spawn(_run, (function, args))
        greenlet.rawlink(lambda _: self._shrink(size))

    def wait_for_room(self, timeout: float) -> bool:
        """Block while the inbox is full, at most ``timeout`` seconds; say whether there is room."""
        if self._full and not self._closed:
            if self._room is None:
                self._room = Event()
            self._room.wait(timeout)
        return self._closed or not self._full

    def drop(self, function: Callable[..., Any]) -> None:
        """Forget the waiting tasks that would call ``function``."""
        waiting, self._queue = self._queue or (), deque()
        for task, size in waiting:
            if task[0] == function:
                self._shrink(size)
            else:
                self._queue.append((task, size))

    def host(self) -> None:
        """Lend the current greenlet: run tasks on it until the inbox is closed and empty."""
        self._host = current = getcurrent()
        self._hub = hub = get_hub()
        try:
            while True:
                if self._drainer is None:
                    self._run_queue()
                    if self._closed:
                        return
                self._parked = current if self._drainer is None else None
                task = hub.switch()
                self._parked = None
                if task is not None:
                    function, args = task
                    try:
                        function(*args)
                    except _CAUGHT:
                        logger.exception(_FAILED)
        finally:
            self._host = self._parked = None

    def close(self) -> None:
        """Let the host go once the tasks that wait have run."""
        self._closed = True
        self._announce_room()
        if self._host is not None:
            self._wake()

    def _wake(self) -> None:
        if self._waking or self._drainer is not None:
            return
        if self._parked is not None:
            self._waking = True
            get_hub().loop.run_callback(self._switch_in)
        elif self._host is None and self._queue:
            self._drainer = self._spawn(self._drain)

    def _switch_in(self) -> None:
        self._waking = False
        greenlet, self._parked = self._parked, None
        if greenlet is not None:
            greenlet.switch(None)

    def _drain(self) -> None:
        try:
            self._run_queue()
        finally:
            self._drainer = None
            if self._host is not None:
                get_hub().loop.run_callback(self._host.switch, None)
            elif self._queue:
                # Killed by somebody: what waits is not lost.
                self._wake()

    def _run_queue(self) -> None:
        while self._queue:
            task, size = self._queue.popleft()
            self._shrink(size)
            _run(task)
        self._queue = None

    def _grow(self, size: int) -> None:
        self._size += size + _OVERHEAD
        if self._size > self._limit and not self._full:
            self._full = True
            self._on_full()

    def _shrink(self, size: int) -> None:
        self._size -= size + _OVERHEAD
        if self._full and self._size <= self._limit // 2:
            self._full = False
            self._announce_room()
            self._on_room()

    def _announce_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()


def _run(task: Task) -> None:
    function, args = task
    try:
        function(*args)
    except _CAUGHT:
        # Handlers report their own exceptions; what comes here is a defect of this package.
        logger.exception(_FAILED)
