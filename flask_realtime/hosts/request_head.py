"""Request heads of the embedded server: the request line and the header fields.

What RFC 9112 §2 to §6 leaves in doubt is refused: requests are smuggled where a server and a
proxy read one request differently. Pure, and quick: each polling request passes here. String
operations of the whole head cost less than a parser in C that calls back for each field.
"""

from __future__ import annotations

import re

__all__ = [
    "FIELD_LINE",
    "BadHead",
    "Fields",
    "check_size",
    "parse_fields",
    "parse_request_line",
    "parse_target",
]

#: What the fields of a request may have: lines, and bytes in one of them and in all.
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

_USUAL = frozenset({"GET", "POST"})
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
#: No field has one of these. CR and LF are counted: each belongs to the end of a line.
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_DIGITS = frozenset("0123456789")
_SINGLE = frozenset({"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST"})

#: Names as clients write them, with the key in the environ. What clients make up has a bound: in
#: number and in length.
_KNOWN: dict[str, str] = {}
_MAX_KNOWN = 200
_MAX_KNOWN_LENGTH = 40
#: Lines that thousands of clients send in the same words, with their key and value, which the
#: environs of these clients share. When there are too many, the collection begins anew.
_LINES: dict[str, tuple[str, str]] = {}
_MAX_LINES = 500
_MAX_LINE_LENGTH = 256
_COMMON = frozenset(
    {
        "HTTP_ACCEPT",
        "HTTP_ACCEPT_ENCODING",
        "HTTP_ACCEPT_LANGUAGE",
        "HTTP_CACHE_CONTROL",
        "HTTP_CONNECTION",
        "HTTP_HOST",
        "HTTP_ORIGIN",
        "HTTP_PRAGMA",
        "HTTP_SEC_WEBSOCKET_EXTENSIONS",
        "HTTP_SEC_WEBSOCKET_VERSION",
        "HTTP_UPGRADE",
        "HTTP_USER_AGENT",
    }
)


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
    parts = line.split(" ")
    if len(parts) == 3 and parts[0] in _USUAL and parts[2] == "HTTP/1.1\r\n":
        # The expression takes three times as long, and each poll comes this way.
        target = parts[1]
        if target and target.isascii() and target.isprintable():
            return parts[0], target, "HTTP/1.1"
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


