"""The embedded server: gevent's own, with deadlines for clients that are slow or silent."""

from __future__ import annotations

import logging
import socket
from time import monotonic
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from . import handler as handlers
from . import request_body
from .connection_greenlets import ConnectionGreenlets
from .connections import read_no_more
from .forked import silence
from .handler import QuietHandler, RealtimeHandler
from .open_websocket import OpenWebSocket

__all__ = ["EmbeddedServer", "QuietHandler", "RealtimeHandler"]

logger = logging.getLogger(__name__)

#: Seconds that a client has for its TLS handshake.
HANDSHAKE_TIMEOUT = 10.0
#: Seconds that a server which ends leaves to a connection for its first request: it may be on its
#: way when the connection has been accepted already.
FIRST_REQUEST = 0.5


class EmbeddedServer(WSGIServer):
    """gevent's server, with deadlines for clients that are slow or silent.

    One greenlet looks after all connections: a timer for each read would cost more than the
    rest of reading a request head.
    """

    #: Connections that wait to be accepted: gevent's 128 are too few for all clients of a
    #: server that come back at once.
    backlog = 2048

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # With a pool, `stop` waits for the connections.
        kwargs.setdefault("spawn", Pool())
        super().__init__(*args, **kwargs)
        #: The handlers of the open connections.
        self.connections: set[RealtimeHandler] = set()
        #: Whether each connection ends with its present request; read only.
        self.is_ending: bool = False
        #: The WebSockets whose requests have returned.
        self.websockets: set[OpenWebSocket] = set()
        self._sweeper: gevent.Greenlet[..., None] | None = None
        self._silence: Any = None
        self._greenlets: ConnectionGreenlets | None = None
        if isinstance(self.pool, Pool) and not self.ssl_enabled:
            self._greenlets = ConnectionGreenlets(self.pool, self._serve)

    def do_handle(self, *connection: Any) -> None:
        """Have a connection served that has been accepted."""
        if self._greenlets is None:
            super().do_handle(*connection)
        else:
            self._greenlets.start(connection)

    def _serve(self, sock: Any, address: Any) -> None:
        try:
            self.handle(sock, address)
        finally:
            self.do_close(sock, address)

    def handle(self, sock: Any, address: Any) -> None:
        """Serve a connection, to its end."""
        if self._sweeper is None:
            self._sweeper = gevent.spawn(self._sweep)
        self.handler_class(sock, address, self).handle()

    def stop(self, timeout: float | None = None) -> None:
        """Stop, and wait for the connections at most ``timeout`` seconds.

        See :meth:`end_connections`.
        """
        self.end_connections()
        if self._sweeper is not None:
            self._sweeper.kill(block=False)
            self._sweeper = None
        if self._greenlets is not None:
            self._greenlets.close()
        super().stop(timeout)
        self.is_ending = False  # it may be started again

    def end_connections(self) -> None:
        """Let the connections end that only wait for a next request, and the others after theirs.

        Those that are accepted from now on serve one request.
        """
        self.is_ending = True
        fresh = []
        for handler in self.connections:
            handler.close_connection = True
            if handler.is_fresh:
                fresh.append(handler)
            elif handler.waits_until is not None:
                read_no_more(handler.socket)
        if fresh:
            gevent.spawn_later(FIRST_REQUEST, self._end_fresh, fresh)

    def _end_fresh(self, fresh: list[RealtimeHandler]) -> None:
        for handler in self.connections.intersection(fresh):
            if handler.is_fresh:
                read_no_more(handler.socket)

    def forget(self) -> None:
        """Neither listen nor read in this process: in a forked child, which has copies."""
        sockets = [handler.socket for handler in self.connections]
        self._silence = silence([*sockets, *(item.socket for item in self.websockets)])
        if self.started:
            self.close()

    @property
    def shortest_timeout(self) -> float:
        """The shortest of the deadlines of connections, in seconds."""
        return min(handlers.IDLE_TIMEOUT, request_body.BODY_TIMEOUT)

    def _sweep(self) -> None:
        while True:
            gevent.sleep(self.shortest_timeout / 10)
            now = monotonic()
            for handler in list(self.connections):
                until, body = handler.waits_until, handler.body
                if until is not None and until < now:
                    handler.waits_until = None
                    _shut_down(handler.socket)
                elif body.waits_too_long(now):
                    # The application gets an error, and may still answer.
                    read_no_more(handler.socket)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        """Serve one TLS connection."""
        server: Any = self
        try:
            with gevent.Timeout(HANDSHAKE_TIMEOUT):
                tls_socket = server.wrap_socket(client_socket, **server.ssl_args)
        except (OSError, gevent.Timeout) as error:
            logger.debug("! TLS handshake with %s failed: %s", address, error)
            return None
        try:
            return self.handle(tls_socket, address)
        finally:
            tls_socket.close()


def _shut_down(sock: Any) -> None:
    try:
        # A greenlet that reads or writes gets an error, and closes.
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("the peer was gone before its time was over")
