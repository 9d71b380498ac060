"""What the engine needs of the WSGI server that hosts it; ``hosts/`` provides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from .obstacles import Obstacle

__all__ = ["HANDLER_KEY", "Environ", "Host", "HostSocket", "NoHost", "StartResponse"]

#: Where the handler of the embedded server, which sends each segment at once, puts itself into
#: the environ.
HANDLER_KEY: Final = "flask_realtime.handler"

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], Any]]


class HostSocket(Protocol):
    """The socket below one request."""

    @property
    def socket(self) -> Any:
        """The gevent socket, plain or TLS."""

    @property
    def can_peek(self) -> bool:
        """Whether what has arrived can be looked at without reading it; TLS has no such call."""

    @property
    def is_upgraded(self) -> bool:
        """Whether the host has sent the 101 before the application was called."""

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101, unless the host did, send the frames ``first``, take the socket over.

        Args:
            headers: The headers of the answer.
            first: Frames that follow it.

        Returns:
            What the host had read beyond the request.

        Raises:
            WriteKept: A middleware would keep the answer; nothing has been sent then.
        """

    def writer_of(self, write: Any) -> Any:
        """Return what of the host a ``write`` belongs to, or calls in the end.

        Args:
            write: What ``start_response`` has returned.

        Returns:
            ``None`` when it is a middleware's, which keeps what is written.
        """

    def detach(self, lost: Callable[[str], None]) -> Callable[[], None] | None:
        """Let the request return while its WebSocket goes on, where the host can do that.

        Args:
            lost: Ends the session, ``fn(reason)``; for the end of the host.

        Returns:
            What ends the connection, once the session is over; it may block. ``None`` when the
            request has to last as long as the WebSocket.
        """

    def give_back(self) -> None:
        """Let the host clean up: the connection has no other request.

        A WebSocket is over, or a body is broken, whose rest the host must not read.
        """


class Host(Protocol):
    """Knows a WSGI server."""

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> HostSocket | None:
        """Return the socket below a request; ``None`` when the host does not give it.

        Args:
            environ: The WSGI environ of the request.
            start_response: The function that came with it.
        """

    def remedy(self, obstacle: Obstacle) -> str:
        """Return what removes an obstacle, for the log; empty when the host does not know."""


class NoHost:
    """No WSGI server gives its sockets: polling only."""

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> None:
        """Return nothing."""

    def remedy(self, obstacle: Obstacle) -> str:
        """Return nothing."""
        return ""
