"""What arrives on a connection of the embedded server: heads, and the bytes of bodies.

One read brings the whole head of nearly every request, and often its body as well. A head that
comes in pieces is judged line by line, so that what is wrong with it is answered at once.

A plain connection has one watcher for all its reads. It is left on while a request is served:
turning it off and on again would cost two system calls for each request. What arrives meanwhile,
which is rare, turns it off. A request that waits may look at it: the client may have gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gevent import get_hub, getcurrent, socket

from ..errors import caused
from .request_head import FIELD_LINE, BadHead, check_size, parse_request_line

__all__ = ["RequestStream"]

#: Bytes of a request line, and empty lines in front of one.
MAX_REQUEST_LINE = 8_192
MAX_EMPTY_LINES = 4

_READ = 1
_STEP = 65_536
_HEAD_STEP = 16_384
_END = b"\r\n\r\n"


class RequestStream:
    """The reading side of a connection, with a buffer.

    Args:
        sock: A gevent socket, plain or TLS.

    Attributes:
        can_peek: Whether what has arrived can be looked at without reading it; TLS has no such
            call. Read only.
        closed: Whether the stream has been given up; read only.
        is_plain: Whether all that arrives can be read from the descriptor; read only.
    """

    __slots__ = (
        "_data",
        "_descriptor",
        "_hub",
        "_is_watching",
        "_look",
        "_position",
        "_reader",
        "_socket",
        "_watcher",
        "can_peek",
        "closed",
        "is_plain",
    )

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        # Not for TLS, which keeps bytes that no watcher sees, nor for sockets that replay some, nor
        # for Windows, whose sockets are no descriptors.
        self._watcher: Any = None
        self._is_watching = False
        # The greenlet that waits.
        self._reader: Any = None
        # Called when something arrives for which no greenlet waits.
        self._look: Callable[[], bool] | None = None
        self.is_plain: bool = sock.__class__ is socket.socket and os.name == "posix"
        self.can_peek: bool = self.is_plain or not hasattr(sock, "pending")
        if self.is_plain:
            self._hub = get_hub()
            self._descriptor: int = sock.fileno()
            self._watcher = self._hub.loop.io(self._descriptor, _READ)
        self._data = b""
        # What is before it has been read.
        self._position = 0
        self.closed: bool = False

    def _receive(self, size: int) -> bytes:
        """Wait for bytes; none at the end."""
        if self._watcher is None:
            received: bytes = self._socket.recv(size)
            return received
        while True:
            if self._is_watching:
                if self._reader is not None:
                    raise RuntimeError("another greenlet reads this request already")
                self._reader = getcurrent()
                try:
                    self._hub.switch()
                finally:
                    self._reader = None
            else:
                # It was off: something may have arrived.
                self._is_watching = True
                self._watcher.start(self._on_readable)
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:
                continue

    def _on_readable(self) -> None:
        reader = self._reader
        if reader is not None:
            reader.switch()
        elif self._look is None or not self._look():
            self._is_watching = False
            self._watcher.stop()

    def watch(self, look: Callable[[], bool] | None) -> None:
        """Have a function called when something arrives for which no greenlet waits.

        Only of a plain connection; a closed one has nothing to tell.

        Args:
            look: Called in the hub; returns whether it is to be called again. ``None`` for none.
        """
        self._look = look
        if look is not None and self._watcher is not None and not self._is_watching:
            self._is_watching = True
            self._watcher.start(self._on_readable)

    def head(self) -> tuple[bytes, bytes] | None:
        """Wait for the next request, and return its request line and its other lines.

        Each line has its CRLF; the empty line at the end is left out. ``None`` when the client
        has ended the connection instead.

        Raises:
            BadHead: It is refused before it is complete, or the client is gone in the middle; what
            has arrived of its request line can be looked at.
            OSError: The client is gone.
        """
        data = self._data
        if data:
            data = data[self._position :]
            self._data, self._position = b"", 0
        if not data:
            data = self._receive(_HEAD_STEP)
        if data[:1] == b"\r":
            data = self._skip_empty_lines(data)
        end = data.find(_END)
        if end < 0:
            if not data:
                return None
            data, end = self._gather(data)
        line_end = data.find(b"\n", 0, MAX_REQUEST_LINE - 1) + 1
        if not line_end:
            self._data = data[:MAX_REQUEST_LINE]
            raise BadHead("the request line is too long", 414)
        if end + 4 < len(data):
            self._data, self._position = data, end + 4
        return data[:line_end], data[line_end : end + 2]

    def _skip_empty_lines(self, data: bytes) -> bytes:
        """Skip those that old clients send behind a body (RFC 9112 §2.2)."""
        for _ in range(MAX_EMPTY_LINES):
            while len(data) < 2:
                more = self._receive(_HEAD_STEP)
                if not more:
                    return data
                data += more
            if data[:2] != b"\r\n":
                return data
            data = data[2:]
        return data or self._receive(_HEAD_STEP)

    def _gather(self, begun: bytes) -> tuple[bytes, int]:
        """Wait for the rest of a head that has begun; return it, and where it ends."""
        gathered = bytearray(begun)
        judge = _Judge()
        try:
            while True:
                judge.look_at(gathered)
                seen = max(len(gathered) - 3, 0)
                more = self._receive(_STEP)
                if not more:
                    raise BadHead("the request head did not arrive")
                gathered += more
                end = gathered.find(_END, seen)
                if end >= 0:
                    return bytes(gathered), end
        except OSError as error:
            raise caused(BadHead("the request head did not arrive"), error) from error
        except BadHead:
            self._data = bytes(gathered[:MAX_REQUEST_LINE])
            raise

    def read1(self, limit: int) -> bytes:
        """Return between one byte and ``limit``; none at the end."""
        begin, data = self._position, self._data
        if begin == len(data):
            return self._receive(limit)
        self._position = end = min(begin + limit, len(data))
        return data[begin:end]

    def readline(self, limit: int) -> bytes:
        """Return a line with its LF, at most ``limit`` bytes; less only at the end."""
        begin, data = self._position, self._data
        while not (end := data.find(b"\n", begin, begin + limit) + 1):
            end = begin + limit
            if len(data) >= end:
                break
            more = self._receive(_STEP)
            if not more:
                end = len(data)
                break
            data = data[begin:] + more
            begin = 0
        self._data = data
        self._position = end
        return data[begin:end]

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end; all without a size."""
        pieces: list[bytes] = []
        while size and (data := self.read1(min(size, _STEP) if size > 0 else _STEP)):
            pieces.append(data)
            size -= len(data) if size > 0 else 0
        return b"".join(pieces)

    @property
    def raw(self) -> Any:
        """The socket as a raw stream: other WebSocket libraries look for it under gevent."""
        return self._socket.makefile("rb", 0)

    def take(self, size: int) -> bytes | None:
        """Return so many bytes; ``None`` when they have not arrived yet."""
        begin = self._position
        end = begin + size
        if len(self._data) < end:
            return None
        self._position = end
        return self._data[begin:end]

    def peek(self) -> bytes:
        """Return what has arrived and was not read; never waits."""
        return self._data[self._position :]

    def close(self) -> None:
        """Give the stream up: nothing is read from it any more."""
        self.closed = True
        self._data, self._position = b"", 0
        # The environ of a handshake outlives its connection.
        self._socket = None
        self._look = None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()


class _Judge:
    """Looks at the lines of a head as they come: each once."""

    def __init__(self) -> None:
        self._judged = 0
        self._fields_begin = 0
        self._count = 0

    def look_at(self, gathered: bytearray) -> None:
        if not self._judged:
            end = gathered.find(b"\n", 0, MAX_REQUEST_LINE - 1) + 1
            if not end:
                if len(gathered) >= MAX_REQUEST_LINE:
                    raise BadHead("the request line is too long", 414)
                return
            parse_request_line(gathered[:end].decode("latin-1"))
            self._judged = self._fields_begin = end
        while end := gathered.find(b"\n", self._judged) + 1:
            line = gathered[self._judged : end]
            self._count += 1
            check_size(end - self._fields_begin, self._count, len(line))
            if FIELD_LINE.fullmatch(line) is None:
                raise BadHead("a line of the request head is not a header field")
            self._judged = end
        begun = len(gathered) - self._judged
        check_size(len(gathered) - self._fields_begin, self._count, begun)
