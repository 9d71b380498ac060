"""permessage-deflate (RFC 7692): messages to compressed frames, and back.

One :class:`PerMessageDeflate` belongs to a server and makes a :class:`Compression` for each
connection that has agreed to it. Without context takeover all connections share one
compressor, and a broadcast is compressed once.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from ..errors import FrameError
from ..options import DeflateSettings
from .deflate_agreement import Agreement
from .message import Message
from .websocket import BINARY, RSV1, TEXT, Inflate, encode_frame

__all__ = ["Compression", "Deflater", "OwnDeflater", "PerMessageDeflate", "SharedDeflater"]

#: The end of every flushed block, which is not sent (RFC 7692 §7.2.1).
_TRAILER: Final = b"\x00\x00\xff\xff"
# An empty message is not compressed: a second flush of zlib returns no bytes at all.
_LEAST: Final = 1
# What may follow the last block of a stream: an empty one (§7.2.3.4).
_ENDS: Final = (b"\x00" + _TRAILER, _TRAILER)
# zlib compresses with no window of 256 bytes. With one of 512 it refers back 250 bytes at most,
# because it keeps 262 for the longest match: a reader with 256 bytes can follow.
_MIN_COMPRESSOR_BITS: Final = 9


class Deflater(Protocol):
    """Makes the frames of messages for one or more connections."""

    def frames(self, message: Message) -> bytes:
        """Return the frames of a message, contiguous; compressed where that makes them smaller."""


class Compression(NamedTuple):
    """What one connection uses in each direction."""

    inflate: Inflate
    deflater: Deflater


class PerMessageDeflate:
    """The extension as one server offers it.

    Args:
        settings: Those of the server.
        max_size: Bytes of the largest message that is accepted, inflated.
    """

    def __init__(self, settings: DeflateSettings, max_size: int) -> None:
        self.settings = settings
        self._max_size = max_size
        self._shared: dict[int, SharedDeflater] = {}

    def compression(self, agreement: Agreement) -> Compression:
        """Return both directions of a new connection."""
        inflate = _Inflater(agreement.client_bits, self._max_size)
        bits = agreement.server_bits
        one_direction = inflate.keeping if agreement.client_takeover else inflate.forgetting
        if agreement.server_takeover:
            return Compression(one_direction, OwnDeflater(self.settings, bits))
        if bits not in self._shared:
            self._shared[bits] = SharedDeflater(self.settings, bits)
        return Compression(one_direction, self._shared[bits])


class SharedDeflater:
    """Compresses each message on its own, once for all connections of one window size.

    Args:
        settings: Thresholds and zlib's parameters.
        bits: The window, as a power of two.
    """

    def __init__(self, settings: DeflateSettings, bits: int) -> None:
        self._threshold = max(settings.threshold, _LEAST)
        # A full flush clears the window: the length of a message reveals nothing about others.
        self._stream = _Stream(settings, bits, zlib.Z_FULL_FLUSH)

    def frames(self, message: Message) -> bytes:
        """Return the frames of a message: the same bytes for every connection."""
        if not message.compress or message.largest < self._threshold:
            return message.frames()
        return message.variant(self, self._encode)

    def _encode(self, message: Message) -> bytes:
        return _frames(message, self._frame)

    def _frame(self, opcode: int, payload: bytes) -> bytes:
        if len(payload) < self._threshold:
            return encode_frame(opcode, payload)
        data = self._stream.deflate(payload)
        if len(data) >= len(payload):
            # An image, for example: sent as it is, clients need not inflate it.
            return encode_frame(opcode, payload)
        return encode_frame(opcode | RSV1, data)


class OwnDeflater:
    """Compresses the messages of one connection; each may refer to those before it.

    Args:
        settings: Thresholds and zlib's parameters.
        bits: The window, as a power of two.
    """

    __slots__ = ("_stream", "_threshold")

    def __init__(self, settings: DeflateSettings, bits: int) -> None:
        self._threshold = max(settings.threshold, _LEAST)
        self._stream = _Stream(settings, bits, zlib.Z_SYNC_FLUSH)

    def frames(self, message: Message) -> bytes:
        """Return the frames of a message; the caller sends all of them, in the order of calls."""
        if not message.compress or message.largest < self._threshold:
            return message.frames()
        return _frames(message, self._frame)

    def _frame(self, opcode: int, payload: bytes) -> bytes:
        if len(payload) < self._threshold:
            return encode_frame(opcode, payload)
        # Also when it grows: the window of the client has to stay equal to this one.
        return encode_frame(opcode | RSV1, self._stream.deflate(payload))


def _frames(message: Message, frame: Callable[[int, bytes], bytes]) -> bytes:
    frames = [] if message.text is None else [frame(TEXT, b"4" + message.text)]
    frames += [frame(BINARY, attachment) for attachment in message.attachments]
    return b"".join(frames)


class _Stream:
    """A compressor, made when it is first needed: it takes a quarter of a megabyte."""

    __slots__ = ("_bits", "_compressor", "_flush", "_settings")

    def __init__(self, settings: DeflateSettings, bits: int, flush: int) -> None:
        self._settings = settings
        self._bits = max(bits, _MIN_COMPRESSOR_BITS)
        self._flush = flush
        self._compressor: Any = None

    def deflate(self, payload: bytes) -> bytes:
        """Return the payload of a compressed frame."""
        # It is put back at the end. After an exception it may hold half a message, and a new one
        # may take its place, because a new one refers to nothing before it.
        compressor, self._compressor = self._compressor, None
        if compressor is None:
            settings = self._settings
            compressor = zlib.compressobj(
                settings.level, zlib.DEFLATED, -self._bits, settings.mem_level
            )
        data: bytes = compressor.compress(payload) + compressor.flush(self._flush)
        self._compressor = compressor
        return data[: -len(_TRAILER)]


class _Inflater:
    """Inflates the messages of one connection, and stops at the limit.

    Args:
        bits: The client's window, as a power of two.
        max_size: Bytes of the largest inflated message.
    """

    __slots__ = ("_bits", "_decompressor", "_max_size")

    def __init__(self, bits: int, max_size: int) -> None:
        self._bits = bits
        self._max_size = max_size
        self._decompressor: Any = None

    def keeping(self, payload: bytes | bytearray) -> bytes:
        """Inflate a message that may refer to those before it."""
        decompressor = self._decompressor
        if decompressor is None:
            decompressor = self._decompressor = zlib.decompressobj(-self._bits)
        inflated = self._inflate(decompressor, payload)
        if decompressor.eof:
            # The client ended its stream with this message and begins another (§7.2.3.4).
            self._decompressor = None
        return inflated

    def forgetting(self, payload: bytes | bytearray) -> bytes:
        """Inflate a message that refers only to itself; nothing is kept for the next one."""
        return self._inflate(zlib.decompressobj(-self._bits), payload)

    def _inflate(self, decompressor: Any, payload: bytes | bytearray) -> bytes:
        try:
            # One byte beyond the limit proves that it is exceeded, and bounds the memory.
            inflated: bytes = decompressor.decompress(payload + _TRAILER, self._max_size + 1)
        except zlib.error:
            raise FrameError(1007, "a compressed message is corrupt") from None
        if len(inflated) > self._max_size:
            limit = f"max_http_buffer_size, {self._max_size} bytes"
            raise FrameError(1009, f"a message is larger than {limit}")
        if decompressor.eof and decompressor.unused_data not in _ENDS:
            raise FrameError(1007, "a compressed message continues after its end")
        return inflated
