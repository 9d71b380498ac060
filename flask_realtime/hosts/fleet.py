"""``run(workers=…)``: a parent that forks workers, and replaces those that die.

The parent has the listening socket and serves nothing. Its hub does not run: what an
application has started before goes on in the workers.

A socket pair joins them. The parent reads from one end what a worker asks for; a worker that
reads the end of the other one knows that the parent stops, or that it is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gevent import get_hub
from gevent.monkey import get_original
from gevent.os import fork_gevent

from ..engine.shutdown import GRACE
from ..quoting import shown
from .stop_signals import ONE_SIGNAL, StopSignals

__all__ = ["MOST_QUICK", "PATIENCE", "YOUNG", "Fleet", "Lifeline", "next_try"]

logger = logging.getLogger(__name__)

# Those of gevent would run the hub.
_sleep: Any = get_original("time", "sleep")
_waitpid: Any = get_original("os", "waitpid")
_Socket: Any = get_original("socket", "socket")

#: Seconds after which the end of a worker is no failure to begin.
YOUNG = 5.0
#: So many failures in a row end the run; seconds of the pause after the first, which doubles.
MOST_QUICK = 5
_PAUSE = 0.25
#: Seconds until the next attempt when the system has no room for a process.
_FORK_PAUSE = 1.0
#: Seconds between two looks at the workers.
_TICK = 0.2
#: Seconds that workers have to end: for their clients, and for requests of each other.
PATIENCE = 2 * GRACE + 1.0


def next_try(quick: int, lived: float) -> tuple[int, float | None]:
    """Decide what follows the end of a worker; pure.

    Args:
        quick: How many workers before it, in a row, have ended when they had just begun.
        lived: Seconds from its beginning to its end.

    Returns:
        That number with this worker in it, and the seconds until the next one begins: ``None``
        when it is not worth a try.
    """
    if lived >= YOUNG:
        return 0, 0.0
    quick += 1
    return quick, None if quick >= MOST_QUICK else _PAUSE * 2 ** (quick - 1)


@dataclass
class _Place:
    """One of the workers that there have to be.

    Attributes:
        pid: The process; 0 while there is none.
        changed: When it began; without a process, when the next one may begin.
        quick: See :func:`next_try`.
    """

    pid: int = 0
    changed: float = 0.0
    quick: int = 0


class Lifeline:
    """What a worker has of its parent.

    Args:
        sock: The worker's end of the socket pair.
    """

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._watcher: Any = None
        #: Whether the parent, and with it every worker, stops or is gone.
        self.is_cut = False

    def watch(self, stop: Callable[[], None]) -> None:
        """Call ``stop()`` in the hub when the parent stops, or is gone."""

        def cut() -> None:
            self._watcher.stop()
            self.is_cut = True
            stop()

        self._watcher = get_hub().loop.io(self._socket.fileno(), 1, ref=False)
        self._watcher.start(cut)


class Fleet:
    """A parent and its workers.

    Args:
        count: How many workers there are.
        listener: The listening socket.
        patience: Seconds that workers have to end before they are killed.

    Raises:
        RuntimeError: This is not the main thread.
    """

    def __init__(self, count: int, listener: Any, patience: float = PATIENCE) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("run(workers=…) has to be called in the main thread: it forks")
        self._listener = listener
        self._patience = patience
        self._places = [_Place() for _ in range(count)]
        self._ours, self._theirs = _pair()
        self._ours.settimeout(_TICK)
        self._theirs.setblocking(False)
        # Whether the workers are to leave their clients no time, and have not been told yet.
        self._is_hurried = False

    def stop(self) -> None:
        """End :meth:`run` and with it all workers; from any of them, and from any thread."""
        try:
            self._theirs.send(b"s")
        except OSError:
            logger.debug("it is stopping already")

    def run(self, work: Callable[[Lifeline], None]) -> None:
        """Keep the workers at work until SIGTERM, SIGINT or :meth:`stop`.

        Args:
            work: What a worker does; it ends by returning.

        Raises:
            SystemExit: In each worker, at its end. In the parent when workers end as soon as
                they begin.
        """
        signals = StopSignals(self.stop, self._hurry, self._kill)
        signals.install()
        failed = None
        while failed is None:
            if self._start_missing():
                # A worker, which has the handlers from before.
                self._ours.close()
                work(Lifeline(self._theirs))
                raise SystemExit(0)
            if self._is_asked():
                break
            failed = self._look()
        self._end()
        signals.restore()
        if signals.raised is not None:
            raise signals.raised
        if failed is not None:
            raise SystemExit(f"Workers end as soon as they begin, the last by {failed}: giving up")

    def _is_asked(self) -> bool:
        """Wait for a moment; returns whether the end was asked for."""
        try:
            return bool(self._ours.recv(1))
        except TimeoutError:
            return False

    # Their lives

    def _start_missing(self) -> bool:
        """Fork the workers that are missing; returns ``True`` in each of these."""
        for place in self._places:
            if place.pid or place.changed > monotonic():
                continue
            try:
                pid = fork_gevent()
            except OSError as error:
                logger.error("! a worker cannot be forked: %s", error)
                place.changed = monotonic() + _FORK_PAUSE
                continue
            if pid == 0:
                return True
            place.pid, place.changed = pid, monotonic()
            logger.info("+ worker %d started", pid)
        return False

    def _look(self) -> str | None:
        """Take note of workers that have ended; returns how, when another try is useless."""
        for place in self._places:
            how = _end_of(place.pid) if place.pid else None
            if how is None:
                continue
            now = monotonic()
            place.quick, pause = next_try(place.quick, now - place.changed)
            logger.warning("! worker %d ended by %s", place.pid, shown(how))
            place.pid = 0
            if pause is None:
                return how
            place.changed = now + pause
        return None

    # The end of all

    def _end(self) -> None:
        """Let the workers end, and wait for them; kill those that are not in time."""
        logger.info("= the workers stop")
        # Clients meet the workers, as long as there is one, and not a queue without end.
        self._listener.close()
        self._ours.close()
        for place in self._places:
            _signal(place.pid, signal.SIGTERM)
        told = monotonic()
        deadline = told + self._patience
        while any(place.pid for place in self._places):
            if monotonic() > deadline:
                logger.warning("! workers did not end in time and are killed")
                self._kill()
                deadline += self._patience
            if self._is_hurried and monotonic() > told + ONE_SIGNAL:
                # Their second one: see `StopSignals`.
                self._is_hurried = False
                for place in self._places:
                    _signal(place.pid, signal.SIGTERM)
            _sleep(_TICK / 4)
            for place in self._places:
                if place.pid and _end_of(place.pid) is not None:
                    place.pid = 0
        self._theirs.close()

    def _hurry(self) -> None:
        self._is_hurried = True

    def _kill(self) -> None:
        for place in self._places:
            _signal(place.pid, signal.SIGKILL)


def _pair() -> tuple[Any, Any]:
    ours, theirs = socket.socketpair()
    return _Socket(fileno=ours.detach()), _Socket(fileno=theirs.detach())


def _signal(pid: int, number: signal.Signals) -> None:
    if pid:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            logger.debug("worker %d has ended", pid)


def _end_of(pid: int) -> str | None:
    """Return how a worker has ended; ``None`` while it runs."""
    try:
        found, status = _waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # The application waits for children of its own, or ignores SIGCHLD.
        return "a status that another part of the program took"
    if not found:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit status {code}"
