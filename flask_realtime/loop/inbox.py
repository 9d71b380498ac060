"""The tasks of one client, or of another source that has to be served in order.

Tasks are function and arguments. They run one after the other, in the order in which they were
put, on one greenlet at a time, and may block.

**Greenlets.** Which one runs the tasks is the state of the inbox, :class:`InboxState`:

- A greenlet of the :class:`~flask_realtime.loop.greenlet_pool.GreenletPool` runs what there is to
  run and goes back to the pool: an inbox without tasks has none. ``put`` from the hub's read
  callback switches straight to one that waits, with the task as the value of the switch: no
  spawn, no queue, no turn of the loop. This is the hot path.
- A WSGI server that wants its request to last as long as the WebSocket lends the greenlet of
  that request by calling :meth:`Inbox.host`. The host parks in the hub, and ``put`` switches to
  it in the same way.

**Callers.** ``put`` never blocks and never runs a task on the stack of a greenlet. Only from
the hub does the task begin before ``put`` returns; any other greenlet (a POST, a handler, a
timeout) appends it to the queue and has the hub wake the runner in a callback. Other threads
come in through :class:`~flask_realtime.loop.hub.HubThread` and are greenlets of the hub then.

**Order.** A task is handed over directly only while the inbox is IDLE or its host PARKED, and it
is so only when the queue is empty, without a switch between the two. Once something is queued the
state is WAKING, and the hub appends as well. A greenlet that is lent while another is at work
waits for its end: an upgrade from polling to WebSocket keeps the order too. The two exceptions,
:meth:`Inbox.put_urgent` and :meth:`Inbox.spawn`, run tasks beside those in order.

**Context variables** belong to the inbox, whichever greenlets run its tasks; a host has its own.

**Back-pressure.** Waiting tasks count with their bytes. Beyond the limit ``on_full`` has the
transport stop reading and :meth:`Inbox.wait_for_room` blocks; at half of it ``on_room`` resumes.
The bound asks, it does not refuse: what has been read is kept. Spawned tasks count while they
run, with the weight of a greenlet; those beyond the limit wait for an end among them.

**Kills.** A kill costs the task that it hits. A greenlet of the pool is replaced while anything
waits, and so is a host. Closing lets the host return once the queue is empty; an inbox still
takes tasks afterwards.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event

from ..transitions import check_move
from .concurrent import ConcurrentTasks, Task, Waiting, without
from .greenlet_pool import CAUGHT, GreenletPool
from .inbox_state import INBOX_MOVES, InboxState

__all__ = ["INBOX_MOVES", "Inbox", "InboxState"]

logger = logging.getLogger(__name__)

#: Bytes that a queued task costs beyond its data, so that empty events are bounded as well.
_OVERHEAD = 256
# Looking a member up in its enumeration takes longer than a global does (Python 3.11).
_IDLE, _PARKED, _WAKING, _RUNNING = InboxState


class Inbox:
    """Runs tasks in order.

    Args:
        limit: Bytes that may wait.
        on_full: Called when the limit is passed.
        on_room: Called when half of it is free again.
        pool: Has the greenlets; a pool of its own by default.
        on_error: Called with what a task raises, on its greenlet; by default it is logged.

    Attributes:
        state: Which greenlet runs the tasks; the inbox and its pool move it.
        queue: The tasks that wait, or ``None``; for the pool to look at.
        context: The context variables of the tasks, between them; ``None`` without any.
        runner: The greenlet that runs the tasks while the state is RUNNING; read only.
        on_error: As given.
        is_closed: Whether :meth:`close` was called; read only.
        is_full: Whether the limit was passed, and half of it is not free yet; read only.
    """

    __slots__ = (
        "_concurrent",
        "_host",
        "_last",
        "_limit",
        "_on_full",
        "_on_room",
        "_pool",
        "_room",
        "_size",
        "context",
        "is_closed",
        "is_full",
        "on_error",
        "queue",
        "runner",
        "state",
    )

    def __init__(
        self,
        limit: int,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
        pool: GreenletPool | None = None,
        on_error: Callable[[Exception | gevent.Timeout], object] | None = None,
    ) -> None:
        self._limit = limit
        self._on_full = on_full
        self._on_room = on_room
        self._pool = GreenletPool() if pool is None else pool
        self.on_error: Callable[[Exception | gevent.Timeout], object] = on_error or _log
        self.state: InboxState = _IDLE
        self.is_closed: bool = False
        self.is_full: bool = False
        self._host: Any = None
        self.runner: Any = None
        self.context: Any = None
        self.queue: Waiting | None = None
        self._size = 0
        self._concurrent: ConcurrentTasks | None = None
        self._room: Event | None = None
        self._last: Callable[[], None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether a task that is put now would be the next to run, at once."""
        return not self.queue and self.state is not _RUNNING

    @property
    def is_running_here(self) -> bool:
        """Whether the current greenlet is the one that runs the tasks."""
        return self.state is _RUNNING and self.runner is getcurrent()

    def put(self, function: Callable[..., Any], args: tuple[Any, ...], size: int = 0) -> None:
        """Run ``function(*args)`` after the tasks before it.

        Args:
            function: It may block; its exceptions go to ``on_error``.
            args: Its arguments.
            size: Bytes that the task holds while it waits.
        """
        pool = self._pool
        if getcurrent() is pool.hub:
            if self.state is _IDLE:
                greenlet = pool.ready
                if greenlet is not None:
                    pool.ready = None
                    self.state = _RUNNING
                    self.runner = greenlet
                    if self.context is not pool.context:
                        greenlet.gr_context = self.context
                    greenlet.switch((self, function, args))
                    return
            elif self.state is _PARKED:
                self.state = _RUNNING
                self._host.switch((function, args))
                return
        if self.queue is None:
            self.queue = deque()
        self.queue.append(((function, args), size))
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
            self._pool.spawn(self._run, (function, args))

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
        return self._pool.spawn(self._run, task)

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
        if self.queue:
            self.queue, dropped = without(function, self.queue)
            for size in dropped:
                self._shrink(size)
        if self._concurrent is not None:
            self._concurrent.drop(function)

    def host(self) -> None:
        """Lend the current greenlet: run tasks on it until the inbox is closed and empty."""
        self._host = current = getcurrent()
        hub = self._pool.bind()
        try:
            if self.state is _IDLE:
                self._enter(_RUNNING)
            else:
                if self.queue is None:
                    self.queue = deque()  # the runner looks at it, and then for a host
                hub.switch()
            self.runner = current
            while True:
                if self.queue is not None:
                    self._run_queue()
                if self.is_closed:
                    return
                self.state = _PARKED
                task = hub.switch()
                if task is not None:
                    function, args = task
                    try:
                        function(*args)
                    except CAUGHT as error:
                        self.on_error(error)
                    # A host that is parked keeps no event of its client alive.
                    task = function = args = None
        finally:
            # Not when the tasks were taken away from it.
            if self._host is current:
                self._host = None
                if self.runner is current:
                    self.runner = None
                    self._enter(_IDLE)
                    self._wake()  # after a kill

    def take_back(self) -> None:
        """Forget the greenlets of a hub that has ended: what waits runs on the present one."""
        self._host = self.runner = None
        self._pool.bind()
        if self.state is not _IDLE:
            self._enter(_IDLE)
        self._wake()

    def at_end(self, function: Callable[[], None]) -> None:
        """Call a function as the last task: once the inbox is closed and no other waits."""
        if self.is_closed:
            self.put(function, ())
        else:
            self._last = function

    def close(self) -> None:
        """Let the host go once the tasks that wait have run; harmless when called again."""
        self.is_closed = True
        self._announce_room()
        if self.state is _PARKED:
            self._wake()
        self._on_full = self._on_room = lambda: None  # they refer to what owns the inbox
        last, self._last = self._last, None
        if last is not None:
            self.put(last, ())

    # Moves on the hot path are assignments: checks would add a third. Tests check all of them.

    def _enter(self, state: InboxState) -> None:
        check_move(INBOX_MOVES, self.state, state)
        self.state = state

    def _wake(self) -> None:
        if self.state is _PARKED:
            self.state = _WAKING
            get_hub().loop.run_callback(self._switch_to, self._host)
        elif self.state is _IDLE and self.queue:
            self.state = _WAKING
            if self._pool and self._pool.hub is get_hub():
                self._pool.hub.loop.run_callback(self._take_greenlet)
            else:
                self._pool.start(self)

    def _switch_to(self, host: Any) -> None:
        if self.state is _WAKING and self._host is host:
            self.state = _RUNNING
            host.switch(None)

    def _take_greenlet(self) -> None:
        if self.state is not _WAKING:
            return
        greenlet = self._pool.take() if self.queue else None
        if greenlet is None or not self.queue:  # taken or dropped in the meantime
            self._pool.start(self)
            return
        self.state = _RUNNING
        self.runner = greenlet
        greenlet.gr_context = self.context
        (function, args), size = self.queue.popleft()
        self._shrink(size)
        if not self.queue and self._host is None:
            self.queue = None
        greenlet.switch((self, function, args))

    # What the pool calls, on the greenlet that it has lent

    def begin(self, runner: Any) -> None:
        """Begin on a greenlet."""
        self._enter(_RUNNING)
        self.runner = runner
        if self.context is not None:
            runner.gr_context = self.context

    def go_on(self) -> None:
        """Run the tasks that wait, then give the greenlet back."""
        self._run_queue()
        self.rest()

    def rest(self) -> None:
        """Give the greenlet back: to the pool, which has the next task, or in favour of a host."""
        runner, self.runner = self.runner, None
        if runner is not None:
            self.context = runner.gr_context
        if self._host is None:
            self.state = _IDLE
        else:
            self.state = _WAKING
            get_hub().loop.run_callback(self._give_way)

    def _give_way(self) -> None:
        if self.state is not _WAKING:
            return
        if self._host is not None:
            self._switch_to(self._host)
        else:  # killed in the meantime
            self.state = _IDLE
            self._wake()

    def lose(self, runner: Any) -> None:
        """Go on without a greenlet that was killed."""
        if self.runner is runner:
            self.rest()
            self._wake()

    def _run_queue(self) -> None:
        while self.queue:
            (function, args), size = self.queue.popleft()
            self._shrink(size)
            try:
                function(*args)
            except CAUGHT as error:
                self.on_error(error)
        self.queue = None

    def _run(self, task: Task) -> None:
        function, args = task
        try:
            function(*args)
        except CAUGHT as error:
            self.on_error(error)

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
