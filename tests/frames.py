"""WebSocket frames as a client sends and reads them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
RSV1 = 0x40
TRAILER = b"\x00\x00\xff\xff"


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


class Compressor:
    """A client's side of permessage-deflate, in both directions (RFC 7692 §7.2).

    Args:
        takeover: Whether the contexts are kept from one message to the next.
        bits: Both windows.
    """

    def __init__(self, *, takeover: bool = False, bits: int = 15) -> None:
        self._takeover = takeover
        self._bits = bits
        self._start_deflate()
        self._start_inflate()

    def _start_deflate(self) -> None:
        self._deflate = zlib.compressobj(wbits=-max(self._bits, 9))

    def _start_inflate(self) -> None:
        self._inflate = zlib.decompressobj(-self._bits)

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """A masked frame with a compressed message."""
        return frame(opcode | RSV1, self.deflate(payload))

    def deflate(self, payload: bytes) -> bytes:
        if not self._takeover:
            self._start_deflate()
        if not payload:
            return b"\x00"  # RFC 7692 §7.2.3.6
        data = self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TRAILER)
        return data[:-4]

    def inflate(self, payload: bytes) -> bytes:
        if not self._takeover:
            self._start_inflate()
        # Byte by byte: the output of one call could be referred to beyond the window.
        data, found = payload + TRAILER, []
        while data:
            found.append(self._inflate.decompress(data, 1))
            data = self._inflate.unconsumed_tail
        while last := self._inflate.decompress(b"", 1):
            found.append(last)
        return b"".join(found)


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
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """The next frame, as opcode and payload, once it is complete."""
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
        return not self._buffer
