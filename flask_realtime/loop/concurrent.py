"""Tasks that run beside each other, with a greenlet each, as many at a time as a limit allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent

__all__ = ["GREENLET", "ConcurrentTasks", "Task", "Waiting", "without"]

Task = tuple[Callable[..., Any], tuple[Any, ...]]
#: Tasks in order, each with its size in bytes.
Waiting = deque[tuple[Task, int]]

#: Bytes that a task costs in a greenlet of its own, with the contexts and the stack of a handler
#: that waits: 360 kB of events made 7,055 greenlets and 89 MB.
GREENLET = 12_500


class ConcurrentTasks:
    """Starts tasks; those beyond the limit wait for an end among the others.

    Args:
        limit: Bytes of the tasks that run, each with :data:`GREENLET` beyond its size. At least
            one runs, however large it is.
        start: Runs a task in a new greenlet.
        grow: Called with the size of a task that waits or runs, in bytes.
        shrink: Called with the same when it no longer does.
    """

    __slots__ = ("_grow", "_limit", "_running", "_shrink", "_start", "_waiting")

    def __init__(
        self,
        limit: int,
        start: Callable[[Task], gevent.Greenlet[..., Any]],
        grow: Callable[[int], None],
        shrink: Callable[[int], None],
    ) -> None:
        self._limit = limit
        self._start = start
        self._grow = grow
        self._shrink = shrink
        self._running = 0  # bytes
        self._waiting: Waiting = deque()

    def add(self, task: Task, size: int) -> None:
        """Start a task as soon as the limit allows, after those that wait already."""
        if self._waiting or not self._may_run(size):
            self._waiting.append((task, size))
            self._grow(size)
        else:
            self._run(task, size)

    def drop(self, function: Callable[..., Any] | None = None) -> None:
        """Forget the waiting tasks that would call ``function``; by default all of them."""
        self._waiting, dropped = without(function, self._waiting)
        for size in dropped:
            self._shrink(size)

    def _may_run(self, size: int) -> bool:
        return not self._running or self._running + size + GREENLET <= self._limit

    def _run(self, task: Task, size: int) -> None:
        self._running += size + GREENLET
        self._grow(size + GREENLET)
        self._start(task).rawlink(lambda _: self._end(size))

    def _end(self, size: int) -> None:
        self._running -= size + GREENLET
        self._shrink(size + GREENLET)
        while self._waiting and self._may_run(self._waiting[0][1]):
            task, waited = self._waiting.popleft()
            self._run(task, waited)
            self._shrink(waited)


def without(function: Callable[..., Any] | None, waiting: Waiting) -> tuple[Waiting, list[int]]:
    """Take the tasks that would call a function out of a queue.

    Args:
        function: ``None`` stands for every function.
        waiting: The queue; it is not changed.

    Returns:
        The tasks that are left, and the sizes of the others.
    """
    kept: Waiting = deque()
    dropped = []
    for task, size in waiting:
        if function is None or task[0] == function:
            dropped.append(size)
        else:
            kept.append((task, size))
    return kept, dropped