def _learn(name: str) -> str | None:
    """Return the key of a new name; ``None`` when it is malformed.

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
        _KNOWN[name] = key
    return key


def _read_line(line: str) -> tuple[str, str]:
    """Return the key and the value of a line.

    Raises:
        BadHead: It is not a header field.
    """
    name, colon, value = line.partition(":")
    key = _KNOWN.get(name)
    if key is None:
        key = _learn(name)
    if not colon or key is None:
        raise BadHead("a line of the request head is not a header field")
    read = key, value.strip(" \t")
    if key in _COMMON and len(line) <= _MAX_LINE_LENGTH:
        if len(_LINES) >= _MAX_LINES:
            _LINES.clear()
        _LINES[line] = read
    return read


class Fields:
    """The header fields of a request.

    Attributes:
        environ: The fields under the names of the WSGI environ.
        content_length: The stated length of the body; ``None`` without one.
        keeps_alive: Whether the client wants to use the connection again (RFC 9112 §9.3).
        is_chunked: Whether the body comes in chunks.
        expects: Whether the client waits for ``100 Continue``.
        is_upgrade: Whether it asks for the WebSocket protocol.
    """

    __slots__ = (
        "content_length",
        "environ",
        "expects",
        "is_chunked",
        "is_upgrade",
        "keeps_alive",
    )

    def __init__(
        self,
        environ: dict[str, str],
        content_length: int | None,
        keeps_alive: bool,
        is_chunked: bool,
        expects: bool,
        is_upgrade: bool,
    ) -> None:
        self.environ: dict[str, str] = environ
        self.content_length: int | None = content_length
        self.keeps_alive: bool = keeps_alive
        self.is_chunked: bool = is_chunked
        self.expects: bool = expects
        self.is_upgrade: bool = is_upgrade

    @classmethod
    def of(cls, environ: dict[str, str], version: str) -> Fields:
        """Return what the fields say, under the names of the environ; see :func:`parse_fields`."""
        length = _length_of(environ, version)
        _check_host(environ, version)
        # RFC 9110 §10.1.1: HTTP/1.0 has no interim responses.
        expects = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        return cls(
            environ,
            length,
            _keeps_alive(environ.get("HTTP_CONNECTION"), version),
            "HTTP_TRANSFER_ENCODING" in environ,
            expects and version != "HTTP/1.0",
            environ.get("HTTP_UPGRADE", "").lower() == "websocket",
        )

    def with_length(self, length: str) -> Fields:
        """Return the same fields with another Content-Length, which is a number."""
        return Fields(
            {**self.environ, "CONTENT_LENGTH": length},
            int(length),
            self.keeps_alive,
            self.is_chunked,
            self.expects,
            self.is_upgrade,
        )


def parse_fields(block: bytes, version: str) -> Fields:
    """Return what the lines of a head say.

    Args:
        block: The lines behind the request line, each with its CRLF; not the empty line.
        version: ``HTTP/1.0`` or ``HTTP/1.1``.

    Raises:
        BadHead: A line is not a header field (RFC 9112 §5), the length of the body is not
            certain (§6), the host is missing or malformed (§3.2), or a limit is passed.
    """
    lines = block.decode("latin-1").split("\r\n")
    lines.pop()
    count = len(lines)
    # The longest line is looked for only where it can matter.
    longest = max(map(len, lines)) + 2 if len(block) >= MAX_LINE else 0
    check_size(len(block), count, longest)
    if block.count(b"\n") != count or block.count(b"\r") != count:
        raise BadHead("a line of the request head does not end in CRLF")
    if len(block.translate(None, _CONTROLS)) != len(block):
        raise BadHead("a header field has a control character")
    environ: dict[str, str] = {}
    for line in lines:
        key, value = _LINES.get(line) or _read_line(line)
        if key not in environ:
            environ[key] = value
        elif key in _SINGLE:
            raise BadHead(f"{key} is given twice")
        elif key:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
    environ.pop("", None)
    return Fields.of(environ, version)


def check_size(size: int, count: int, longest: int) -> None:
    """Check what has come of the fields.

    Args:
        size: Bytes of all lines.
        count: How many there are.
        longest: Bytes of the longest.

    Raises:
        BadHead: A limit is passed.
    """
    if size > MAX_HEAD or count > MAX_HEADERS or longest >= MAX_LINE:
        raise BadHead("the request head is too large", 431)


def _length_of(environ: dict[str, str], version: str) -> int | None:
    length = environ.get("CONTENT_LENGTH")
    if length is not None and not (0 < len(length) <= MAX_DIGITS and _DIGITS.issuperset(length)):
        raise BadHead("Content-Length is not a number")
    encoding = environ.get("HTTP_TRANSFER_ENCODING")
    if encoding is not None:
        if length is not None or encoding.lower() != "chunked":
            raise BadHead("the length of the body is not certain")
        if version == "HTTP/1.0":
            # RFC 9112 §6.1: a proxy of that version has passed it on without reading it.
            raise BadHead("HTTP/1.0 has no Transfer-Encoding")
    return None if length is None else int(length)


def _check_host(environ: dict[str, str], version: str) -> None:
    host = environ.get("HTTP_HOST")
    if host is None:
        if version == "HTTP/1.1":
            raise BadHead("Host is missing")
    elif host and _authority.fullmatch(host) is None:
        raise BadHead("Host is malformed")


def _keeps_alive(connection: str | None, version: str) -> bool:
    if connection is None or connection == "Upgrade":
        return version == "HTTP/1.1"
    options = {option.strip(" \t") for option in connection.lower().split(",")}
    if "close" in options:
        return False
    return version == "HTTP/1.1" or "keep-alive" in options
