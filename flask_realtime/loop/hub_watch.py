"""The lag of a gevent hub, and what blocks it: measured from a native thread.

Ten times a second the watch samples the hub's thread. When that is not idle, the watch sends
the hub a question; the delay of the answer is the lag. After half a second without an answer,
the stack of the hub's thread shows which line of the application is running.

gevent has a monitoring thread of its own (``gevent.config.monitor_thread``), which works beside
this one. It is not used here: it traces every switch between greenlets, which costs 130 ns each
(2 % of an event), misses listeners that block inside the hub, does not measure the duration of a
blockage, and can only be enabled for all hubs of the process at once.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from time import monotonic, process_time
from types import FrameType
from typing import Any, Protocol

import gevent
from gevent import get_hub
from gevent.monkey import get_original

from ..quoting import shown
from .scheduler import STALL
from .stacks import Work, place_of, top_frame

__all__ = ["INTERVAL", "PATIENCE", "HubWatch", "Pulse", "Watched", "watch"]

logger = logging.getLogger(__name__)

#: Characters of the cause in a line of the log: an event, a file and a line.
_LONGEST = 400

_sleep: Callable[[float], None] = get_original("time", "sleep")
_start_thread: Callable[..., int] = get_original("_thread", "start_new_thread")
_get_ident: Callable[[], int] = get_original("_thread", "get_ident")
_allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_Local: Callable[[], Any] = get_original("_thread", "_local")

#: Seconds between two samples.
INTERVAL = 0.1
#: Seconds after which a blockage is reported while it lasts: it may never end.
PATIENCE = 10.0
#: Seconds for which the longest lag is remembered, at least; at most twice as many.
_MEMORY = 10.0


class Watched(Protocol):
    """A user of a hub that knows what its stacks do."""

    def work_of(self, frame: FrameType) -> Work | None:
        """Return the work that a stack does; ``None`` when it is not this user's."""


class Pulse:
    """The lag of a hub, from questions and answers; time is an argument."""

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self._recent = self._before = 0.0
        self._since = 0.0

    def answer(self, now: float) -> float:
        """Take the answer of the hub and return its lag, in seconds."""
        asked_at, self.asked_at = self.asked_at, None
        lag = 0.0 if asked_at is None else now - asked_at
        if now - self._since > _MEMORY:
            self._before = self._recent if now - self._since < 2 * _MEMORY else 0.0
            self._recent, self._since = 0.0, now
        self._recent = max(self._recent, lag)
        return lag

    def lag(self, now: float) -> float:
        """Return the longest lag of the last 10 to 20 s, in seconds, including the present one."""
        asked_at = self.asked_at
        lasting = 0.0 if asked_at is None else now - asked_at
        age = now - self._since
        if age > 2 * _MEMORY:
            return lasting
        return max(lasting, self._recent, self._before if age <= _MEMORY else 0.0)


class _Alive:
    """Referenced by its thread alone: it is freed when the thread ends."""


