"""The embedded server: the socket of a request is its handler's, which is in the environ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

from ..engine.requests.host import StartResponse
from ..errors import WriteKept
from .owners import owner_of
from .response import Response

__all__ = ["HandlerSocket"]

_write = Response.write


class HandlerSocket:
    """The socket of a request; see :class:`~flask_realtime.engine.requests.host.HostSocket`.

    Args:
        handler: The handler of the request.
        start_response: The function that came with it.
    """

    __slots__ = ("_handler", "_start_response")

    #: The application answers with 101.
    is_upgraded = False

    def __init__(self, handler: Any, start_response: StartResponse) -> None:
        self._handler = handler
        self._start_response = start_response

    @property
    def socket(self) -> Any:
        """The connection; another object once it is a WebSocket's."""
        return self._handler.socket

    @property
    def can_peek(self) -> bool:
        """Whether what has arrived can be looked at without reading it."""
        can_peek: bool = self._handler.rfile.can_peek
        return can_peek

    def writer_of(self, write: Any) -> Any:
        """Return the response of the handler when ``write`` is its own or calls it."""
        response = self._handler.response
        if write.__class__ is MethodType and write.__func__ is _write:
            return response if write.__self__ is response else None
        return owner_of(write, "write", lambda owner: owner is response)

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101 and take the socket over."""
        write = self._start_response("101 Switching Protocols", list(headers))
        if self.writer_of(write) is None:
            raise WriteKept
        write(first)
        self.socket.settimeout(0)
        leftover: bytes = self._handler.hand_over()
        return leftover

    def detach(self, lost: Callable[[str], None]) -> Callable[[], None] | None:
        """Let the request return, if the handler can do without it."""
        end: Callable[[], None] | None = self._handler.detach(lost)
        return end

    def give_back(self) -> None:
        """Let the handler end the connection."""
        self._handler.close_connection = True
