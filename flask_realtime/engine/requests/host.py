"""What the engine needs of the WSGI server that hosts it; the shells provide it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

__all__ = ["Environ", "Host", "HostSocket", "NoHost", "StartResponse"]

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], Any]]


class HostSocket(Protocol):
    """The socket below one request."""

    @property
    def socket(self) -> Any:
        """The gevent socket, plain or TLS."""

    @property
    def is_upgraded(self) -> bool:
        """Whether the host has sent the 101 before the application was called."""

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101, unless the host did, send the frames ``first``, take the socket over.

        Returns what the host had read beyond the request.
        """

    def give_back(self) -> None:
        """The WebSocket is over: leave the host in a state in which it can clean up."""


class Host(Protocol):
    """Finds the socket of a request."""

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> HostSocket | None:
        """Return the socket below a request; ``None`` when the host does not give it."""


class NoHost:
    """No WSGI server gives its sockets: polling only."""

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> None:
        """Return nothing."""
