"""The thread whose gevent hub owns the sessions, and the way into it from other threads.

Everything below the server runs on one hub. ``emit`` and the methods beside it may be called
from any OS thread; those hand their work over here.

Ownership: the first thread that serves a request becomes the owner. When that thread ends, its
hub has ended with it and cannot run anything; the next thread that serves takes over, and the
functions of :meth:`HubThread.on_takeover` end what the old hub has left. A released hub belongs
to a server that has ended: orders to it are moot, questions to it fail.
"""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

import gevent
from gevent import get_hub
from gevent.monkey import get_original

from ..quoting import quoted
from . import children
from .hub_watch import HubWatch, watch
from .stacks import Work
from .thread_call import GONE, ThreadCall

__all__ = ["HubThread"]

R = TypeVar("R")

# With monkey patching, the names in ``threading`` refer to greenlets.
_get_ident: Callable[[], int] = get_original("_thread", "get_ident")
_Local: Callable[[], Any] = get_original("threading", "local")

logger = logging.getLogger(__name__)

#: In place of the owner's identifier when its thread has ended: no thread has it.
_ENDED = 0
#: Seconds that the owner has to begin with a call from another thread.
PATIENCE = 30.0


class _Life:
    """Referenced by its thread alone: it is freed when the thread ends."""


def _unknown(frame: FrameType) -> Work | None:
    return None


class HubThread:
    """The owning thread, from the first request on.

    When that thread ends, calls from other threads raise ``RuntimeError``, and the next thread
    that serves becomes the owner.

    Args:
        work_of: Returns what the application does in a stack, for the log of a blocked hub.
        patience: Seconds that the owner has to begin with :meth:`call`.
    """

    def __init__(
        self,
        work_of: Callable[[FrameType], Work | None] = _unknown,
        patience: float = PATIENCE,
    ) -> None:
        self.work_of = work_of
        self._watch: HubWatch | None = None
        # An identifier is reused as soon as its thread has ended, so it is forgotten then.
        self._ident: int | None = None
        self._pid = 0
        self._async: Any = None
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._patience = patience
        self._local = _Local()
        self._life: weakref.ref[_Life] | None = None
        self._is_released = False
        self._moved: list[Callable[[], None]] = []
        self._checks: list[Callable[[], None]] = []

    def bind(self) -> None:
        """Make the running thread the owner, unless this process has one already.

        Raises:
            RuntimeError: The owner has ended, and a check of :meth:`before_takeover` refuses.
        """
        if not self._ident or self._pid != children.pid:
            if self.is_orphaned:
                for check in self._checks:
                    check()
            self.take_over()

    def take_over(self) -> None:
        """Make the running thread the owner, without the checks of :meth:`before_takeover`."""
        is_takeover = self.is_orphaned
        self._local.life = life = _Life()
        self._life = weakref.ref(life, self._ended)
        self._ident, self._pid = _get_ident(), children.pid
        self._async = get_hub().loop.async_(ref=False)
        self._async.start(self._run_calls)
        self._watch = watch(self)
        if is_takeover:
            logger.warning("! the thread of the sessions has ended: another one takes over")
            for function in self._moved:
                function()
            self._async.send()

    def _ended(self, life: weakref.ref[_Life]) -> None:
        if life is self._life:
            self._ident = _ENDED

    def on_takeover(self, function: Callable[[], None]) -> None:
        """Call ``function()`` in each new owner whose predecessor has ended with its hub."""
        self._moved.append(function)

    def before_takeover(self, check: Callable[[], None]) -> None:
        """Call ``check()`` in a thread that is about to take over; ``RuntimeError`` refuses it."""
        self._checks.append(check)

    def release(self) -> None:
        """Refuse calls from other threads from now on: the hub of the owner no longer runs."""
        self._is_released = True

    def unwatch(self) -> None:
        """Stop reporting what blocks the hub."""
        if self._watch is not None:
            self._watch.remove(self)

    @property
    def lag(self) -> float:
        """The longest time for which the hub was blocked in the last 10 to 20 s, in seconds."""
        return 0.0 if self._watch is None else self._watch.lag

    @property
    def is_orphaned(self) -> bool:
        """Whether the thread that owned the sessions has ended."""
        return self._ident == _ENDED and self._pid == children.pid

    @property
    def is_bound(self) -> bool:
        """Whether a thread owns the sessions: there was a request."""
        return self._ident is not None

    @property
    def is_foreign(self) -> bool:
        """Whether the running thread is not the one that owns the sessions."""
        return self._ident is not None and _get_ident() != self._ident

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """Call ``function`` in the owning thread: at once when it is the running one, else soon."""
        if self.is_foreign:
            self.post(function, *args)
        else:
            function(*args)

    def ask(self, function: Callable[..., R], *args: Any) -> R:
        """Call ``function`` in the owning thread and return its result; may block."""
        return self.call(function, *args) if self.is_foreign else function(*args)

    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Call ``function`` in the owning thread, soon, in a greenlet of its own.

        Raises:
            RuntimeError: That thread has ended.
        """
        if self._ident == _ENDED:
            raise RuntimeError(GONE)
        if self._is_released:
            logger.debug("the server has ended: %s is not called", quoted(function))
            return
        self._calls.append((function, args))
        self._async.send()

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call ``function`` in the owning thread, block until it returns, and return its result.

        Args:
            function: It must have a deadline of its own; its exceptions are raised here.
            args: Its arguments.

        Raises:
            RuntimeError: The thread has ended, its hub no longer runs, or did not run in time.
        """
        if self._is_released:
            raise RuntimeError(GONE)
        call, owner = ThreadCall(function, args), self._life

        def has_ended() -> bool:
            return self._ident == _ENDED or self._is_released or self._life is not owner

        self.post(call.run)
        return call.wait(self._patience, has_ended)  # type: ignore[no-any-return]

    def catch_up(self) -> None:
        """Let begin what other threads have asked for by now; in the owning thread."""
        self._run_calls()
        gevent.sleep(0)

    def _run_calls(self) -> None:
        # Greenlets start in the order they are spawned: calls of one thread keep their order.
        while self._calls:
            function, args = self._calls.popleft()
            gevent.spawn(function, *args)
