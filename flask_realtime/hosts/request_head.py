"""Request heads of the embedded server: the request line and the header fields.

What RFC 9112 §2 to §6 leaves in doubt is refused: requests are smuggled where a server and a
proxy read one request differently. Pure but for the stream, and quick: each polling request
passes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["FIELD_LINE", "BadHead", "RequestHead", "parse_request_line", "parse_target"]

#: What a request head may have: lines, and bytes in one of them and in all.
MAX_HEADERS = 200
MAX_LINE = 65_536
MAX_HEAD = 262_144
#: Digits of a Content-Length: all bodies that a machine could hold.
MAX_DIGITS = 18

_TOKEN_CHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
#: Everything but controls and the space; bytes above ASCII pass, as clients send them in paths.
_request_line = re.compile(rf"({_TOKEN_CHARS}) ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])\r\n")
_AUTHORITY = r"(?:\[[0-9A-Za-z:._~%\-]+\]|[0-9A-Za-z\-._~%!$&'()*+,;=]+)(?::[0-9]*)?"
_authority = re.compile(_AUTHORITY)
_absolute = re.compile(rf"https?://({_AUTHORITY})((?:/[^?]*)?)((?:\?.*)?)", re.IGNORECASE)
#: A header field as a line, in bytes: for trailers.
FIELD_LINE = re.compile(rf"{_TOKEN_CHARS}:[^\x00-\x08\x0a-\x1f\x7f]*\r\n".encode())

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_CONTROLS = frozenset(map(chr, [*range(9), *range(10, 32), 127]))
_DIGITS = frozenset("0123456789")
_SINGLE = frozenset({"content-length", "transfer-encoding", "host"})

#: Names as clients write them, with the name in lower case and the key in the environ. What
#: clients make up has a bound: in number and in length.
_KNOWN: dict[str, tuple[str, str]] = {}
_MAX_KNOWN = 200
_MAX_KNOWN_LENGTH = 40


class BadHead(ValueError):
    """A request head that is refused.

    Attributes:
        status: The status code of the answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Return method, target and version of a request line (RFC 9112 §3).

    A later minor version is read as 1.1 (RFC 9110 §2.5).

    Args:
        line: The line with its CRLF.

    Raises:
        BadHead: It is malformed, the version is not 1.x, or the method is CONNECT.
    """
    match = _request_line.fullmatch(line)
    if match is None:
        raise BadHead("the request line is malformed")
    method, target, major, minor = match.groups()
    if major != "1":
        raise BadHead(f"HTTP/{major}.{minor} is not served", 505)
    if method == "CONNECT":
        raise BadHead("this server is not a proxy", 501)
    return method, target, "HTTP/1.0" if minor == "0" else "HTTP/1.1"


def parse_target(method: str, target: str) -> tuple[str, str | None]:
    """Return a target in origin-form or ``*``, and the authority of one in absolute-form.

    Raises:
        BadHead: The target has none of the forms of RFC 9112 §3.2, or names a user.
    """
    if target[0] == "/" or (target == "*" and method == "OPTIONS"):
        return target, None
    match = _absolute.fullmatch(target)
    if match is None:
        raise BadHead("the request target is malformed")
    authority, path, query = match.groups()
    return (path or "/") + query, authority


def _learn(name: str) -> tuple[str, str] | None:
    """Return the two forms of a new name; ``None`` when it is malformed.

    White space before the colon, and lines that go on, are how requests are smuggled.
    """
    lower = name.lower()
    if not lower or not _TOKEN.issuperset(lower):
        return None
    if lower in ("content-type", "content-length"):
        key = lower.upper().replace("-", "_")
    elif "_" in lower:
        # It would pass for the same name with a hyphen: gevent leaves it out as well.
        key = ""
    else:
        key = "HTTP_" + lower.upper().replace("-", "_")
    if len(_KNOWN) < _MAX_KNOWN and len(name) <= _MAX_KNOWN_LENGTH:
        _KNOWN[name] = (lower, key)
    return lower, key


class RequestHead:
    """The header fields of a request.

    Args:
        stream: Where the fields are read from, up to and with the empty line.
        version: ``HTTP/1.0`` or ``HTTP/1.1``.

    Raises:
        BadHead: A line is not a header field (RFC 9112 §5), the length of the body is not
            certain (§6), the host is missing or malformed (§3.2), a limit is passed, or the
            client is gone or too slow.
    """

    __slots__ = ("_count", "_fields", "_version", "content_length", "environ")

    def __init__(self, stream: Any, version: str) -> None:
        #: The fields under the names of the WSGI environ.
        self.environ: dict[str, str] = {}
        #: The stated length of the body; ``None`` without one.
        self.content_length: int | None = None
        self._fields: dict[str, str] = {}
        self._version = version
        self._count = 0
        room = MAX_HEAD
        while True:
            try:
                line: bytes = stream.readline(MAX_LINE)
            except OSError as error:
                raise BadHead("the request head did not arrive") from error
            if line == b"\r\n":
                break
            room -= len(line)
            self._count += 1
            if room < 0 or self._count > MAX_HEADERS or len(line) == MAX_LINE:
                raise BadHead("the request head is too large", 431)
            if not line.endswith(b"\r\n"):
                raise BadHead("a line of the request head does not end in CRLF")
            self._add(line[:-2].decode("latin-1"))
        self._check_framing()
        self._check_host()

    def _add(self, line: str) -> None:
        name, colon, value = line.partition(":")
        known = _KNOWN.get(name) or _learn(name)
        if not colon or known is None:
            raise BadHead("a line of the request head is not a header field")
        name, key = known
        value = value.strip(" \t")
        if not _CONTROLS.isdisjoint(value):
            raise BadHead("a header field has a control character")
        if name not in self._fields:
            self._fields[name] = value
            self.environ[key] = value
        elif name in _SINGLE:
            raise BadHead(f"{name} is given twice")
        elif key:
            self.environ[key] += ("; " if name == "cookie" else ",") + value

    def _check_framing(self) -> None:
        length = self._fields.get("content-length")
        if length is not None:
            if not (0 < len(length) <= MAX_DIGITS and _DIGITS.issuperset(length)):
                raise BadHead("Content-Length is not a number")
            self.content_length = int(length)
        encoding = self._fields.get("transfer-encoding")
        if encoding is None:
            return
        if length is not None or encoding.lower() != "chunked":
            raise BadHead("the length of the body is not certain")
        if self._version == "HTTP/1.0":
            # RFC 9112 §6.1: a proxy of that version has passed it on without reading it.
            raise BadHead("HTTP/1.0 has no Transfer-Encoding")

    def _check_host(self) -> None:
        host = self._fields.get("host")
        if host is None:
            if self._version == "HTTP/1.1":
                raise BadHead("Host is missing")
        elif host and _authority.fullmatch(host) is None:
            raise BadHead("Host is malformed")

    def items(self) -> Iterator[tuple[str, str]]:
        """Return names and values, as a request with the same fields may have them."""
        for key, value in self.environ.items():
            if key:
                yield key.removeprefix("HTTP_").replace("_", "-"), value

    def get(self, name: str, default: Any = None) -> Any:
        """Return the first field of that name."""
        return self._fields.get(name.lower(), default)

    def keeps_alive(self) -> bool:
        """Whether the client wants to use the connection again (RFC 9112 §9.3)."""
        connection = self.environ.get("HTTP_CONNECTION")
        if connection is None:
            return self._version == "HTTP/1.1"
        connection = connection.lower()
        if connection == "keep-alive":
            return True
        options = {option.strip(" \t") for option in connection.split(",")}
        if "close" in options:
            return False
        return self._version == "HTTP/1.1" or "keep-alive" in options
