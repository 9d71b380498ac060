"""WebSocket frames as a client sends and reads them."""

from __future__ import annotations

import itertools

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(
    opcode: int, payload: bytes, *, final: bool = True, mask: bytes = b"\x01\x02\x03\x04"
) -> bytes:
    """A masked frame, as clients send it."""
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
    return frame(TEXT, text.encode())


class FrameReader:
    """Server frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """The next frame, as opcode and payload, once it is complete."""
        data = self._buffer
        if len(data) < 2:
            return None
        assert data[0] & 0xF0 == 0x80, f"not a whole, plain frame: {data[:20]!r}"
        assert not data[1] & 0x80, "a server frame must not be masked"
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        if len(data) < max(start + size, start):
            return None
        self._buffer = data[start + size :]
        return data[0] & 0x0F, data[start : start + size]

    @property
    def is_empty(self) -> bool:
        return not self._buffer
