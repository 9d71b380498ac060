"""The thread whose gevent hub owns the sessions, and the way into it from other threads.

Everything below the server runs on one hub. ``emit`` and its kin may be called from any OS
thread: they hand their work over here.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections import deque
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

import gevent
from gevent import get_hub
from gevent.monkey import get_original

from ..quoting import quoted
from .hub_watch import HubWatch, watch
from .stacks import Work

__all__ = ["HubThread"]

R = TypeVar("R")

# With monkey patching, the names in ``threading`` speak of greenlets.
_get_ident: Callable[[], int] = get_original("_thread", "get_ident")
_allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_Local: Callable[[], Any] = get_original("threading", "local")

logger = logging.getLogger(__name__)

#: In place of the owner's number when its thread has ended: no thread has it.
_ENDED = 0
#: Seconds for which a caller waits until the owner has begun with what it was asked for.
PATIENCE = 30.0
#: Seconds between two looks at whether the owner is still there.
_LOOK = 0.5

_GONE = "the thread that owns the sessions has ended, or its server has: start one again"


class _Life:
    """Held by a thread alone: it goes when the thread ends."""


def _unknown(frame: FrameType) -> Work | None:
    return None


class HubThread:
    """Knows the owning thread once the first request has bound it.

    When that thread ends, what other threads ask for raises ``RuntimeError``, and the next
    thread that serves becomes the owner.

    Args:
        work_of: Tells what a stack is at work for, when that takes too long.
        patience: Seconds for which :meth:`call` waits for the owner to begin.
    """

    def __init__(
        self,
        work_of: Callable[[FrameType], Work | None] = _unknown,
        patience: float = PATIENCE,
    ) -> None:
        self.work_of = work_of
        self._watch: HubWatch | None = None
        # A number is used again as soon as its thread has ended, so it is forgotten then.
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
            RuntimeError: The owner has ended, and what it has left cannot move here.
        """
        if not self._ident or self._pid != os.getpid():
            if self.is_orphaned:
                for check in self._checks:
                    check()
            self.take_over()

    def take_over(self) -> None:
        """Make the running thread the owner, whatever the one before has left."""
        is_takeover = self.is_orphaned
        self._local.life = life = _Life()
        self._life = weakref.ref(life, self._ended)
        self._ident, self._pid = _get_ident(), os.getpid()
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
        """Call ``function()`` in a new owner, whose predecessor has ended with its hub."""
        self._moved.append(function)

    def before_takeover(self, check: Callable[[], None]) -> None:
        """Call ``check()`` in a thread that is about to follow; ``RuntimeError`` refuses it."""
        self._checks.append(check)

    def release(self) -> None:
        """The owner's hub runs no more: what other threads ask for cannot be done."""
        self._is_released = True

    def unwatch(self) -> None:
        """Report no longer what blocks the hub: its work is done."""
        if self._watch is not None:
            self._watch.remove(self)

    @property
    def lag(self) -> float:
        """For how many seconds the hub was kept from its work, at most, in the last 10 to 20 s."""
        return 0.0 if self._watch is None else self._watch.lag

    @property
    def is_orphaned(self) -> bool:
        """Whether the thread that owned the sessions has ended."""
        return self._ident == _ENDED and self._pid == os.getpid()

    @property
    def is_bound(self) -> bool:
        """Whether a thread owns the sessions: there has been a request."""
        return self._ident is not None

    @property
    def is_foreign(self) -> bool:
        """Whether the running thread is not the one that owns the sessions."""
        return self._ident is not None and _get_ident() != self._ident

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """Call ``function`` in the owning thread: now when this is it, soon otherwise."""
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
            raise RuntimeError(_GONE)
        if self._is_released:
            logger.debug("the server has ended: %s is not called", quoted(function))
            return
        self._calls.append((function, args))
        self._async.send()

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call ``function`` in the owning thread; block until it returns, and return that.

        Whatever ``function`` raises is raised here. It must have a deadline of its own.

        Raises:
            RuntimeError: The thread has ended, its hub runs no more, or did not run in time.
        """
        if self._is_released:
            raise RuntimeError(_GONE)
        outcome: list[Any] = []
        # Who takes the only element, the owner or a caller that has lost its patience, decides.
        begins = deque((True,))
        done = _allocate_lock()
        done.acquire()

        def run() -> None:
            if not _take(begins):
                return
            try:
                outcome.extend((function(*args), None))
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                outcome.extend((None, error))
            finally:
                done.release()

        self.post(run)
        self._wait(done, begins)
        result, error = outcome
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _wait(self, done: Any, begins: deque[bool]) -> None:
        owner, since = self._life, monotonic()
        while not done.acquire(True, min(_LOOK, self._patience)):
            is_gone = self._ident == _ENDED or self._is_released or self._life is not owner
            if is_gone and not done.acquire(False):
                begins.clear()
                raise RuntimeError(_GONE)
            if is_gone:
                return
            if monotonic() - since >= self._patience and _take(begins):
                raise RuntimeError(
                    f"the hub of the thread that owns the sessions did not run for "
                    f"{self._patience:g} s"
                )

    def _run_calls(self) -> None:
        # Greenlets start in the order they are spawned: calls of one thread keep their order.
        while self._calls:
            function, args = self._calls.popleft()
            gevent.spawn(function, *args)


def _take(begins: deque[bool]) -> bool:
    try:
        return begins.pop()
    except IndexError:
        return False