class HubWatch:
    """Watches the hub of the running thread while the hub has users.

    Args:
        patience: Seconds after which a blockage is reported while it lasts.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        hub = get_hub()
        self._pid = os.getpid()
        self._ident = _get_ident()
        # The identifier of a thread that has ended is reused, so it proves nothing.
        self._local = _Local()
        self._local.alive = alive = _Alive()
        self._alive = weakref.ref(alive)
        self._idle_code = type(hub).run.__code__
        self._main = _main_greenlet(hub)
        self._loop: Any = hub.loop
        self._async: Any = self._loop.async_(ref=False)
        self._async.start(self._on_answer)
        self._users: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._lock = _allocate_lock()
        self._pulse = Pulse()
        self._culprit = ""
        self._is_reported = False
        self._is_running = self._is_over = False

    @property
    def lag(self) -> float:
        """The longest lag of the last 10 to 20 s, in seconds."""
        return self._pulse.lag(monotonic())

    def add(self, user: Watched) -> bool:
        """Add a user, until it is removed or freed.

        Returns:
            Whether the watch runs; one that has ended cannot start again.
        """
        if self._pid != os.getpid():
            return False  # threads do not survive a fork
        with self._lock:
            if self._is_over:
                return False
            self._users.add(user)
            if not self._is_running:
                self._is_running = True
                _start_thread(self._run, ())
            return True

    def remove(self, user: Watched) -> None:
        """Remove a user; after the last one, the thread ends."""
        with self._lock:
            self._users.discard(user)

    # In the native thread

    def _run(self) -> None:
        cpu = process_time()
        try:
            while True:
                due = monotonic() + INTERVAL
                _sleep(INTERVAL)
                if self._has_ended():
                    break
                before, cpu = cpu, process_time()
                self._look(due, monotonic(), cpu - before)
            self._loop.run_callback_threadsafe(self._async.close)
        except (AttributeError, ValueError):
            logger.debug("the loop of the hub was destroyed")
        finally:
            # The loop refers to the hub, which keeps this watch alive.
            self._is_over, self._loop, self._async, self._main = True, None, None, None

    def _has_ended(self) -> bool:
        with self._lock:
            self._is_over = not self._users or self._alive() is None
            return self._is_over

    def _look(self, due: float, now: float, cpu: float) -> None:
        frame = top_frame(self._ident)
        if frame is None:
            return
        asked_at, late = self._pulse.asked_at, now - due
        if self._main.gr_frame is None:
            # The main greenlet runs. In a server it waits for the hub; a program that does other
            # work there, for instance a test, decides itself when the hub runs.
            if asked_at is not None:
                self._pulse.asked_at = now
        elif asked_at is None:
            if late > STALL:
                # This thread could not run either: the blocking call holds the interpreter, or the
                # process was stopped.
                self._ask(due)
                self._culprit = self._name(frame) + _share(cpu, late)
            elif frame.f_code is not self._idle_code:
                self._ask(now)
        elif now - asked_at > STALL - 2 * INTERVAL:
            # Early enough for a blockage that ends before the next look.
            self._culprit = self._culprit or self._name(frame)
            if now - asked_at > self._patience and not self._is_reported:
                self._is_reported = True
                # In another thread: the blocking call may hold the lock of the log.
                _start_thread(_log_early, (now - asked_at, self._culprit))

    def _ask(self, since: float) -> None:
        self._culprit, self._is_reported = "", False
        self._pulse.asked_at = since
        self._async.send()

    def _name(self, frame: FrameType) -> str:
        if frame.f_code is self._idle_code:
            return "nothing of the application was running"
        with self._lock:
            users = list(self._users)
        for user in users:
            work = user.work_of(frame)
            if work is not None:
                return f"{work.what}, at {place_of(frame, work.caller)}"
        return place_of(frame)

    # In the hub

    def _on_answer(self) -> None:
        lag = self._pulse.answer(monotonic())
        if lag > STALL:
            # In a greenlet: log handlers may block.
            gevent.spawn(_log_end if self._is_reported else _log, lag, self._culprit)


def _main_greenlet(greenlet: Any) -> Any:
    while greenlet.parent is not None:
        greenlet = greenlet.parent
    return greenlet


def _share(cpu: float, seconds: float) -> str:
    # The process was stopped, or the machine was busy with others.
    return "" if cpu > seconds / 2 else f" (the process ran for {cpu:.1f} s of them)"


def _log(seconds: float, culprit: str) -> None:
    # A busy machine may have kept the thread from looking.
    what = shown(culprit or "the cause was not observed", _LONGEST)
    logger.warning("! the hub was blocked for %.1f s: %s", seconds, what)


def _log_early(seconds: float, culprit: str) -> None:
    logger.warning(
        "! the hub has been blocked for %.1f s and still is: %s", seconds, shown(culprit, _LONGEST)
    )


def _log_end(seconds: float, culprit: str) -> None:
    logger.info("= the hub was blocked for %.1f s: %s", seconds, shown(culprit, _LONGEST))


# One for each hub, which several servers may share: a blockage is one line in the log.
_watches: weakref.WeakKeyDictionary[Any, HubWatch] = weakref.WeakKeyDictionary()


def watch(user: Watched) -> HubWatch:
    """Watch the hub of the running thread, together with its other users."""
    hub = get_hub()
    found = _watches.get(hub)
    if found is None or not found.add(user):
        found = _watches[hub] = HubWatch()
        found.add(user)
    return found
