"""The WSGI environs of the requests of one connection.

Clients repeat their heads, and polling makes that a hot path. What was made of the fields of a
request is kept for the next with the same method: where they are the same, only the request line
is read, and the environ is a copy. The length of the body may be another one.
"""

from __future__ import annotations

import re
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

#: The value of the only Content-Length of a head that was parsed.
_length = re.compile(rb"(?:\A|\n)content-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)

Environ = dict[str, Any]


class _Known(NamedTuple):
    """The fields of a request, as they came, and what was made of them."""

    block: bytes
    version: str
    fields: Fields
    environ: Environ
    #: Where the value of the Content-Length begins and ends; twice 0 without one.
    begin: int
    end: int

    def fields_of(self, block: bytes) -> Fields | None:
        """Return the fields of a request that differs in the length of its body alone.

        A number with more digits is none: limits of a line have not seen it.
        """
        begin, rest = self.begin, len(self.block) - self.end
        length = block[begin : max(begin, len(block) - rest)]
        if not length.isdigit() or not 0 < len(length) <= self.end - begin:
            return None
        if block[:begin] != self.block[:begin] or block[-rest:] != self.block[-rest:]:
            return None
        return self.fields.with_length(length.decode("latin-1"))


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
        fields: Fields | None = None
        if known is not None and known.version == version:
            fields = known.fields if known.block == block else known.fields_of(block)
        if known is None or fields is None:
            known = self._learn(method, version, block)
            fields = known.fields
        environ = known.environ.copy()
        if fields is not known.fields:
            environ["CONTENT_LENGTH"] = fields.environ["CONTENT_LENGTH"]
        if target[0] != "/":
            target, authority = parse_target(method, target)
            if authority is not None:
                # RFC 9112 §3.2.2: it replaces Host.
                environ["HTTP_HOST"] = authority
        path, _, query = target.partition("?")
        environ["PATH_INFO"] = unquote(path, "latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        return fields, environ

    def _learn(self, method: str, version: str, block: bytes) -> _Known:
        fields = parse_fields(block, version)
        environ = self._begin(fields.environ)
        environ["REQUEST_METHOD"] = method
        environ["SERVER_PROTOCOL"] = version
        # Each request has its own; here, so that no copy has to grow for them.
        environ["PATH_INFO"] = environ["QUERY_STRING"] = ""
        found = None if fields.content_length is None else _length.search(block)
        begin, end = found.span(1) if found is not None else (0, 0)
        made = _Known(block, version, fields, environ, begin, end)
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
