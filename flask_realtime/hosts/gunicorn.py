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
import math
import os
import signal
import sys
from time import monotonic
from typing import Any

import gevent
from gevent import get_hub
from gevent.event import Event

from ..adapters.memory import MemoryAdapter
from ..engine.requests.request import Request
from ..engine.shutdown import GRACE, MOMENT
from ..loop.children import in_children
from ..quoting import shown
from ..server.server import BaseServer
from .connections import Connections
from .embedded import EmbeddedServer

__all__ = ["WorkerWatch", "find_worker", "time_to_spread"]

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether the worker stops without a signal.
_INTERVAL = 0.5
#: Seconds in which a worker that stops has closed its listeners: it looks once a second.
_ACCEPTING = 1.5


def _signals(*names: str) -> tuple[signal.Signals, ...]:
    # Windows lacks most of them, and gunicorn as well; this module is imported all the same.
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


_QUICK = _signals("SIGQUIT", "SIGINT")
_ENDS = (signal.SIGTERM, *_QUICK)
#: Seconds of the graceful timeout that are not spent on closing clients one by one: listeners
#: close, and the last client and its handlers get their time.
_RESERVE = _ACCEPTING + GRACE + MOMENT
#: Signals for which a worker has handlers; an application may have replaced some of them.
_OF_WORKERS = (*_ENDS, *_signals("SIGABRT", "SIGUSR1", "SIGWINCH"))


def find_worker() -> Any | None:
    """Return the gunicorn worker of this process; ``None`` when it is not a gevent worker."""
    module = sys.modules.get("gunicorn.workers.ggevent")
    if module is None:
        return None
    for number in _OF_WORKERS:
        owner = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(owner, module.GeventWorker):
            return owner
    return None


def time_to_spread(wanted: float, graceful_timeout: float) -> float:
    """Return over how many seconds a worker closes its clients.

    Args:
        wanted: The option ``drain_seconds``.
        graceful_timeout: Seconds after which gunicorn kills the worker.
    """
    return min(wanted, max(graceful_timeout - _RESERVE, 0.0))


