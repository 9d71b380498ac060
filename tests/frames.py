"""permessage-deflate as a client does it."""

from __future__ import annotations

import zlib

from flask_realtime.testing.frames import RSV1, frame

TRAILER = b"\x00\x00\xff\xff"


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
