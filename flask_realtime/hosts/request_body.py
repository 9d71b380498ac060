"""Request bodies of the embedded server: of a stated length, or in chunks (RFC 9112 §6, §7).

A body is read as it comes, so that a large upload takes as long as it needs while it keeps
moving, and a client that stands still, or breaks the framing, loses its connection. An error
stays: whatever the application makes of it, :attr:`RequestBody.failed` tells the server not to
look for another request behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from time import monotonic
from typing import Any

import gevent
from werkzeug.exceptions import HTTPException

from .request_head import FIELD_LINE, Fields
from .request_stream import RequestStream

__all__ = ["NO_BODY", "BodyError", "ChunkedBody", "RequestBody", "SizedBody", "open_body"]

#: Seconds without a byte after which a client that sends a body is cut off. All the waiting
#: for a body may add up to these seconds and one more for each ``MIN_RATE`` bytes.
BODY_TIMEOUT = 60.0
MIN_RATE = 500
#: Bytes and seconds for the rest of a body that the application has not read.
MAX_REST = 65_536
REST_TIMEOUT = 5.0
#: What a chunked body may have besides its data: chunks and bytes of extensions, with one more
#: of each for every ``MIN_CHUNK`` bytes of data; bytes of one line, and of all trailers.
MAX_CHUNKS = 10_000
MAX_EXTENSIONS = 16_384
MIN_CHUNK = 64
MAX_LINE = 8_192
MAX_TRAILERS = 16_384

_STEP = 65_536
#: Other greenlets have their turn after so many bytes, and after so many chunks.
_TURN_BYTES = 1_048_576
_TURN_CHUNKS = 100
#: The highest priority of libev: an idle watcher of it waits for one round of the loop.
_HIGHEST = 2
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,16})((?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?)\r\n")


class BodyError(OSError, HTTPException):
    """The rest of a body cannot be read.

    An ``OSError`` for any application; werkzeug and Flask make an answer of it.

    Attributes:
        code: The status code of the answer: 400, or 408 when the client was too slow.
    """

    def __init__(self, message: str, code: int = 400) -> None:
        OSError.__init__(self, message)
        HTTPException.__init__(self, message)
        self.args = (message,)
        self.code = code

    def __str__(self) -> str:
        return str(self.description)


class RequestBody:
    """The ``wsgi.input`` of a request that has a body.

    Args:
        stream: A buffered reader of the connection.
        expects: The socket, when the client waits for ``100 Continue``.

    Attributes:
        failed: Whether the body is broken: the connection has no other request.
        waiting_since: Since when a read has been waiting for the client; the server looks at it.
    """

    __slots__ = (
        "_ahead",
        "_expects",
        "_next_turn",
        "_received",
        "_waited",
        "failed",
        "rfile",
        "waiting_since",
    )

    def __init__(self, stream: Any, expects: Any = None) -> None:
        self.rfile: Any = stream
        self.failed: bool = False
        self.waiting_since: float | None = None
        self._expects = expects
        self._ahead = b""
        self._received = 0
        self._next_turn = _TURN_BYTES
        self._waited = 0.0

    @property
    def is_at_end(self) -> bool:
        """Whether all of it has been taken from the connection."""
        raise NotImplementedError

    def _some(self, limit: int) -> bytes:
        """Return between one byte and ``limit``; none at the end."""
        raise NotImplementedError

    def read(self, size: int | None = None) -> bytes:
        """Return ``size`` bytes, fewer only at the end; all without a size.

        Raises:
            BodyError: The client is gone, too slow, or breaks the framing.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_STEP), b""))
        data = self._ahead
        if data:
            self._ahead = data[size:]
            data = data[:size]
        else:
            data = self._some(size) if size else b""
        if len(data) == size or self.is_at_end:
            return data
        pieces = [data]
        missing = size - len(data)
        while missing and (data := self._some(missing)):
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def readline(self, size: int | None = None) -> bytes:
        """Return a line with its end, at most ``size`` bytes."""
        limit = None if size is None or size < 0 else size
        pieces: list[bytes] = []
        while limit is None or limit > 0:
            data = self._ahead or self._some(_STEP)
            end = data.find(b"\n") + 1
            cut = end or len(data)
            if limit is not None:
                cut = min(cut, limit)
                limit -= cut
            pieces.append(data[:cut])
            self._ahead = data[cut:]
            if not data or cut == end:
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """Return all lines."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def skip_rest(self) -> bool:
        """Read what the application has left, within bounds.

        Returns:
            Whether the next request follows; else the connection has to end.
        """
        if self.is_at_end:
            return not self.failed
        # A client that was not told to continue may send the body or leave it out.
        if self.failed or self._expects is not None:
            return False
        room = MAX_REST
        try:
            with gevent.Timeout(REST_TIMEOUT):
                while room > 0 and (data := self._some(min(room, _STEP))):
                    room -= len(data)
        except (BodyError, gevent.Timeout):
            return False
        return self.is_at_end

    def waits_too_long(self, now: float) -> bool:
        """Whether a read has waited for the client as long as it may."""
        return self.waiting_since is not None and now - self.waiting_since >= BODY_TIMEOUT

    def _receive(self, limit: int) -> bytes:
        """Wait for the next bytes of the data."""
        if self._expects is not None:
            self._say_continue()
        began = self.waiting_since = monotonic()
        try:
            data: bytes = self.rfile.read1(limit if limit < _STEP else _STEP)
        except OSError as error:
            raise self._broken("the client went away") from error
        finally:
            self.waiting_since = None
        self._waited += monotonic() - began
        self._received += len(data)
        if not data or self._waited >= BODY_TIMEOUT:
            self._judge(began, not data)
        if self._received >= self._next_turn:
            self._next_turn += _TURN_BYTES
            gevent.idle(_HIGHEST)
        return data

    def _line(self, limit: int) -> bytes:
        """Return a line of the framing, with its CRLF."""
        if self._expects is not None:
            self._say_continue()
        began = self.waiting_since = monotonic()
        try:
            line: bytes = self.rfile.readline(limit)
        except OSError as error:
            raise self._broken("the client went away") from error
        finally:
            self.waiting_since = None
        self._waited += monotonic() - began
        if not line or self._waited >= BODY_TIMEOUT:
            self._judge(began, not line)
        return line

    def _judge(self, began: float, is_over: bool) -> None:
        # The server lets the stream end for a client that stands still.
        stood_still = monotonic() - began >= BODY_TIMEOUT
        if stood_still or self._waited > BODY_TIMEOUT + self._received / MIN_RATE:
            raise self._broken("the body comes too slowly", 408)
        if is_over:
            raise self._broken("the client went away")

    def _say_continue(self) -> None:
        sock, self._expects = self._expects, None
        try:
            sock.sendall(_CONTINUE)
        except OSError as error:
            raise self._broken("the client went away") from error

    def _broken(self, message: str, code: int = 400) -> BodyError:
        self.failed = True
        return BodyError(message, code)


class SizedBody(RequestBody):
    """A body whose length is stated."""

    __slots__ = ("_left",)

    def __init__(self, stream: Any, length: int, expects: Any = None) -> None:
        super().__init__(stream, expects)
        self._left = length

    @property
    def is_at_end(self) -> bool:
        """Whether all of it has been taken from the connection."""
        return not self._left

    def _some(self, limit: int) -> bytes:
        left = self._left
        if not left:
            return b""
        data = self._receive(limit if limit < left else left)
        self._left = left - len(data)
        return data


class ChunkedBody(RequestBody):
    """A body in chunks, with bounds for all that is not data."""

    __slots__ = ("_chunks", "_extensions", "_is_over", "_left")

    def __init__(self, stream: Any, expects: Any = None) -> None:
        super().__init__(stream, expects)
        self._left = 0
        self._chunks = 0
        self._extensions = 0
        self._is_over = False

    @property
    def is_at_end(self) -> bool:
        """Whether the last chunk and its trailers have been read."""
        return self._is_over

    def _some(self, limit: int) -> bytes:
        if not self._left:
            if not self._is_over:
                self._next_chunk()
            if self._is_over:
                return b""
        data = self._receive(min(limit, self._left))
        self._left -= len(data)
        return data

    def _next_chunk(self) -> None:
        if self.failed:
            raise self._broken("the body was broken before")
        if self._chunks and self._line(2) != b"\r\n":
            raise self._broken("a chunk does not end where it should")
        match = _chunk_line.fullmatch(self._line(MAX_LINE))
        if match is None:
            raise self._broken("a chunk does not begin with its size")
        size, extensions = match.groups()
        self._chunks += 1
        self._extensions += len(extensions)
        more = self._received // MIN_CHUNK
        if self._chunks > MAX_CHUNKS + more or self._extensions > MAX_EXTENSIONS + more:
            raise self._broken("the chunks are too many for what they bring")
        if self._chunks % _TURN_CHUNKS == 0:
            gevent.idle(_HIGHEST)
        self._left = int(size, 16)
        if not self._left:
            self._skip_trailers()

    def _skip_trailers(self) -> None:
        room = MAX_TRAILERS
        while (line := self._line(MAX_LINE)) != b"\r\n":
            room -= len(line)
            if room < 0 or FIELD_LINE.fullmatch(line) is None:
                raise self._broken("the trailers are malformed or too long")
        self._is_over = True


class _NoBody(RequestBody):
    """What a request without a body has: nothing to read, and nothing that it holds."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None)

    @property
    def is_at_end(self) -> bool:
        """Always: there is no data."""
        return True

    def read(self, size: int | None = None) -> bytes:
        """Return nothing."""
        return b""

    def _some(self, limit: int) -> bytes:
        return b""

    def skip_rest(self) -> bool:
        """Do nothing; another request may follow."""
        return True


#: Shared by all requests without a body.
NO_BODY = _NoBody()


def open_body(fields: Fields, stream: RequestStream, sock: Any) -> tuple[Any, RequestBody, bytes]:
    """Begin to read the body of a request.

    Args:
        fields: The fields of the request, which has a body.
        stream: What arrives.
        sock: Gets the 100 that a client waits for.

    Returns:
        The ``wsgi.input``, what of the body is still to come, and what has arrived with the head
        when that is all.
    """
    sock = sock if fields.expects else None
    body: RequestBody
    if fields.is_chunked:
        body = ChunkedBody(stream, sock)
        return body, body, b""
    length = fields.content_length or 0
    # A client that waits to be told may have left the body out: the application decides.
    arrived = None if fields.expects else stream.take(length)
    if arrived is None:
        body = SizedBody(stream, length, sock)
        return body, body, b""
    return BytesIO(arrived), NO_BODY, arrived
