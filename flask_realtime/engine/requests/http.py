"""Answers and bodies of the HTTP side, on plain WSGI: this is on the way of every poll."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import gevent
from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie, parse_accept_header

from ...errors import RequestError
from .host import Environ, StartResponse

__all__ = [
    "BodyTooLarge",
    "BrokenBody",
    "affinity_cookie",
    "choose_encoding",
    "compress",
    "encode",
    "error_body",
    "read_body",
    "reply",
    "with_headers",
]

_STATUS = {
    200: "200 OK",
    400: "400 Bad Request",
    403: "403 Forbidden",
    405: "405 Method Not Allowed",
    413: "413 Request Entity Too Large",
    503: "503 Service Unavailable",
}
_READ_STEP = 65536


class BodyTooLarge(Exception):
    """The body of a POST is above the limit."""


class BrokenBody(Exception):
    """The client went away, or stood still, in the middle of a body."""


def reply(
    environ: Environ,
    start_response: StartResponse,
    status: int,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    close: bool = False,
) -> list[bytes]:
    """Answer a request; ``Content-Length`` is added.

    Args:
        environ: The request.
        start_response: The host's.
        status: One of the statuses that this server uses.
        headers: The headers of the answer.
        body: Left out for a HEAD request.
        close: Whether the connection ends with this answer.
    """
    answer = [*headers, ("Content-Length", str(len(body)))]
    if close or environ.get("HTTP_CONNECTION", "").lower() == "close":
        # pywsgi closes without saying so; clients would reuse the dead connection.
        answer.append(("Connection", "close"))
    start_response(_STATUS[status], answer)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def error_body(error: RequestError) -> bytes:
    """Return the JSON that the client is told (Socket.IO documentation, "connection_error")."""
    body = {"code": error.code, "message": error.message}
    return json.dumps(body, separators=(",", ":")).encode()


def read_body(environ: Environ, limit: int, timeout: float) -> bytes:
    """Return the body of a request, of a stated length or chunked.

    Args:
        environ: The request.
        limit: The bytes that are accepted.
        timeout: Seconds that the client has to send them.

    Raises:
        BodyTooLarge: There are more bytes; they were not read.
        BrokenBody: There are fewer than the request said, or they did not arrive in time.
    """
    length = _content_length(environ)
    if length is None:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
            return b""
    elif length > limit:
        raise BodyTooLarge
    try:
        with gevent.Timeout(timeout):
            body = _read(environ["wsgi.input"], limit + 1 if length is None else length)
    except (OSError, gevent.Timeout) as error:
        raise BrokenBody from error
    if length is None and len(body) > limit:
        raise BodyTooLarge
    if length is not None and len(body) < length:
        raise BrokenBody
    return body


def _content_length(environ: Environ) -> int | None:
    text = environ.get("CONTENT_LENGTH")
    if not text or environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _read(stream: Any, size: int) -> bytes:
    body: bytes = stream.read(min(size, _READ_STEP)) if size else b""
    if len(body) == size:
        return body
    chunks = [body]
    missing = size - len(body)
    while body and missing:
        body = stream.read(min(missing, _READ_STEP))
        chunks.append(body)
        missing -= len(body)
    return b"".join(chunks)


def compress(body: bytes, environ: Environ, headers: list[tuple[str, str]]) -> bytes:
    """Return the body in an encoding that the client accepts, and say so in the headers."""
    headers.append(("Vary", "Accept-Encoding"))
    encoding = choose_encoding(environ)
    if encoding is None:
        return body
    headers.append(("Content-Encoding", encoding))
    return encode(body, encoding)


def choose_encoding(environ: Environ) -> str | None:
    """Return the encoding that the client likes best, ``None`` for none of ours."""
    accepted = parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING"))
    if accepted["gzip"] and accepted["gzip"] >= accepted["deflate"]:
        return "gzip"
    return "deflate" if accepted["deflate"] else None


def encode(body: bytes, encoding: str) -> bytes:
    """Return the body in one of the encodings of :func:`choose_encoding`."""
    if encoding == "gzip":
        return gzip.compress(body, compresslevel=6, mtime=0)
    return zlib.compress(body, 6)


def affinity_cookie(option: Any, sid: str) -> str:
    """Return the cookie with which a load balancer keeps a client on one server.

    Args:
        option: The ``cookie`` option: ``True``, a name, or a mapping of attributes.
        sid: The session id, the value of the cookie.
    """
    given = dict(option) if isinstance(option, Mapping) else {}
    name = option if isinstance(option, str) else given.get("name", "io")
    return dump_cookie(
        name,
        sid,
        max_age=given.get("max_age"),
        path=given.get("path", "/"),
        domain=given.get("domain"),
        secure=given.get("secure", False),
        httponly=given.get("httponly", True),
        samesite=given.get("samesite", "Lax"),
    )


def with_headers(start_response: StartResponse, extra: Headers) -> StartResponse:
    """Return a ``start_response`` that adds headers."""
    if not extra:
        return start_response

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        return start_response(status, [*headers, *extra], *exc_info)

    return start
