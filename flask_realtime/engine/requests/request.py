"""One HTTP request to the engine, as one value: made once, passed whole.

A shell that has to know a request before the engine does (which session it belongs to, whether
it becomes a WebSocket, which socket is below it) makes the value and leaves it in the environ
under :data:`REQUEST_KEY`; the engine takes it from there.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from ...codec.websocket_handshake import is_upgrade
from ...errors import BadRequest
from .host import Environ, Host, HostSocket, StartResponse

__all__ = ["MAX_PARAMETERS", "REQUEST_KEY", "TOO_MANY", "Request", "parse_query"]

#: More parameters of a query than any client sends.
MAX_PARAMETERS: Final = 64
TOO_MANY: Final = f"More than {MAX_PARAMETERS} query parameters"
#: Where a shell leaves a request that it has made already.
REQUEST_KEY: Final = "flask_realtime.request"
#: The query of a session's requests as clients write it: what is needed of it is found in half
#: the time that all parameters take, and each poll comes this way.
_usual_query = re.compile(r"EIO=4&transport=([^&%+]*)&sid=([^&%+]*)(?:&t=[^&%+]*)?")


class Request:
    """What the engine reads of a WSGI call; never changed once it is made.

    Args:
        environ: The WSGI environ.
        start_response: The host's, or that of a middleware around the application.
        host: Finds the socket below the request.

    Attributes:
        environ: As given; listeners and functions of the application get this.
        start_response: As given.
        method: The HTTP method.
        problem: Why the query is not read; it is empty then.
        sid: The id of the session that the request names; ``None`` opens one.
        transport: The transport that the request names, not checked yet.
        is_upgrade: Whether it asks for the WebSocket protocol.
        origin: The ``Origin`` header.
    """

    __slots__ = (
        "_host",
        "_host_socket",
        "_query",
        "_text",
        "environ",
        "is_upgrade",
        "method",
        "origin",
        "problem",
        "sid",
        "start_response",
        "transport",
    )

    def __init__(self, environ: Environ, start_response: StartResponse, host: Host) -> None:
        self.environ: Environ = environ
        self.start_response: StartResponse = start_response
        # Until the socket has been asked for.
        self._host: Host | None = host
        self._host_socket: HostSocket | None = None
        self.problem: BadRequest | None = None
        # Until one of its other parameters is asked for.
        self._query: dict[str, str] | None = None
        self.sid: str | None
        self.transport: str | None
        self._text: str = environ.get("QUERY_STRING", "")
        usual = _usual_query.fullmatch(self._text)
        if usual is not None:
            self.transport, self.sid = usual.groups()
        else:
            self.sid, self.transport = self.query.get("sid"), self.query.get("transport")
        self.method: str | None = environ.get("REQUEST_METHOD")
        self.is_upgrade: bool = "HTTP_UPGRADE" in environ and is_upgrade(environ)
        self.origin: str | None = environ.get("HTTP_ORIGIN")

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; the last of two with one name counts."""
        if self._query is None:
            try:
                self._query = parse_query(self._text)
            except BadRequest as error:
                self._query, self.problem = {}, error
        return self._query

    def is_of(self, environ: Environ, start_response: StartResponse) -> bool:
        """Return whether this is the value of a WSGI call: not when a wrapper has changed it."""
        return self.environ is environ and self.start_response is start_response

    @property
    def host_socket(self) -> HostSocket | None:
        """The socket below the request, found once; ``None`` when the host does not give it."""
        if self._host is not None:
            self.find_socket()
        return self._host_socket

    def find_socket(self) -> None:
        """Find the socket below the request; that is the host's occasion to set TCP_NODELAY."""
        host, self._host = self._host, None
        if host is not None:
            self._host_socket = host.find(self.environ, self.start_response)


def parse_query(text: str) -> dict[str, str]:
    """Return the parameters of a query string; the last of two with one name counts.

    Raises:
        BadRequest: There are more than 64.
    """
    if text.count("&") >= MAX_PARAMETERS:
        raise BadRequest({"name": "TOO_MANY_PARAMETERS", "limit": MAX_PARAMETERS}, TOO_MANY)
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    # What clients send needs no unquoting: this is on the way of every poll (1 µs against 16).
    query = {}
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            query[name] = value
    return query
