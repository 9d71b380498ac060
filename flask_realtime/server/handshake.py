"""What a client sent when it connected: ``socket.handshake``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import format_datetime
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import EnvironHeaders

if TYPE_CHECKING:
    from ..engine.session import Session

__all__ = ["Handshake"]


class Handshake:
    """The details of the first request and of the CONNECT packet.

    Everything but ``auth`` and ``issued`` is read from the WSGI environ when it is asked for
    (Socket.IO documentation, "Server API", ``socket.handshake``). When the session has
    released its first request, there are no headers and ``xdomain`` is false; the rest stays.

    Args:
        session: Has the WSGI environ of the first request.
        auth: The payload of the CONNECT packet.
    """

    __slots__ = ("_session", "auth", "issued")

    def __init__(self, session: Session, auth: Mapping[str, Any] | None) -> None:
        self._session = session
        #: What the client sent as ``auth``; a dictionary, empty when it sent nothing.
        self.auth: dict[str, Any] = dict(auth) if auth else {}
        #: Milliseconds since the epoch, when the client joined the namespace.
        self.issued: int = int(time() * 1000)

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name in lower case."""
        return {name.lower(): value for name, value in EnvironHeaders(dict(self._session.environ))}

    @property
    def time(self) -> str:
        """The date of the handshake as text (RFC 5322)."""
        return format_datetime(datetime.fromtimestamp(self.issued / 1000, timezone.utc))

    @property
    def address(self) -> str:
        """The address of the TCP peer; behind a proxy, the proxy's."""
        return str(self._session.environ.get("REMOTE_ADDR", ""))

    @property
    def xdomain(self) -> bool:
        """Whether the request had an Origin header."""
        return "HTTP_ORIGIN" in self._session.environ

    @property
    def secure(self) -> bool:
        """Whether the request came over TLS, as far as the server knows."""
        return self._session.environ.get("wsgi.url_scheme") == "https"

    @property
    def url(self) -> str:
        """The path and query of the request."""
        environ = self._session.environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING")
        return f"{path}?{query}" if query else path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query string; the last of two with one name counts."""
        return dict(
            parse_qsl(self._session.environ.get("QUERY_STRING", ""), keep_blank_values=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes as values that JSON can carry."""
        names = ("headers", "time", "address", "xdomain", "secure", "issued", "url", "query")
        return {**{name: getattr(self, name) for name in names}, "auth": self.auth}
