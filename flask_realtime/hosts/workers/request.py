"""A request in the hands of gunicorn's workers: what has been read of it, and how to let go.

A worker that lets go writes no byte: a dead socket takes the place of the connection's
descriptor, at which the host reads the end and writes into nothing. Only public names of
gunicorn and of gevent's ``pywsgi`` are used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from gevent import get_hub
from gevent.monkey import get_original

from ...engine.requests.host import HANDLER_KEY
from ..handler import RealtimeHandler
from ..pywsgi import WOULD_BLOCK, handler_of
from .head import proxy_head, request_head

__all__ = ["Grip", "Handled", "Release", "grip"]

logger = logging.getLogger(__name__)

_Socket = get_original("socket", "socket")


class Handled:
    """A response without bytes, which gunicorn takes for one that was sent already.

    That survives middlewares which wrap the response.
    """

    def __init__(self, mark: object) -> None:
        self._mark = mark

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __eq__(self, other: object) -> bool:
        return other is self._mark or other is self

    __hash__ = object.__hash__


class Release:
    """Takes descriptors away from sockets of this process."""

    def __init__(self) -> None:
        one, other = socket.socketpair()
        other.close()
        self._dead = _Socket(fileno=one.detach())
        self._dead.setblocking(False)
        self._epoll: Any = None
        loop: Any = get_hub().loop
        if getattr(loop, "backend", "") == "epoll" and hasattr(select, "epoll"):
            # The hub's own set: a descriptor that stays in it wakes this worker for the traffic
            # of another one, and libev would build the set anew.
            self._epoll = select.epoll.fromfd(os.dup(loop.fileno()))

    def __call__(self, sock: Any) -> None:
        """Let the socket be a dead one; its descriptor was copied before."""
        number = sock.fileno()
        if self._epoll is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(number)
        os.dup2(self._dead.fileno(), number, inheritable=False)

    def close(self) -> None:
        """Give the descriptors back."""
        self._dead.close()
        if self._epoll is not None:
            self._epoll.close()


class Grip:
    """A request whose application has been called, and its connection.

    Attributes:
        socket: The connection, plain or TLS.
    """

    socket: Any

    @property
    def is_tls(self) -> bool:
        """Whether the connection's state lives in this process."""
        # Not of the object, which would ask the socket inside it.
        return hasattr(type(self.socket), "pending")

    def head(self) -> bytes:
        """Return the head of the request, as it may be read once more."""
        raise NotImplementedError

    def take_rest(self) -> bytes:
        """Return what has been read beyond the head; the host does not have it any more."""
        raise NotImplementedError

    def put_back(self, rest: bytes) -> None:
        """The request stays: the host has what was read again."""
        raise NotImplementedError

    def let_go(self) -> Iterable[bytes]:
        """Return the response of a request whose connection is gone."""
        raise NotImplementedError


class _GunicornGrip(Grip):
    def __init__(self, environ: dict[str, Any], start_response: Any, request: Any) -> None:
        self.socket = environ["gunicorn.socket"]
        self._environ = environ
        self._start_response = start_response
        self._response: Any = getattr(start_response, "__self__", None)
        self._request = request
        self._unreader = request.unreader

    def head(self) -> bytes:
        request = getattr(self._response, "req", None)
        if request is None:
            # A middleware is in between: the environ has the same in other words.
            return _from_environ(self._environ)
        version = "HTTP/" + ".".join(map(str, request.version))
        # 100 was sent before the application was called.
        fields = [field for field in request.headers if field[0].upper() != "EXPECT"]
        info = getattr(request, "proxy_protocol_info", None)
        begin = proxy_head(info, getattr(request.cfg, "proxy_protocol", None) == "v2")
        return begin + request_head(request.method, request.uri, version, fields)

    def take_rest(self) -> bytes:
        take = getattr(self._unreader, "take_buffered", None)
        if take is not None:
            rest: bytes = take()
            return rest
        rest = self._unreader.buf.getvalue()
        self._unreader.buf.seek(0)
        self._unreader.buf.truncate()
        return rest

    def put_back(self, rest: bytes) -> None:
        if rest:
            self._unreader.unread(rest)

    def let_go(self) -> Iterable[bytes]:
        from gunicorn.workers.base_async import ALREADY_HANDLED

        self._start_response("204 No Content", [])
        # The request as well: gunicorn would look for the rest of its body, and for another one.
        for part in (self._response, self._request):
            if hasattr(part, "force_close"):
                part.force_close()
        return Handled(ALREADY_HANDLED)


