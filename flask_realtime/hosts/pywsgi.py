"""gevent's ``pywsgi``: the handler of a request has its socket.

The handler is behind ``start_response``, also where a middleware has wrapped that. The embedded
server's is found so where a middleware has made an environ of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import Input, WSGIHandler

from ..engine.requests.host import HostSocket, StartResponse
from ..errors import WriteKept
from .handler import RealtimeHandler
from .handler_socket import HandlerSocket
from .owners import owner_of
from .response import Response

__all__ = ["WOULD_BLOCK", "PywsgiSocket", "handler_of", "pywsgi_socket"]

#: What a read raises when nothing has arrived.
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError)


def _is_handler(owner: Any) -> bool:
    return isinstance(owner, (WSGIHandler, Response))


class PywsgiSocket:
    """The socket of a handler; see :class:`~flask_realtime.engine.requests.host.HostSocket`.

    Args:
        handler: The handler of the request.
        start_response: The function that came with the request; ``None`` when the 101 has been
            sent already.
    """

    __slots__ = ("_handler", "_start_response", "is_upgraded", "socket")

    def __init__(self, handler: Any, start_response: StartResponse | None) -> None:
        self.socket: Any = handler.socket
        self.is_upgraded: bool = start_response is None
        self._handler = handler
        self._start_response = start_response

    @property
    def can_peek(self) -> bool:
        """Whether what has arrived can be looked at without reading it."""
        return not hasattr(self.socket, "pending")

    def writer_of(self, write: Any) -> Any:
        """Return the handler when ``write`` is its own or calls it."""
        return owner_of(write, "write", lambda owner: owner is self._handler)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101 and take the socket over."""
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
        except (*WOULD_BLOCK, OSError, ValueError):
            leftover = b""
        # Its buffer of 8 kB is of no more use, and the host reads no second request.
        stream.close()
        return leftover

    def detach(self, lost: Callable[[str], None]) -> None:
        """Return nothing: the request lasts as long as the WebSocket."""

    def give_back(self) -> None:
        """Let the handler end the connection."""
        self._handler.close_connection = True
        body = self._handler.wsgi_input
        if isinstance(body, Input):
            # The stock handler reads the rest of a body before it closes, for any time.
            body.chunked_input = False
            body.content_length = 0


def handler_of(start_response: StartResponse) -> Any:
    """Return the handler behind ``start_response``; ``None`` without one."""
    owner = getattr(start_response, "__self__", None)
    if not _is_handler(owner):
        owner = owner_of(start_response, "start_response", _is_handler)
    return owner.connection if isinstance(owner, Response) else owner


def pywsgi_socket(start_response: StartResponse) -> HostSocket | None:
    """Return the socket of the handler behind ``start_response``; ``None`` without one."""
    handler = handler_of(start_response)
    if isinstance(handler, RealtimeHandler):
        return HandlerSocket(handler, start_response)
    return None if handler is None else PywsgiSocket(handler, start_response)
