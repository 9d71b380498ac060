"""Answers and bodies of the HTTP side, on plain WSGI: this is on the way of every poll."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any

import gevent
from werkzeug.http import dump_cookie, parse_accept_header

from ...errors import RequestError, caused
from .host import Environ
from .request import Request

__all__ = [
    "BodyTooLarge",
    "BrokenBody",
    "affinity_cookie",
    "begin",
    "choose_encoding",
    "compress",
    "encode",
    "error_body",
    "read_body",
    "reply",
]

#: Bytes that are compressed at once, in some milliseconds.
_PIECE = 65_536
#: zlib's numbers for the form of its output.
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_STATUS = {
    200: "200 OK",
    400: "400 Bad Request",
    403: "403 Forbidden",
    405: "405 Method Not Allowed",
    413: "413 Request Entity Too Large",
    503: "503 Service Unavailable",
}
_READ_STEP = 65536
#: Bytes of a chunked body that are read before other greenlets have their turn: hosts read
#: chunks in Python, and each byte may be one.
_CHUNKED_STEP = 1024
#: The highest priority of libev: an idle watcher of it waits for one round of the loop. Behind
#: `sleep(0)` the loop looks at no socket before it has made fifty such turns.
_HIGHEST = 2


class BodyTooLarge(Exception):
    """The body of a POST is above the limit."""


class BrokenBody(Exception):
    """The client went away, stood still, or broke the framing in the middle of a body."""


def reply(
    request: Request,
    status: int,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    close: bool = False,
) -> list[bytes]:
    """Answer a request; ``Content-Length`` is added.

    Args:
        request: The request.
        status: One of the statuses that this server uses.
        headers: The headers of the answer.
        body: Left out for a HEAD request.
        close: Whether the connection ends with this answer.
    """
    # `begin` without its frame: each poll comes this way.
    answer = [*headers, ("Content-Length", str(len(body)))]
    if close or request.environ.get("HTTP_CONNECTION", "").lower() == "close":
        # pywsgi closes without saying so; clients would reuse the dead connection.
        answer.append(("Connection", "close"))
    request.start_response(_STATUS[status], answer)
    return [] if request.method == "HEAD" else [body]


def begin(
    request: Request,
    status: int,
    headers: Iterable[tuple[str, str]],
    length: int,
    instead_of: Exception | None = None,
) -> Callable[[bytes], Any]:
    """Call the ``start_response`` of a request and return the ``write`` that it returns.

    Args:
        request: The request.
        status: One of the statuses that this server uses.
        headers: The headers of the answer.
        length: Bytes of the body, for ``Content-Length``.
        instead_of: Why an answer is replaced that has begun and of which nothing has been sent
            (PEP 3333, "The start_response() Callable").
    """
    answer = [*headers, ("Content-Length", str(length))]
    if request.environ.get("HTTP_CONNECTION", "").lower() == "close":
        answer.append(("Connection", "close"))
    if instead_of is None:
        return request.start_response(_STATUS[status], answer)
    exc_info = (type(instead_of), instead_of, instead_of.__traceback__)
    return request.start_response(_STATUS[status], answer, exc_info)


def error_body(error: RequestError) -> bytes:
    """Return the JSON that the client gets (Socket.IO documentation, "connection_error")."""
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
        BrokenBody: There are fewer than the request said, they did not arrive in time, or
            their chunks cannot be read.
    """
    length = _content_length(environ)
    if length is None:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
            return b""
    elif length > limit:
        raise BodyTooLarge
    stream = environ["wsgi.input"]
    if length is not None and stream.__class__ is BytesIO:
        # It has arrived: no wait needs a deadline.
        body = stream.read(length)
        if len(body) < length:
            raise BrokenBody
        return body
    try:
        with gevent.Timeout(timeout):
            body = _read_chunks(stream, limit + 1) if length is None else _read(stream, length)
    # Each host has errors of its own for what its reader cannot read, ValueError among them.
    except (Exception, gevent.Timeout) as error:
        raise caused(BrokenBody(), error) from error
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
    # Hosts may read any kind of bytes.
    body: Any = stream.read(min(size, _READ_STEP)) if size else b""
    if len(body) == size:
        return bytes(body)
    chunks = [body]
    missing = size - len(body)
    while body and missing:
        body = stream.read(min(missing, _READ_STEP))
        chunks.append(body)
        missing -= len(body)
    return b"".join(chunks)


def _read_chunks(stream: Any, size: int) -> bytes:
    pieces = []
    missing = size
    while missing and (piece := stream.read(min(missing, _CHUNKED_STEP))):
        pieces.append(piece)
        missing -= len(piece)
        gevent.idle(_HIGHEST)
    return b"".join(pieces)


def compress(body: bytes, environ: Environ, headers: list[tuple[str, str]]) -> bytes:
    """Return the body in an encoding that the client accepts; add the headers that name it."""
    headers.append(("Vary", "Accept-Encoding"))
    encoding = choose_encoding(environ)
    if encoding is None:
        return body
    headers.append(("Content-Encoding", encoding))
    return encode(body, encoding)


def choose_encoding(environ: Environ) -> str | None:
    """Return the encoding that the client prefers; ``None`` when it accepts none of ours."""
    accepted = parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING"))
    if accepted["gzip"] and accepted["gzip"] >= accepted["deflate"]:
        return "gzip"
    return "deflate" if accepted["deflate"] else None


def encode(body: bytes, encoding: str) -> bytes:
    """Return the body in one of the encodings of :func:`choose_encoding`.

    Other greenlets have their turn while a large body is compressed: 20 MB take a second or
    more.
    """
    if len(body) > _PIECE:
        return _encode_in_pieces(body, encoding)
    if encoding == "gzip":
        return gzip.compress(body, compresslevel=6, mtime=0)
    return zlib.compress(body, 6)


def _encode_in_pieces(body: bytes, encoding: str) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS[encoding])
    pieces: list[bytes] = []
    for start in range(0, len(body), _PIECE):
        pieces.append(packer.compress(body[start : start + _PIECE]))
        gevent.sleep(0)
    pieces.append(packer.flush())
    return b"".join(pieces)


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
