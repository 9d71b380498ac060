"""Where each WSGI server keeps the socket of a request, and how it is taken over.

- gevent's ``pywsgi`` with any handler, ours or the stock one: the handler is behind
  ``start_response``, unless a middleware has wrapped that; ours is in the environ as well;
- gunicorn's gevent worker: ``gunicorn.socket`` in the environ;
- gevent-websocket, its handler and its gunicorn worker: the 101 has been sent before the
  application is called, and its WebSocket object knows the handler.

Only public names of the hosts are used.
"""

from __future__ import annotations

import logging
import os
import socket as socket_module
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from gevent.monkey import get_original
from gevent.pywsgi import WSGIHandler

from ..engine.requests.host import StartResponse

__all__ = ["HANDLER_KEY", "MOVED_KEY", "SocketFinder", "read_no_more", "set_nodelay"]

logger = logging.getLogger(__name__)

#: Where the embedded server's handler puts itself.
HANDLER_KEY = "flask_realtime.handler"
#: Where the socket is of a request that another worker has handed over without its host.
MOVED_KEY = "flask_realtime.socket"

_Socket = get_original("socket", "socket")
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError)


class SocketFinder:
    """Finds the socket of a request under the servers above."""

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> Any:
        """Return the socket below a request; ``None`` when the host does not give it."""
        websocket = environ.get("wsgi.websocket")
        if websocket is not None:
            return _PywsgiSocket(websocket.handler, None)
        moved = environ.get(MOVED_KEY)
        if moved is not None:
            return moved
        handler = environ.get(HANDLER_KEY) or getattr(start_response, "__self__", None)
        if isinstance(handler, WSGIHandler):
            return _PywsgiSocket(handler, start_response)
        sock = environ.get("gunicorn.socket")
        # HTTP/2 has no socket of its own for a request.
        if sock is not None and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
            return _GunicornSocket(sock, environ["wsgi.input"], start_response)
        return None


class _PywsgiSocket:
    def __init__(self, handler: Any, start_response: StartResponse | None) -> None:
        self.socket = handler.socket
        self.is_upgraded = start_response is None
        self._handler = handler
        self._start_response = start_response
        if not getattr(handler, "sets_nodelay", False):
            set_nodelay(self.socket)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        if self._start_response is not None:
            self._start_response("101 Switching Protocols", list(headers))(first)
        elif first:
            self.socket.sendall(first)
        self.socket.settimeout(0)
        stream = self._handler.rfile
        try:
            leftover: bytes = stream.peek()
        except (*_WOULD_BLOCK, OSError, ValueError):
            leftover = b""
        # Its buffer of 8 kB is of no more use, and the host reads no second request.
        stream.close()
        if hasattr(self._handler, "forget_head"):
            self._handler.forget_head()
        return leftover

    def give_back(self) -> None:
        self._handler.close_connection = True


class _GunicornSocket:
    is_upgraded = False

    def __init__(self, sock: Any, body: Any, start_response: StartResponse) -> None:
        self.socket = sock
        self._body = body
        self._start_response = start_response
        set_nodelay(sock)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        # gunicorn sends no body after a 101: the frames take the socket itself.
        self._start_response("101 Switching Protocols", list(headers))(b"")
        if first:
            self.socket.sendall(first)
        self.socket.settimeout(0)
        unreader = getattr(getattr(self._body, "reader", None), "unreader", None)
        if unreader is None:
            return b""
        try:
            leftover: bytes = unreader.read()
        except (*_WOULD_BLOCK, OSError):
            return b""
        return leftover

    def give_back(self) -> None:
        # What is left on the stream are frames: the worker must not read them as a request.
        response: Any = getattr(self._start_response, "__self__", None)
        if response is not None and hasattr(response, "force_close"):
            response.force_close()


def read_no_more(sock: Any) -> None:
    """Let a connection end: what has arrived is read, then its reader sees the end.

    An answer under way is not disturbed.
    """
    try:
        # On a duplicate: gevent's own `shutdown` would raise an error in the reader.
        with _Socket(fileno=os.dup(sock.fileno())) as duplicate:
            duplicate.shutdown(socket_module.SHUT_RD)
    except OSError:
        logger.debug("the connection was closed already")


def set_nodelay(sock: Any) -> None:
    """Send each segment at once."""
    try:
        # pywsgi writes head and body separately; Nagle's algorithm and delayed
        # acknowledgements would cost each poll 40 ms.
        sock.setsockopt(socket_module.IPPROTO_TCP, socket_module.TCP_NODELAY, 1)
    except OSError:
        logger.debug("not a TCP socket, or gone already")
