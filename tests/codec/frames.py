"""RFC 6455 frames, written and read apart from the code under test."""

from __future__ import annotations

import struct
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
# The masking key of the examples in RFC 6455 §5.7.
KEY = bytes.fromhex("37fa213d")


def client_header(
    opcode: int, size: int, *, fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """The first bytes of a frame, with its length in the fewest bytes, without the key."""
    first = (FIN if fin else 0) | reserved | opcode
    bit = 0x80 if masked else 0
    if size < 126:
        return struct.pack("!BB", first, bit | size)
    if size < 1 << 16:
        return struct.pack("!BBH", first, bit | 126, size)
    return struct.pack("!BBQ", first, bit | 127, size)


def client_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, key: bytes = KEY
) -> bytes:
    """A masked frame."""
    head = client_header(opcode, len(payload), fin=fin, reserved=reserved)
    return head + key + masked(payload, key)


def masked(payload: bytes, key: bytes) -> bytes:
    if key == bytes(4):
        return payload
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


class Frame(NamedTuple):
    """A frame that a server sent."""

    fin: bool
    opcode: int
    payload: bytes


def server_frames(data: bytes) -> list[Frame]:
    """Read unmasked frames; fails for an incomplete one."""
    frames = []
    while data:
        first, size = data[0], data[1]
        body = 2
        if size == 126:
            (size,) = struct.unpack("!H", data[2:4])
            body = 4
        elif size == 127:
            (size,) = struct.unpack("!Q", data[2:10])
            body = 10
        assert size <= len(data) - body, "the frame is not complete"
        assert not first & 0x70, "a reserved bit is set"
        frames.append(Frame(bool(first & FIN), first & 0x0F, data[body : body + size]))
        data = data[body + size :]
    return frames
