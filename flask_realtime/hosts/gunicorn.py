"""The end of a gunicorn worker: its clients are told, and it need not wait for them.

gunicorn asks a gevent worker to stop by a signal, or the worker stops by itself after
``max_requests``. It would leave WebSockets open until ``graceful_timeout`` and then cut them.
The middleware starts a watch with the first request of a process, so that it does not matter
whether the application was loaded before the fork.

Only public attributes of the worker that gunicorn gives to its hooks are used. It is found as
the owner of the signal handlers that it has set.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any
from weakref import WeakSet

import gevent
from gevent import get_hub
from gevent.event import Event

from ..engine.shutdown import GRACE, MOMENT
from ..server.server import BaseServer
from .finder import read_no_more

__all__ = ["Connections", "WorkerWatch", "find_worker"]

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether the worker stops without a signal.
_INTERVAL = 0.5
#: Seconds in which a worker that stops has closed its listeners: it looks once a second.
_ACCEPTING = 1.5
_QUICK = (signal.SIGQUIT, signal.SIGINT)
_ENDS = (signal.SIGTERM, *_QUICK)
#: Signals for which a worker has handlers; an application may have replaced some of them.
_OF_WORKERS = (*_ENDS, signal.SIGABRT, signal.SIGUSR1, signal.SIGWINCH)


def find_worker() -> Any | None:
    """Return the gunicorn worker of this process; ``None`` when it is no gevent worker."""
    module = sys.modules.get("gunicorn.workers.ggevent")
    if module is None:
        return None
    for number in _OF_WORKERS:
        owner = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(owner, module.GeventWorker):
            return owner
    return None


class Connections:
    """The HTTP connections of a worker, and which of them serve a request.

    A connection that waits for a next request would keep the worker until its time is over.
    """

    def __init__(self) -> None:
        self._open: WeakSet[Any] = WeakSet()
        self._busy: set[Any] = set()
        self._closing = False

    def enter(self, sock: Any) -> None:
        """A request has arrived."""
        self._open.add(sock)
        self._busy.add(sock)

    def leave(self, sock: Any) -> None:
        """The application has answered."""
        self._busy.discard(sock)
        if self._closing:
            read_no_more(sock)

    def close_idle(self) -> None:
        """Let every connection end, those that serve a request after that."""
        self._closing = True
        for sock in list(self._open):
            if sock not in self._busy:
                read_no_more(sock)


class WorkerWatch:
    """Closes a server when the worker around it is asked to stop.

    Args:
        worker: A gunicorn worker.
        server: The server.
    """

    def __init__(self, worker: Any, server: BaseServer) -> None:
        self._worker = worker
        self._server = server
        self._connections = Connections()
        self._asked = Event()
        self._pid = os.getpid()
        self._deadline = 0.0

    def start(self) -> None:
        """Begin to watch; in a greenlet of the worker's main thread."""
        self._warn()
        try:
            for number in _ENDS:
                self._chain(number)
        except ValueError:
            logger.debug("not the main thread: the worker is looked at from time to time")
        gevent.spawn(self._run)

    def call(
        self, application: Callable[..., Any], environ: dict[str, Any], start_response: Any
    ) -> Any:
        """Call a WSGI application, and know the connection busy meanwhile."""
        sock = _socket_of(environ, start_response)
        if sock is None:
            return application(environ, start_response)
        self._connections.enter(sock)
        try:
            return application(environ, start_response)
        finally:
            self._connections.leave(sock)

    def _warn(self) -> None:
        limit = self._worker.cfg.max_requests
        # The workers that bring a server of their own do not count its requests.
        if limit > 0 and self._worker.server_class is None:
            logger.warning(
                "gunicorn restarts this worker after max_requests = %d, and every long-polling "
                "request counts: its clients, those on WebSocket as well, are then disconnected "
                "with %r and have to reconnect; set max_requests = 0, or a number that "
                "clients on long-polling do not reach within hours",
                limit,
                "server shutting down",
            )

    def _chain(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        if not callable(before):
            return  # to be ignored, or the end of the process
        loop = get_hub().loop

        def on_signal(number: int, frame: Any) -> None:
            # A process that the application has forked inherits handlers, but not the clients.
            if os.getpid() == self._pid:
                self._server.engine.is_refusing = True
                if number in _QUICK:
                    self._deadline = monotonic() + MOMENT
                loop.run_callback_threadsafe(self._asked.set)
            before(number, frame)

        signal.signal(number, on_signal)
        if number == signal.SIGTERM:
            # As gunicorn has it: requests under way are not interrupted.
            signal.siginterrupt(number, False)

    def _run(self) -> None:
        while self._worker.alive and not self._asked.wait(_INTERVAL):
            pass
        logger.info("= the worker stops")
        grace = min(GRACE, float(self._worker.cfg.graceful_timeout))
        self._server.engine.is_refusing = True
        self._wait_for_listeners()
        if not self._deadline:
            self._deadline = monotonic() + grace
        # The worker waits for its requests, but not for the handlers of polling sessions.
        atexit.register(self._end)
        self._server.close()
        self._server.engine.see_off(grace)
        self._connections.close_idle()

    def _wait_for_listeners(self) -> None:
        # Clients come back as soon as they are told: not to this worker, please.
        end = monotonic() + _ACCEPTING
        while not self._deadline and monotonic() < end:
            if all(listener.fileno() < 0 for listener in self._worker.sockets):
                return
            gevent.sleep(0.05)

    def _end(self) -> None:
        self._server.engine.wait_for_handlers(self._deadline - monotonic())
        self._server.close_adapters()


def _socket_of(environ: dict[str, Any], start_response: Any) -> Any:
    if not environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1"):
        return None  # a connection of HTTP/2 serves many requests at a time
    sock = environ.get("gunicorn.socket")
    if sock is None:
        sock = getattr(getattr(start_response, "__self__", None), "socket", None)
    return sock
