"""Where each WSGI server keeps the socket of a request, and how it is taken over.

- gevent's ``pywsgi`` with any handler, ours or the stock one: the handler is behind
  ``start_response``, also where a middleware has wrapped that; ours is in the environ as well;
- gunicorn's gevent worker: ``gunicorn.socket`` in the environ;
- gevent-websocket, its handler and its gunicorn worker: the 101 has been sent before the
  application is called, and its WebSocket object knows the handler;
- a caller that knows this package, such as its test client, gives ``fn(start_response)`` in
  the environ, which returns a ``HostSocket``.

A WebSocket begins with a ``write`` of the host (PEP 3333). A middleware that wraps
``start_response`` hands it on, or wraps it, or keeps what is written in a list until the
response is complete: then frames would leave before the 101, so there is no WebSocket.

Only public names of the hosts are used.
"""

from __future__ import annotations

import logging
import os
import socket as socket_module
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from gevent.monkey import get_original
from gevent.pywsgi import Input, WSGIHandler

from ..engine.requests.host import StartResponse
from ..errors import WriteKept

__all__ = ["HANDLER_KEY", "HOST_SOCKET_KEY", "SocketFinder", "read_no_more", "set_nodelay"]

logger = logging.getLogger(__name__)

#: Where the embedded server's handler puts itself.
HANDLER_KEY = "flask_realtime.handler"
#: Where a caller puts ``fn(start_response)``, which returns its socket.
HOST_SOCKET_KEY = "flask_realtime.host_socket"

_Socket = get_original("socket", "socket")
#: How many things around a function are looked into for the host's.
_MOST = 50
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError)


class SocketFinder:
    """Finds the socket of a request under the servers above."""

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> Any:
        """Return the socket below a request; ``None`` when the host does not give it."""
        websocket = environ.get("wsgi.websocket")
        if websocket is not None:
            return _PywsgiSocket(websocket.handler, None)
        given = environ.get(HOST_SOCKET_KEY)
        if given is not None:
            return given(start_response)
        handler = environ.get(HANDLER_KEY) or getattr(start_response, "__self__", None)
        if isinstance(handler, WSGIHandler):
            return _PywsgiSocket(handler, start_response)
        sock = environ.get("gunicorn.socket")
        # HTTP/2 has no socket of its own for a request.
        if sock is not None and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
            return _GunicornSocket(sock, environ["wsgi.input"], start_response)
        # Of a stock handler nothing is in the environ.
        handler = _owner(start_response, "start_response", _is_handler)
        return None if handler is None else _PywsgiSocket(handler, start_response)


class _PywsgiSocket:
    def __init__(self, handler: Any, start_response: StartResponse | None) -> None:
        self.socket = handler.socket
        self.is_upgraded = start_response is None
        self._handler = handler
        self._start_response = start_response
        if not getattr(handler, "sets_nodelay", False):
            set_nodelay(self.socket)

    def writer_of(self, write: Any) -> Any:
        return _owner(write, "write", lambda owner: owner is self._handler)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        if self._start_response is not None:
            write = self._start_response("101 Switching Protocols", list(headers))
            if self.writer_of(write) is None:
                raise WriteKept
            write(first)
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
        body = self._handler.wsgi_input
        if isinstance(body, Input):
            # The stock handler reads the rest of a body before it closes, for any time.
            body.chunked_input = False
            body.content_length = 0


class _GunicornSocket:
    is_upgraded = False

    def __init__(self, sock: Any, body: Any, start_response: StartResponse) -> None:
        self.socket = sock
        self._body = body
        self._start_response = start_response
        self._response: Any = None
        set_nodelay(sock)

    def writer_of(self, write: Any) -> Any:
        return _owner(write, "write", lambda owner: _attribute(owner, "sock") is self.socket)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        write = self._start_response("101 Switching Protocols", list(headers))
        self._response = self.writer_of(write)
        if self._response is None:
            raise WriteKept
        # gunicorn sends no body after a 101: the frames take the socket itself.
        write(b"")
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
        # What is left on the stream is not a request, and the worker must not read it as one.
        if hasattr(self._response, "force_close"):
            self._response.force_close()


def _is_handler(owner: Any) -> bool:
    return isinstance(owner, WSGIHandler)


def _owner(function: Any, name: str, is_host: Callable[[Any], bool]) -> Any:
    """Return the host's object whose method this is, or calls, as far as one can see.

    Args:
        function: A function of the host, or of a middleware around it.
        name: The name of the method.
        is_host: Says whether an object is the one that is looked for.
    """
    found = [function]
    for function in found:
        owner = _attribute(function, "__self__")
        if owner is not None and _attribute(function, "__name__") == name and is_host(owner):
            return owner
        for part in _parts(function, owner):
            if len(found) < _MOST and callable(part) and not any(part is one for one in found):
                found.append(part)
    return None


def _parts(function: Any, owner: Any) -> Iterator[Any]:
    # What it may call: a partial, a wrapper, a closure, the attributes of an object.
    yield _attribute(function, "func")
    yield _attribute(function, "__wrapped__")
    for cell in _attribute(function, "__closure__") or ():
        with suppress(ValueError):  # it is empty as yet
            yield cell.cell_contents
    for thing in (function, owner):
        if not isinstance(thing, (ModuleType, type)):
            yield from list((_attribute(thing, "__dict__") or {}).values())


def _attribute(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - what proxies such as flask.request raise
        return None


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
