"""SIGTERM and SIGINT while the embedded server runs: they end ``run()``.

The application's own handlers are called as well and are back when ``run()`` returns. All of it
is the business of one process: a forked child has the handlers that were there before, so that
it can be terminated.

SIGTERM may leave the clients some time (``drain_seconds``); SIGINT, or another SIGTERM, does not.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from gevent import get_hub

from ..loop.children import in_children

__all__ = ["StopSignals"]

#: Seconds within which several SIGTERM are one: process managers send it to a group and to each
#: member.
ONE_SIGNAL = 1.0


class StopSignals:
    """Turns SIGTERM and SIGINT into a call.

    Args:
        stop: Called at each of them, from the handler of the signal.
        hurry: Called there as well when there is no time: for SIGINT, and for a later SIGTERM.
        at_once: Called at another SIGINT, right before that ends the process.

    Attributes:
        raised: What a handler of the application has raised, ``SystemExit`` for instance.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        hurry: Callable[[], None] | None = None,
        at_once: Callable[[], object] | None = None,
    ) -> None:
        self._stop = stop
        self._hurry = hurry or _nothing
        self._at_once = at_once
        self._first: float | None = None  # the time of the first signal
        self._pid = os.getpid()
        self._before: dict[signal.Signals, Any] = {}
        self._stop_waking: Callable[[], None] = _nothing
        self.raised: BaseException | None = None

    def install(self) -> None:
        """Handle the signals from now on; nothing is done outside the main thread."""
        # Only the main thread may have handlers; another one is stopped by `io.stop()`.
        if threading.current_thread() is not threading.main_thread():
            return
        self._stop_waking = _wake_on_signals()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.getsignal(number)
            signal.signal(number, self._on_signal)
        in_children(self.restore)

    def restore(self) -> None:
        """Put the handlers back that were there before; harmless when called again."""
        stop_waking, self._stop_waking = self._stop_waking, _nothing
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        stop_waking()

    def _on_signal(self, number: int, frame: Any) -> None:
        before = self._before.get(signal.Signals(number))
        if os.getpid() != self._pid:
            # A fork that Python was not told of.
            self.restore()
            os.kill(os.getpid(), number)
            return
        # The next SIGINT ends the process at once, also while a handler blocks the hub.
        signal.signal(signal.SIGINT, signal.SIG_DFL if self._at_once is None else self._on_second)
        now = monotonic()
        self._first = now if self._first is None else self._first
        if number == signal.SIGINT or now - self._first > ONE_SIGNAL:
            self._hurry()
        self._stop()
        if callable(before) and before is not signal.default_int_handler:
            try:
                before(number, frame)
            except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001
                # It would be raised in the greenlet that runs at the moment, any one.
                self.raised = error

    def _on_second(self, number: int, frame: Any) -> None:
        if self._at_once is not None:
            self._at_once()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _nothing() -> None:
    """Do nothing: there is nothing to undo."""


def _wake_on_signals() -> Callable[[], None]:
    """Let signals wake the hub; return what ends that.

    A signal that comes after the hub has looked for signals and before it waits for events
    would lie there until the next event: an idle server may have none for a long time.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = get_hub().loop.io(ours.fileno(), 1, ref=False)
    watcher.start(ours.recv, 4096)

    def stop() -> None:
        signal.set_wakeup_fd(before)
        watcher.stop()
        watcher.close()
        ours.close()
        theirs.close()

    return stop
