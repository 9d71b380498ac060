"""The WSGI environs of the requests of one connection.

Clients repeat their heads, and polling makes that a hot path. What was made of the fields of a
request is kept for the next with the same method: where they are the same, only the request line
is read, and the environ is a copy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

from .request_body import NO_BODY
from .request_head import Fields, parse_fields, parse_request_line, parse_target

__all__ = ["Environs", "slim"]

#: Methods for which a head is kept, and bytes of one: a connection that waits costs little.
MAX_KNOWN = 2
MAX_KNOWN_BYTES = 4_096
#: What thousands of clients send in the same words, beside the fields that `request_head.py` has.
_SHARED = ("QUERY_STRING", "PATH_INFO")

Environ = dict[str, Any]


class _Known(NamedTuple):
    """The fields of a request, as they came, and what was made of them."""

    block: bytes
    version: str
    fields: Fields
    environ: Environ


class Environs:
    """Makes the environs of one connection.

    Args:
        begin: Returns a new environ with fields and what else does not depend on the request.
    """

    __slots__ = ("_begin", "_known")

    def __init__(self, begin: Callable[[dict[str, str]], Environ]) -> None:
        self._begin = begin
        self._known: dict[str, _Known] = {}

    def make(self, line: bytes, block: bytes) -> tuple[Fields, Environ]:
        """Return the fields and the environ of a request.

        Args:
            line: The request line with its CRLF.
            block: The lines behind it, each with its CRLF; not the empty line.

        Raises:
            BadHead: It is refused.
        """
        method, target, version = parse_request_line(line.decode("latin-1"))
        known = self._known.get(method)
        if known is None or known.block != block or known.version != version:
            known = self._learn(method, version, block)
        environ = known.environ.copy()
        if target[0] != "/":
            target, authority = parse_target(method, target)
            if authority is not None:
                # RFC 9112 §3.2.2: it replaces Host.
                environ["HTTP_HOST"] = authority
        path, _, query = target.partition("?")
        environ["PATH_INFO"] = unquote(path, "latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        return known.fields, environ

    def _learn(self, method: str, version: str, block: bytes) -> _Known:
        fields = parse_fields(block, version)
        environ = self._begin(fields.environ)
        environ["REQUEST_METHOD"] = method
        environ["SERVER_PROTOCOL"] = version
        made = _Known(block, version, fields, environ)
        may_stay = len(self._known) < MAX_KNOWN or method in self._known
        if may_stay and len(block) <= MAX_KNOWN_BYTES:
            self._known[method] = made
        return made

    def forget(self) -> None:
        """Let go of all heads."""
        self._known.clear()


def slim(environ: Environ, sock: Any) -> None:
    """Let an environ hold little: its WebSocket keeps it, perhaps for days.

    Args:
        environ: Of a request that has returned.
        sock: The connection of the WebSocket.
    """
    environ["wsgi.input"] = NO_BODY
    if "gunicorn.socket" in environ:
        environ["gunicorn.socket"] = sock
    for key in _SHARED:
        value = environ.get(key)
        if value.__class__ is str:
            environ[key] = sys.intern(value)
