"""gunicorn's gevent worker: ``gunicorn.socket`` in the environ is the socket of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..engine.requests.host import StartResponse
from ..errors import WriteKept
from .owners import attribute_of, owner_of
from .pywsgi import WOULD_BLOCK

__all__ = ["GunicornSocket"]


class GunicornSocket:
    """The socket of a request; see :class:`~flask_realtime.engine.requests.host.HostSocket`.

    Args:
        sock: ``gunicorn.socket`` of the environ.
        body: ``wsgi.input`` of the environ.
        start_response: The function that came with the request.
    """

    __slots__ = ("_body", "_response", "_start_response", "socket")

    #: gunicorn leaves the 101 to the application.
    is_upgraded = False

    def __init__(self, sock: Any, body: Any, start_response: StartResponse) -> None:
        self.socket: Any = sock
        self._body = body
        self._start_response = start_response
        self._response: Any = None

    @property
    def can_peek(self) -> bool:
        """Whether what has arrived can be looked at without reading it."""
        return not hasattr(self.socket, "pending")

    def writer_of(self, write: Any) -> Any:
        """Return gunicorn's response when ``write`` is its own or calls it."""
        return owner_of(write, "write", lambda owner: attribute_of(owner, "sock") is self.socket)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101 and take the socket over."""
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
        except (*WOULD_BLOCK, OSError):
            return b""
        return leftover

    def detach(self, lost: Callable[[str], None]) -> None:
        """Return nothing: the request lasts as long as the WebSocket."""

    def give_back(self) -> None:
        """Let gunicorn end the connection."""
        # What is left on the stream is not a request, and the worker must not read it as one.
        if hasattr(self._response, "force_close"):
            self._response.force_close()
