"""The thread whose gevent hub owns the sessions, and the way into it from other threads.

Everything below the server runs on one hub. ``emit`` and its kin may be called from any OS
thread: they hand their work over here.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import get_hub
from gevent.monkey import get_original

__all__ = ["HubThread"]

R = TypeVar("R")

# With monkey patching, the names in ``threading`` speak of greenlets.
_get_ident: Callable[[], int] = get_original("_thread", "get_ident")
_allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")


class HubThread:
    """Knows the owning thread once the first request has bound it."""

    def __init__(self) -> None:
        self._ident: int | None = None
        self._pid = 0
        self._async: Any = None
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def bind(self) -> None:
        """Make the running thread the owner, unless this process has one already."""
        if self._ident is None or self._pid != os.getpid():
            self._ident, self._pid = _get_ident(), os.getpid()
            self._async = get_hub().loop.async_(ref=False)
            self._async.start(self._run_calls)

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
        """Call ``function`` in the owning thread, soon, in a greenlet of its own."""
        self._calls.append((function, args))
        self._async.send()

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call ``function`` in the owning thread; block until it returns, and return that.

        Whatever ``function`` raises is raised here. It must have a deadline of its own.
        """
        outcome: list[Any] = []
        done = _allocate_lock()
        done.acquire()

        def run() -> None:
            try:
                outcome.extend((function(*args), None))
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                outcome.extend((None, error))
            finally:
                done.release()

        self.post(run)
        done.acquire()
        result, error = outcome
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _run_calls(self) -> None:
        # Greenlets start in the order they are spawned: calls of one thread keep their order.
        while self._calls:
            function, args = self._calls.popleft()
            gevent.spawn(function, *args)
