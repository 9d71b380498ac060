"""Ordered, bounded queues of work: what one connection, or one source of requests, asks for.

Tasks are function and arguments. They run one after the other, in the order in which they were
put, on one greenlet at a time, and may block.

**Greenlets.** Which one runs the tasks is the state of the inbox, :class:`InboxState`:

- A WebSocket request lends its own greenlet by calling :meth:`Inbox.host`. The host parks in
  the hub. ``put`` from the hub's read callback switches straight to it, with the task as the
  value of the switch: no spawn, no queue, no turn of the loop. This is the hot path.
- A polling session has no request to live in, nor has a source of requests. The first task
  spawns a greenlet, the drainer, which rests between tasks: waking it costs a tenth of a new
  greenlet. It ends when the inbox is closed, when a request lends its greenlet, or when
  :meth:`Inbox.let_go` finds that it has rested for long.

**Callers.** ``put`` never blocks and never runs a task on the stack of a greenlet. Only from
the hub does the task begin before ``put`` returns; any other greenlet (a POST, a handler, a
timeout) appends it to the queue and has the hub wake the host in a callback. Other threads
come in through :class:`~flask_realtime.loop.hub.HubThread` and are greenlets of the hub then.

**Order.** A task is handed over directly only while the host is PARKED, and the host parks only
when the queue is empty, without a switch between the two. Once something is queued the state is
WAKING, and the hub appends as well. A greenlet that is lent while a drainer is at work waits for
its end, so an upgrade from polling to WebSocket keeps the order too. :meth:`Inbox.put_urgent`
and :meth:`Inbox.spawn` are the two exceptions: they run tasks beside those in order.

**Back-pressure.** Waiting tasks count with their bytes. Beyond the limit ``on_full`` has the
transport stop reading and :meth:`Inbox.wait_for_room` blocks; at half of it ``on_room`` resumes.
The bound asks, it does not refuse: what has been read is kept. Spawned tasks count while they
run, with the weight of a greenlet; those beyond the limit wait for an end among them.

**Kills.** A kill costs the task that it hits. A killed drainer is replaced while anything
waits. After a killed host that was lent the state is IDLE and the
next task starts a drainer: the request is over, and the end of its session is that task.
Closing lets the host return once the queue is empty; an inbox still takes tasks afterwards.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event

from ..transitions import check_move
from .concurrent import ConcurrentTasks, Task, Waiting, without

__all__ = ["INBOX_MOVES", "Inbox", "InboxState"]

logger = logging.getLogger(__name__)

_CAUGHT = (Exception, gevent.Timeout)
#: Bytes that a queued task costs beyond its data, so that empty events are bounded as well.
_OVERHEAD = 256


class InboxState(Enum):
    """Which greenlet runs the tasks of an inbox."""

    #: None: the next task spawns one.
    IDLE = auto()
    #: The host, which waits for a task.
    PARKED = auto()
    #: The host, which the hub is about to switch to.
    WAKING = auto()
    #: The host, which runs a task.
    RUNNING = auto()
    #: A drainer; a host that was lent meanwhile waits for its end.
    DRAINING = auto()
    #: A drainer, which waits for a task.
    RESTING = auto()


# Looking a member up in its enumeration takes longer than a global does (Python 3.11).
_IDLE, _PARKED, _WAKING, _RUNNING, _DRAINING, _RESTING = InboxState
INBOX_MOVES: Final[dict[InboxState, tuple[InboxState, ...]]] = {
    _IDLE: (_RUNNING, _DRAINING),
    _PARKED: (_RUNNING, _WAKING, _IDLE),
    _WAKING: (_RUNNING, _IDLE),
    _RUNNING: (_PARKED, _IDLE),
    _DRAINING: (_RESTING, _WAKING, _IDLE),
    _RESTING: (_DRAINING, _RUNNING, _IDLE),
}


class Inbox:
    """Runs tasks in order.

    Args:
        limit: Bytes that may wait.
        on_full: Called when the limit is passed.
        on_room: Called when half of it is free again.
        spawn: Starts a greenlet; its owner sees to it that they end.
        on_error: Called with what a task raises, on its greenlet; by default it is logged.

    Attributes:
        state: Which greenlet runs the tasks; read only.
        is_closed: Whether :meth:`close` was called; read only.
        is_full: Whether the limit was passed, and half of it is not free yet; read only.
    """

    __slots__ = (
        "_concurrent",
        "_drainer",
        "_host",
        "_hub",
        "_limit",
        "_on_error",
        "_on_full",
        "_on_room",
        "_queue",
        "_room",
        "_size",
        "_spawn",
        "_was_seen_resting",
        "is_closed",
        "is_full",
        "state",
    )

    def __init__(
        self,
        limit: int,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
        spawn: Callable[..., gevent.Greenlet[..., Any]] = gevent.spawn,
        on_error: Callable[[Exception | gevent.Timeout], object] | None = None,
    ) -> None:
        self._limit = limit
        self._on_full = on_full
        self._on_room = on_room
        self._spawn = spawn
        self._on_error = on_error or _log
        self.state: InboxState = _IDLE
        self.is_closed: bool = False
        self.is_full: bool = False
        self._host: Any = None
        self._hub: Any = None  # of the host
        self._drainer: Any = None
        self._was_seen_resting = False
        self._queue: Waiting | None = None
        self._size = 0
        self._concurrent: ConcurrentTasks | None = None
        self._room: Event | None = None

    @property
    def is_idle(self) -> bool:
        """Whether a task that is put now would be the next to run, at once."""
        return not self._queue and self.state is not _RUNNING and self.state is not _DRAINING

    @property
    def is_resting(self) -> bool:
        """Whether a greenlet of the inbox waits for a task."""
        return self.state is _RESTING

    @property
    def is_running_here(self) -> bool:
        """Whether the current greenlet is the one that runs the tasks."""
        if self.state is _RUNNING:
            return self._host is getcurrent()
        return self.state is _DRAINING and self._drainer is getcurrent()

    @property
    def is_hosted_here(self) -> bool:
        """Whether the current greenlet is the one that the connection has lent."""
        return self._host is not None and self._host is getcurrent()

    def put(self, function: Callable[..., Any], args: tuple[Any, ...], size: int = 0) -> None:
        """Run ``function(*args)`` after the tasks before it.

        Args:
            function: It may block; its exceptions go to ``on_error``.
            args: Its arguments.
            size: Bytes that the task holds while it waits.
        """
        if self.state is _PARKED and getcurrent() is self._hub:
            self.state = _RUNNING
            self._host.switch((function, args))
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(((function, args), size))
        self._grow(size)
        self._wake()

    def put_urgent(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run ``function(*args)`` now: beside a handler that blocks, not behind it.

        Args:
            function: It may block; its exceptions go to ``on_error``.
            args: Its arguments.
        """
        if self.is_idle:
            self.put(function, args)
        else:
            self._spawn(self._run, (function, args))

    def spawn(self, function: Callable[..., Any], args: tuple[Any, ...], size: int = 0) -> None:
        """Run ``function(*args)`` in a greenlet of its own, counted like a waiting task.

        As many run at a time as the limit allows: see :mod:`flask_realtime.loop.concurrent`.

        Args:
            function: It may block; its exceptions go to ``on_error``.
            args: Its arguments.
            size: Bytes that the task holds until it has returned.
        """
        if self._concurrent is None:
            self._concurrent = ConcurrentTasks(self._limit, self._start, self._grow, self._shrink)
        self._concurrent.add((function, args), size)

    def _start(self, task: Task) -> gevent.Greenlet[..., Any]:
        return self._spawn(self._run, task)

    def wait_for_room(self, timeout: float) -> bool:
        """Block while the inbox is full and open.

        Args:
            timeout: Seconds, at most.

        Returns:
            Whether the wait is over: there is room, or the inbox is closed.
        """
        if self.is_full and not self.is_closed:
            if self._room is None:
                self._room = Event()
            self._room.wait(timeout)
        return self.is_closed or not self.is_full

    def drop(self, function: Callable[..., Any] | None = None) -> None:
        """Forget the waiting tasks that would call ``function``; by default all of them."""
        if self._queue:
            self._queue, dropped = without(function, self._queue)
            for size in dropped:
                self._shrink(size)
        if self._concurrent is not None:
            self._concurrent.drop(function)

    def host(self) -> None:
        """Lend the current greenlet: run tasks on it until the inbox is closed and empty."""
        self._host = current = getcurrent()
        self._hub = hub = get_hub()
        try:
            if self.state is _DRAINING:
                hub.switch()  # until the drainer ends
            else:
                if self.state is _RESTING:
                    self._dismiss()
                self._enter(_RUNNING)
            while True:
                if self._queue is not None:
                    self._run_queue()
                if self.is_closed:
                    return
                self.state = _PARKED
                task = hub.switch()
                if task is not None:
                    function, args = task
                    try:
                        function(*args)
                    except _CAUGHT as error:
                        self._on_error(error)
                    # A host that is parked keeps no event of its client alive.
                    task = function = args = None
        finally:
            # Not when the tasks were taken away from it.
            if self._host is current:
                self._host = self._hub = None
                if self.state is not _DRAINING:
                    self._enter(_IDLE)

    def take_back(self) -> None:
        """Forget the greenlets of a hub that has ended: what waits runs on the present one."""
        self._host = self._hub = self._drainer = None
        if self.state is not _IDLE:
            self._enter(_IDLE)
        self._wake()

    def close(self) -> None:
        """Let the host go once the tasks that wait have run; harmless when called again."""
        self.is_closed = True
        self._announce_room()
        if self.state is _PARKED or self.state is _RESTING:
            self._wake()

    def let_go(self) -> None:
        """Let the drainer end if it has had no task since the last call; called now and then."""
        if self.state is _RESTING:
            if self._was_seen_resting:
                self._dismiss()
                self._enter(_IDLE)
            self._was_seen_resting = not self._was_seen_resting

    # A move whose condition names the state that it leaves is an assignment: checks would add a
    # third to the hot path. The other moves go through _enter(); tests check all of them.

    def _enter(self, state: InboxState) -> None:
        check_move(INBOX_MOVES, self.state, state)
        self.state = state

    def _wake(self) -> None:
        if self.state is _PARKED:
            self.state = _WAKING
            get_hub().loop.run_callback(self._switch_to, self._host)
        elif self.state is _RESTING:
            self.state = _DRAINING
            self._was_seen_resting = False
            get_hub().loop.run_callback(self._resume, self._drainer)
        elif self.state is _IDLE and self._queue:
            self.state = _DRAINING
            self._drainer = self._spawn(self._drain)

    def _switch_to(self, host: Any) -> None:
        # It may have been killed in the meantime.
        if self.state is _WAKING and self._host is host:
            self.state = _RUNNING
            host.switch(None)

    def _resume(self, drainer: Any) -> None:
        # It may have been killed in the meantime.
        if self._drainer is drainer:
            drainer.switch()

    def _dismiss(self) -> None:
        """Let a drainer that rests end."""
        drainer, self._drainer = self._drainer, None
        get_hub().loop.run_callback(drainer.switch)

    def _drain(self) -> None:
        current = getcurrent()
        hub = get_hub()
        try:
            while self._drainer is current:
                self._run_queue()
                if self._drainer is not current or self._host is not None or self.is_closed:
                    break
                self.state = _RESTING
                hub.switch()
        finally:
            if self._drainer is current:
                self._drainer = None
                if self._host is not None:
                    self.state = _WAKING
                    get_hub().loop.run_callback(self._switch_to, self._host)
                else:
                    self.state = _IDLE
                    if self._queue:
                        self._wake()  # after a kill

    def _run_queue(self) -> None:
        while self._queue:
            (function, args), size = self._queue.popleft()
            self._shrink(size)
            try:
                function(*args)
            except _CAUGHT as error:
                self._on_error(error)
        self._queue = None

    def _run(self, task: Task) -> None:
        function, args = task
        try:
            function(*args)
        except _CAUGHT as error:
            self._on_error(error)

    def _grow(self, size: int) -> None:
        self._size += size + _OVERHEAD
        if self._size > self._limit and not self.is_full:
            self.is_full = True
            self._on_full()

    def _shrink(self, size: int) -> None:
        self._size -= size + _OVERHEAD
        if self.is_full and self._size <= self._limit // 2:
            self.is_full = False
            self._announce_room()
            self._on_room()

    def _announce_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()


def _log(error: Exception | gevent.Timeout) -> None:
    # Handlers report their own exceptions; what arrives here is a defect of this package.
    logger.error("! a task of a session failed", exc_info=error)
