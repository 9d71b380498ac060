"""WebSocket frames of the server side (RFC 6455 §5).

Bytes in, messages out. Client frames must be masked, every length is checked against the
limit before its payload is buffered, and an error is not raised: it is the last value that is
returned, after the messages that were complete before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ..errors import FrameError, caused
from .masking import unmask

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "Control",
    "FrameDecoder",
    "Inflate",
    "encode_close",
    "encode_frame",
    "message_frame",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
#: Marks a data message as compressed, together with its opcode (RFC 7692 §6).
RSV1: Final = 0x40

_FIN = 0x80
_MASKED = 0x80
_CONTROL = 0x8
# Close codes a peer may send (RFC 6455 §7.4): 1004 to 1006 and 1015 are reserved.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})

# Frame headers of short text frames, with the digit of an Engine.IO message after them.
_MESSAGE_HEADERS = [bytes((_FIN | TEXT, size + 1)) + b"4" for size in range(125)]


class Control(NamedTuple):
    """A control frame: ``CLOSE`` (with its code in ``code``), ``PING`` or ``PONG``."""

    opcode: int
    payload: bytes
    code: int = 1005


Incoming = str | bytes | Control | FrameError
#: Inflates the payload of a compressed message; raises :exc:`FrameError`.
Inflate = Callable[[bytes | bytearray], bytes]


def encode_frame(opcode: int, payload: bytes | bytearray | memoryview) -> bytes:
    """Return one final, unmasked frame."""
    size = len(payload)
    if size < 126:
        header = bytes((_FIN | opcode, size))
    elif size < 65536:
        header = bytes((_FIN | opcode, 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big")
    return header + payload


def message_frame(text: bytes) -> bytes:
    """Return the text frame of an Engine.IO message: ``"4"`` and ``text``."""
    size = len(text)
    if size < 125:
        return _MESSAGE_HEADERS[size] + text
    return encode_frame(TEXT, b"4" + text)


def encode_close(code: int | None = None, reason: str = "") -> bytes:
    """Return a close frame; without a code it has no body (RFC 6455 §5.5.1)."""
    if code is None:
        return encode_frame(CLOSE, b"")
    # A control frame has room for 123 bytes of text; a character is not cut in two.
    text = reason.encode()[:123].decode("utf-8", "ignore")
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text.encode())


class FrameDecoder:
    """Turns what a client sends after the handshake into messages and control frames.

    Args:
        max_size: Bytes of the largest message, over all its fragments.
        inflate: Reads compressed messages; ``None`` without permessage-deflate.
    """

    __slots__ = ("_buffer", "_failed", "_fragments", "_inflate", "_max_size", "_opcode", "_short")

    def __init__(self, max_size: int, inflate: Inflate | None = None) -> None:
        self._max_size = max_size
        self._inflate = inflate
        self._short = min(max_size, 125)
        # Both stay None while nothing is unfinished: an idle connection holds no buffer.
        self._buffer: bytearray | None = None
        self._fragments: bytearray | None = None
        self._opcode = CONTINUATION
        self._failed = False

    def receive(self, data: bytes) -> list[Incoming]:
        """Take received bytes and return what is complete.

        Args:
            data: Bytes after those of the call before, cut anywhere.

        Returns:
            Text as ``str``, binary messages as ``bytes``, :class:`Control` frames, and as last
            item a :exc:`FrameError` when the client broke the protocol: nothing is read after it.
        """
        if self._buffer is None and self._fragments is None and data[:1] == b"\x81":
            # The common case, and the hot path: one short, whole, masked text frame.
            size = len(data) - 6
            if 0 <= size <= self._short and data[1] == _MASKED | size:
                try:
                    return [unmask(data[6:], data[2:6]).decode()]
                except UnicodeDecodeError:
                    return [self._fail(FrameError(1007, "invalid UTF-8"))]
        return self._receive_general(data)

    def _receive_general(self, data: bytes) -> list[Incoming]:
        if self._failed:
            return []
        # What is whole in what has just arrived is never copied as a whole.
        buffer: bytes | bytearray = data
        if self._buffer is not None:
            buffer = self._buffer
            buffer += data
        messages: list[Incoming] = []
        position = 0
        try:
            if self._fragments is None:
                position = self._take_short_texts(buffer, messages)
            while True:
                frame = self._parse_frame(buffer, position)
                if frame is None:
                    break
                first, payload, position = frame
                message = self._take(first, payload)
                if message is not None:
                    messages.append(message)
        except FrameError as error:
            messages.append(self._fail(error))
            return messages
        if isinstance(buffer, bytearray):
            del buffer[:position]
        else:
            buffer = bytearray(buffer[position:])
        self._buffer = buffer or None
        return messages

    def _take_short_texts(self, buffer: bytes | bytearray, messages: list[Incoming]) -> int:
        """Append the short, whole text frames that the buffer begins with; return their end."""
        position, available = 0, len(buffer)
        try:
            while position + 6 <= available and buffer[position] == _FIN | TEXT:
                size = buffer[position + 1] - _MASKED
                body = position + 6
                end = body + size
                if not 0 <= size <= self._short or end > available:
                    break
                messages.append(unmask(buffer[body:end], buffer[position + 2 : body]).decode())
                position = end
        except UnicodeDecodeError:
            raise caused(FrameError(1007, "invalid UTF-8"), None) from None
        return position

    def _parse_frame(
        self, buffer: bytes | bytearray, start: int
    ) -> tuple[int, bytes | bytearray, int] | None:
        """Return (first byte, payload, end) of the frame at ``start`` once it is complete."""
        available = len(buffer) - start
        if available < 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        self._check_header(first, second)
        size = second & 0x7F
        header = 2
        if size >= 126:
            width = 2 if size == 126 else 8
            header = 2 + width
            if available < header:
                return None
            size = int.from_bytes(buffer[start + 2 : start + header], "big")
            if size < (126 if width == 2 else 65536):
                raise FrameError(1002, "the length is not encoded in the fewest bytes")
        if size + len(self._fragments or b"") > self._max_size and not first & _CONTROL:
            limit = f"max_http_buffer_size, {self._max_size} bytes"
            raise FrameError(1009, f"a message is larger than {limit}")
        body = start + header + 4
        end = body + size
        if len(buffer) < end:
            return None
        return first, unmask(buffer[body:end], buffer[body - 4 : body]), end

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            self._check_reserved(first)
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise FrameError(1002, f"opcode {opcode:#x} is reserved")
        if not second & _MASKED:
            raise FrameError(1002, "a client frame must be masked")
        if opcode & _CONTROL:
            if not first & _FIN or second & 0x7F > 125:
                raise FrameError(1002, "a control frame is fragmented or too long")
        elif (opcode == CONTINUATION) != (self._fragments is not None):
            raise FrameError(1002, "a fragment is out of order")

    def _check_reserved(self, first: int) -> None:
        # RSV1 is for the first frame of a data message (RFC 7692 §6.1).
        data = first & 0x0F in (TEXT, BINARY)
        if self._inflate is None or first & 0x70 != RSV1 or not data:
            raise FrameError(1002, "a reserved bit is set")

    def _take(self, first: int, payload: bytes | bytearray) -> Incoming | None:
        # With RSV1, so that a message is remembered as compressed over its fragments.
        opcode = first & 0x4F
        if opcode & _CONTROL:
            return self._control(opcode, bytes(payload))
        if opcode == CONTINUATION:
            assert self._fragments is not None
            self._fragments += payload
            if not first & _FIN:
                return None
            opcode, payload, self._fragments = self._opcode, self._fragments, None
        elif not first & _FIN:
            self._opcode, self._fragments = opcode, bytearray(payload)
            return None
        if opcode & RSV1:
            assert self._inflate is not None
            opcode, payload = opcode & ~RSV1, self._inflate(payload)
        if opcode == BINARY:
            return bytes(payload)
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise caused(FrameError(1007, "invalid UTF-8"), None) from None

    def _control(self, opcode: int, payload: bytes) -> Control:
        if opcode != CLOSE or not payload:
            return Control(opcode, payload)
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code <= 4999):
            raise FrameError(1002, "invalid close code")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise caused(FrameError(1007, "the close reason is not UTF-8"), None) from None
        return Control(opcode, payload, code)

    def _fail(self, error: FrameError) -> FrameError:
        self._failed = True
        # Not None: that closes the hot path of receive() as well.
        self._buffer, self._fragments = bytearray(), None
        return error