class _PywsgiGrip(Grip):
    """A request of gevent's server; without its handler when a middleware hides it."""

    def __init__(
        self, environ: dict[str, Any], start_response: Any, sock: Any, handler: Any
    ) -> None:
        self.socket = sock
        self._environ = environ
        self._handler = handler
        self._start_response = start_response

    def head(self) -> bytes:
        handler = self._handler
        if handler is None:
            return _from_environ(self._environ)
        fields = list(handler.headers.items())
        return request_head(handler.command, handler.path, handler.request_version, fields)

    def take_rest(self) -> bytes:
        holder: Any = self._handler or self._environ["wsgi.input"]
        # Of an upgrade the body is the stream itself.
        stream = getattr(holder, "rfile", holder)
        timeout = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            rest: bytes = stream.peek()
        except (*WOULD_BLOCK, OSError, ValueError):
            rest = b""
        finally:
            self.socket.settimeout(timeout)
        return rest

    def put_back(self, rest: bytes) -> None:
        """It was only looked at."""

    def let_go(self) -> Iterable[bytes]:
        self._start_response("204 No Content", [])
        handler = self._handler
        body: Any = self._environ.get("wsgi.input")
        if hasattr(body, "chunked_input"):
            # As of a client that waits for 100: the rest of the body is not read.
            body.socket = self.socket
        if handler is not None:
            # Nothing of the response is written. Otherwise its head goes into nothing, and the
            # handler takes the client for one that has gone away.
            handler.headers_sent = True
            handler.close_connection = True
        return ()


class _HandlerGrip(Grip):
    """A request of the embedded server's handler."""

    def __init__(self, handler: RealtimeHandler) -> None:
        self.socket = handler.socket
        self._handler = handler

    def head(self) -> bytes:
        return self._handler.head()

    def take_rest(self) -> bytes:
        return self._handler.rest()

    def put_back(self, rest: bytes) -> None:
        """It was only looked at."""

    def let_go(self) -> Iterable[bytes]:
        self._handler.let_go()
        return ()


def _from_environ(environ: dict[str, Any]) -> bytes:
    fields = [
        (key[5:].replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_") and key != "HTTP_EXPECT"
    ]
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            fields.append((key.replace("_", "-"), environ[key]))
    target = environ.get("RAW_URI") or environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]
    begin = b""
    if "PROXY_PROTOCOL" in environ:
        names = ("PROXY_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT", "PROXY_ADDR", "PROXY_PORT")
        keys = ("proxy_protocol", "client_addr", "client_port", "proxy_addr", "proxy_port")
        begin = proxy_head({key: environ[name] for key, name in zip(keys, names, strict=True)})
    head = request_head(environ["REQUEST_METHOD"], target, environ["SERVER_PROTOCOL"], fields)
    return begin + head


def grip(environ: dict[str, Any], start_response: Any) -> Grip | None:
    """Return the request with its connection; ``None`` when the host does not give it.

    Args:
        environ: The request.
        start_response: The host's, or a middleware's.
    """
    # First, as it costs little: the others are looked for in what middlewares are made of.
    request = _gunicorn_request(environ, start_response)
    if request is not None:
        return _GunicornGrip(environ, start_response, request)
    websocket = environ.get("wsgi.websocket")
    handler: Any = getattr(websocket, "handler", None)
    if handler is None:
        handler = environ.get(HANDLER_KEY) or handler_of(start_response)
    if isinstance(handler, RealtimeHandler):
        return _HandlerGrip(handler)
    if hasattr(handler, "rfile") and hasattr(handler, "close_connection"):
        return _PywsgiGrip(environ, start_response, handler.socket, handler)
    if "gunicorn.sock" in environ:
        return _PywsgiGrip(environ, start_response, environ["gunicorn.sock"], None)
    return None


def _gunicorn_request(environ: dict[str, Any], start_response: Any) -> Any:
    if environ.get("gunicorn.socket") is None:
        return None
    if not environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1"):
        return None
    request = getattr(getattr(start_response, "__self__", None), "req", None)
    if request is None:
        # A middleware is in between. The reader of a body may know as much as is needed.
        reader = getattr(environ.get("wsgi.input"), "reader", None)
        request = getattr(reader, "req", reader)
    return request if hasattr(request, "unreader") else None
