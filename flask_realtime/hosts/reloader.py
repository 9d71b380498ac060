"""The reloader: this process holds the port and watches files; a child serves, and is replaced.

Werkzeug's reloader has a public name only together with Werkzeug's own server, and runs the
server in a thread of the child. Beside gevent that thread is a greenlet, whose hub stands still
while files are looked at; or it has a hub of its own, and greenlets that the program has spawned
before ``run()`` never run. Here the child is the program as it is without a reloader. For
applications it looks like Werkzeug's: ``werkzeug.serving.is_running_from_reloader()`` is true
in the child.

The parent listens and waits with functions that gevent has not patched. With the others, the
greenlets that the program has spawned before ``run()`` would run in both processes.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import NoReturn

import click
import gevent
import gevent.socket
from gevent.monkey import get_original

from .watched_files import WatchedFiles

__all__ = ["inherited_listener", "is_parent", "listen", "serve_in_children"]

logger = logging.getLogger(__name__)

#: Seconds that a child has to end before it is killed.
END_TIMEOUT = 3.0

_STEP = 0.05
#: Where Werkzeug looks for what `is_running_from_reloader()` returns.
_IS_CHILD = "WERKZEUG_RUN_MAIN"
#: The descriptor of the listener and the id of the parent.
_LISTENER = "FLASK_REALTIME_LISTENER"
#: Seconds between two looks at the parent.
_PARENT_INTERVAL = 1.0

_socket: type[socket.socket] = get_original("socket", "socket")
_waitpid: Callable[[int, int], tuple[int, int]] = get_original("os", "waitpid")
_sleep: Callable[[float], None] = get_original("time", "sleep")


def is_parent() -> bool:
    """Return whether this process is to watch files while a child serves."""
    if not hasattr(os, "posix_spawn"):
        logger.warning("! there is no reloader on this system: restart the program by hand")
        return False
    return os.environ.get(_IS_CHILD) != "true"


def listen(address: tuple[str, int], backlog: int) -> socket.socket:
    """Return a socket that listens, for children to accept connections from.

    Args:
        address: Host and port.
        backlog: Connections that wait to be accepted.

    Raises:
        OSError: The address cannot be used.
    """
    listener = _socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        if os.name == "posix":
            # Windows lets several programs listen on one port with it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def inherited_listener(port: int, stop: Callable[[], None]) -> gevent.socket.socket | None:
    """Return the listener of the parent, in a child of the reloader; once.

    Processes that the program starts do not inherit it.

    Args:
        port: What the program asks for now; another one than before takes a new start.
        stop: Called when the parent is gone without having ended this child.
    """
    given = os.environ.pop(_LISTENER, None)
    if given is None:
        return None
    descriptor, _, parent = given.partition(" ")
    listener = gevent.socket.socket(fileno=int(descriptor))
    listener.set_inheritable(False)
    present = listener.getsockname()[1]
    if port not in (0, present):
        logger.warning("! port %d goes on: start the program again for port %d", present, port)
    gevent.spawn(_follow, int(parent), stop)
    return listener


def _follow(parent: int, stop: Callable[[], None]) -> None:
    # An editor may kill it, and the port would stay in use.
    while os.getppid() == parent:
        gevent.sleep(_PARENT_INTERVAL)
    stop()


def serve_in_children(
    listener: socket.socket, files: WatchedFiles, interval: float, banner: str
) -> NoReturn:
    """Run this program in a child that serves, and again whenever a file has changed.

    A child that has failed, or ended before it served, is replaced after the next change.

    Args:
        listener: From :func:`listen`. It stays open, so that clients that come back between two
            children wait instead of being refused.
        files: What is watched.
        interval: Seconds between two looks at them.
        banner: Written once signals are handled.

    Raises:
        SystemExit: A child has ended by itself, or this process has been told to end by SIGINT
            or SIGTERM, and the child has ended.
        RuntimeError: This is not the main thread, which signals need.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("the reloader needs the main thread: use_reloader=False does without")
    listener.set_inheritable(True)
    environ = {**os.environ, _IS_CHILD: "true", _LISTENER: f"{listener.fileno()} {os.getpid()}"}
    try:
        with _signals_raise():
            click.echo(banner, err=True)
            while True:
                # First, so that no change is missed between the import of a module and this.
                files.changed()
                _serve_until_change(listener, environ, files, interval)
    except KeyboardInterrupt:
        raise SystemExit(0) from None
    finally:
        listener.close()


class _Child:
    """This program once more, in a process of its own.

    Attributes:
        status: As ``os.waitstatus_to_exitcode`` has it; ``None`` while it runs.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        command = [sys.executable, *sys.orig_argv[1:]]
        self._pid = os.posix_spawn(command[0], command, environ)
        self.status: int | None = None

    def has_ended(self) -> bool:
        if self.status is None:
            try:
                pid, status = _waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:
                # The application lets the kernel reap its children.
                self.status = 0
            else:
                self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def end(self) -> None:
        """Let it close its sessions, so that their clients come back at once; or kill it."""
        try:
            self._signal(signal.SIGTERM)
            deadline = monotonic() + END_TIMEOUT
            while not self.has_ended() and monotonic() < deadline:
                _sleep(_STEP)
        finally:
            # A handler that blocks the hub; or a second SIGINT was raised above.
            self._signal(signal.SIGKILL)
            while not self.has_ended():
                _sleep(_STEP)

    def _signal(self, number: signal.Signals) -> None:
        if not self.has_ended():
            os.kill(self._pid, number)


def _serve_until_change(
    listener: socket.socket, environ: Mapping[str, str], files: WatchedFiles, interval: float
) -> None:
    click.echo(" * Restarting with stat", err=True)
    # The processes share this mode: gevent changes it in a child that serves.
    listener.setblocking(True)
    child = _Child(environ)
    try:
        path = _wait(files, interval, child.has_ended)
        if path is None:
            status = child.status or 0
            has_served = not os.get_blocking(listener.fileno())
            # A program that is read while its editor is writing it may end at once.
            if status == 0 and has_served:
                raise SystemExit(0)
            how = f"status {status}" if status >= 0 else f"signal {-status}"
            click.echo(f" * Ended with {how}: starts again when a file changes", err=True)
            path = _wait(files, interval, lambda: False)
        click.echo(f" * Detected change in {path!r}, reloading", err=True)
    finally:
        child.end()


def _wait(files: WatchedFiles, interval: float, is_over: Callable[[], bool]) -> str | None:
    """Block until a file has changed, which is returned, or it is over."""
    next_look = monotonic() + interval
    while not is_over():
        _sleep(min(_STEP, interval))
        if monotonic() >= next_look:
            path = files.changed()
            if path is not None:
                return path
            next_look = monotonic() + interval
    return None


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise ``KeyboardInterrupt``; the program's own are for the child."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