class WorkerWatch:
    """Closes a server when the worker around it is asked to stop.

    Args:
        worker: A gunicorn worker.
        server: The server.
        joined: Whether the workers of this host are one server.
    """

    def __init__(self, worker: Any, server: BaseServer, joined: bool = False) -> None:
        self._joined = joined
        self._worker = worker
        self._server = server
        self._connections = Connections()
        # The servers of a worker that brings ours: they know their connections by themselves.
        self._servers: list[EmbeddedServer] | None = getattr(worker, "realtime_servers", None)
        self._asked = Event()
        self._hurry = Event()
        self._is_spread = Event()
        self._pid = os.getpid()
        self._deadline = 0.0
        wanted = server.options.drain_seconds
        self._spread_over = time_to_spread(wanted, float(worker.cfg.graceful_timeout))

    def start(self) -> None:
        """Begin to watch; in a greenlet of the worker's main thread."""
        self._warn()
        try:
            for number in _ENDS:
                self._chain(number)
        except ValueError:
            logger.debug("not the main thread: the worker is looked at from time to time")
        in_children(self._forget_connections)
        in_children(self._server.engine.forget_clients)
        # The worker waits for its requests, but not for clients between two polls, nor for the
        # handlers of polling sessions. It is registered after the siblings' end and so comes
        # before it: they reach the sessions of this worker until those are closed.
        atexit.register(self._end)
        gevent.spawn(self._run)

    @property
    def wants_requests(self) -> bool:
        """Whether it has to be told of each request: :meth:`enter` and :meth:`leave`."""
        return self._servers is None

    def enter(self, request: Request) -> Any:
        """Note that a request has arrived.

        Returns:
            Its connection, for :meth:`leave`.
        """
        host_socket = request.host_socket
        if host_socket is None:
            return None  # of HTTP/2, whose connections serve many requests at a time
        self._connections.enter(host_socket.socket)
        return host_socket.socket

    def leave(self, connection: Any, request: Request) -> None:
        """Note that the application has answered."""
        host_socket = request.host_socket
        if connection is not None and host_socket is not None:
            self._connections.leave(connection, host_socket.socket)

    def _warn(self) -> None:
        workers = self._worker.cfg.workers
        alone = isinstance(self._server.sockets.adapter, MemoryAdapter)
        polling = "polling" in self._server.options.transports
        if workers > 1 and not self._joined and (alone or polling):
            # Each worker logs it once, with its first request: they are not joined.
            logger.warning("%s", shown(_of_several(workers, alone, polling), 1_000))
        wanted = self._server.options.drain_seconds
        if self._spread_over < wanted:
            logger.warning(
                "! drain_seconds = %g does not fit into gunicorn's graceful_timeout: clients are "
                "closed over %g s; start gunicorn with --graceful-timeout %d",
                wanted,
                self._spread_over,
                math.ceil(wanted + _RESERVE),
            )
        limit = self._worker.cfg.max_requests
        # The workers that bring a server of their own do not count its requests, but for ours.
        counts = self._worker.server_class is None or self._servers is not None
        if limit > 0 and counts:
            logger.warning(
                "gunicorn restarts this worker after max_requests = %d, and every long-polling "
                "request counts: its clients, those on WebSocket as well, are then disconnected "
                "with %r and have to reconnect; set max_requests = 0, or a number that "
                "clients on long-polling do not reach within hours",
                limit,
                "server shutting down",
            )

    def _forget_connections(self) -> None:
        self._connections.forget()
        for server in self._servers or ():
            server.forget()

    def _chain(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        if not callable(before):
            return  # to be ignored, or the end of the process
        loop = get_hub().loop

        def on_signal(number: int, frame: Any) -> None:
            # A process that the application has forked inherits handlers, but not the clients.
            if os.getpid() == self._pid:
                self._server.refuse()
                if number in _QUICK:
                    self._deadline = monotonic() + MOMENT
                    loop.run_callback_threadsafe(self._hurry.set)
                # Another SIGTERM says nothing: the master repeats it to workers it replaces.
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
        self._server.refuse()
        self._wait_for_listeners()
        self._server.spread(self._spread_over, self._hurry)
        if not self._deadline:
            self._deadline = monotonic() + grace
        self._is_spread.set()
        self._server.drain(grace)
        self._connections.close_idle()
        for server in self._servers or ():
            server.end_connections()

    def _wait_for_listeners(self) -> None:
        # Clients come back as soon as they are told: to a worker that accepts connections.
        end = monotonic() + _ACCEPTING
        while not self._deadline and monotonic() < end:
            if all(listener.fileno() < 0 for listener in self._worker.sockets):
                return
            gevent.sleep(0.05)

    def _end(self) -> None:
        if os.getpid() != self._pid:
            return
        # A worker that has no requests may be here before its end has been noticed.
        self._asked.set()
        self._is_spread.wait(_ACCEPTING + self._spread_over)
        self._server.end(self._deadline - monotonic())


def _of_several(workers: int, alone: bool, polling: bool) -> str:
    """Return the warning for several workers that cannot work together.

    Args:
        workers: How many there are.
        alone: Whether no cluster adapter joins them.
        polling: Whether clients on long-polling, whose requests reach any of them, are served.
    """
    text = f"gunicorn runs {workers} workers, and each has clients of its own"
    if alone:
        text += (
            "; what is emitted reaches those of one worker: set adapter='redis://...' to join them"
        )
    if polling:
        text += (
            "; a client on long-polling reaches another worker with each request, where it is "
            'unknown: set transports=["websocket"] here and in the client, or run one worker for '
            "each port behind a load balancer with sticky sessions"
        )
    return text + "; or run one worker: gunicorn -w 1"
