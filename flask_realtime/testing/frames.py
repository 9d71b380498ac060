"""WebSocket frames as a client sends and reads them (RFC 6455 §5.2).

Apart from the codec of the server, which is tested with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "FrameReader",
    "frame",
    "text_frame",
]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
RSV1 = 0x40


def frame(
    opcode: int, payload: bytes, *, final: bool = True, mask: bytes = b"\x01\x02\x03\x04"
) -> bytes:
    """Return a masked frame, as clients send it."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask)))
    return bytes(((0x80 if final else 0) | opcode,)) + length + mask + masked


def text_frame(text: str) -> bytes:
    """Return a masked frame with text."""
    return frame(TEXT, text.encode())


class FrameReader:
    """Server frames out of a stream of bytes.

    Attributes:
        inflate: Reads compressed frames, when the extension has been agreed on.
        compressed: The payloads of the compressed frames, as they came.
    """

    def __init__(self, inflate: Callable[[bytes], bytes] | None = None) -> None:
        self._buffer = b""
        self.inflate = inflate
        self.compressed: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take bytes of the stream."""
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """Return the next frame, as opcode and payload, once it is complete."""
        data = self._buffer
        if len(data) < 2:
            return None
        plain = 0x80 if self.inflate is None else data[0] & RSV1 | 0x80
        assert data[0] & 0xF0 == plain, f"not a whole, plain frame: {data[:20]!r}"
        assert not data[1] & 0x80, "a server frame must not be masked"
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        if len(data) < max(start + size, start):
            return None
        self._buffer = data[start + size :]
        payload = data[start : start + size]
        if self.inflate is not None and data[0] & RSV1:
            self.compressed.append(payload)
            payload = self.inflate(payload)
        return data[0] & 0x0F, payload

    @property
    def is_empty(self) -> bool:
        """Whether no part of a frame is there."""
        return not self._buffer
