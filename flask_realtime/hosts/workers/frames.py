"""What workers say to each other, as bytes: a length, a kind, a payload.

Pure: no socket and no gevent. What a sibling sends is bounded before it is kept.
"""

from __future__ import annotations

import json
import struct
from enum import IntEnum
from typing import Any, NamedTuple

__all__ = [
    "MAX_FRAME",
    "TAKES_DESCRIPTOR",
    "VERSION",
    "Frame",
    "FrameDecoder",
    "Hello",
    "Kind",
    "encode_frame",
    "join_numbers",
    "join_parts",
    "split_numbers",
    "split_parts",
]

#: Workers of another version are not talked to: an old master's, during an update.
VERSION = 2
#: Bytes of a payload.
MAX_FRAME = 64 * 1024 * 1024

_HEAD = struct.Struct("!IB")
_LENGTH = struct.Struct("!I")
_NUMBERS = struct.Struct("!QB")
# Made once: `json.dumps` makes another one for each call.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Kind(IntEnum):
    """The kinds of frames."""

    HELLO = 1
    #: How many sessions a worker has, and whether it takes more.
    STATE = 2
    #: A connection with a request whose head has been read.
    CONNECTION = 3
    #: A connection that is a WebSocket, or is about to become one.
    UPGRADE = 4
    #: A connection has arrived; the payload is its number.
    TAKEN = 5
    ASK = 6
    ANSWER = 7
    #: A message between the adapters of a namespace, and who listens to those.
    MESSAGE = 8
    LISTENS = 9
    LISTENS_NO_MORE = 10


_KINDS = {kind.value: kind for kind in Kind}
#: Each of these has a descriptor with its first byte.
TAKES_DESCRIPTOR = frozenset({Kind.CONNECTION, Kind.UPGRADE})


class Frame(NamedTuple):
    """One frame."""

    kind: Kind
    payload: bytes


def encode_frame(kind: Kind, payload: bytes) -> bytes:
    """Return a frame as bytes.

    Raises:
        ValueError: The payload is too long.
    """
    if len(payload) > MAX_FRAME:
        raise ValueError(f"a frame of {len(payload)} bytes is too long")
    return _HEAD.pack(len(payload), kind) + payload


class FrameDecoder:
    """Finds the frames in what arrives, in pieces of any size."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def receive(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete now.

        Raises:
            ValueError: A frame is too long, or of an unknown kind.
        """
        pending = self._pending
        if pending:
            pending += data
        # Most often nothing is left of what came before.
        source = pending or data
        found = []
        start, size = 0, len(source)
        while size - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(source, start)
            if length > MAX_FRAME:
                raise ValueError(f"a frame of {length} bytes is too long")
            if kind not in _KINDS:
                raise ValueError(f"a frame is of the unknown kind {kind}")
            end = start + _HEAD.size + length
            if end > size:
                break
            payload = bytes(memoryview(source)[start + _HEAD.size : end])
            found.append(Frame(_KINDS[kind], payload))
            start = end
        if pending:
            del pending[:start]
        else:
            pending += data[start:]
        return found


class Hello(NamedTuple):
    """What a worker says first."""

    version: int
    tag: str
    pid: int

    def encode(self) -> bytes:
        """Return it as a payload."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        """Return what a payload says.

        Raises:
            ValueError: It is none.
        """
        found = json.loads(payload)
        match found:
            case {"version": int(version), "tag": str(tag), "pid": int(pid)}:
                return cls(version, tag, pid)
        raise ValueError("no greeting")


def join_parts(about: dict[str, Any], data: bytes) -> bytes:
    """Return a payload of a few values, or of none, and of bytes."""
    text = _encode(about).encode() if about else b""
    return _LENGTH.pack(len(text)) + text + data


def split_parts(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what :func:`join_parts` has joined.

    Raises:
        ValueError: It has not.
    """
    if len(payload) < _LENGTH.size:
        raise ValueError("a payload is cut off")
    (length,) = _LENGTH.unpack_from(payload)
    end = _LENGTH.size + length
    if not length:
        return {}, payload[end:]
    about = json.loads(payload[_LENGTH.size : end].decode())
    if not isinstance(about, dict) or end > len(payload):
        raise ValueError("a payload is malformed")
    return about, payload[end:]


def join_numbers(number: int, hops: int, parts: bytes) -> bytes:
    """Return the payload of a connection.

    Args:
        number: By which it is confirmed.
        hops: How often its request has been handed over.
        parts: Of :func:`join_parts`.
    """
    return _NUMBERS.pack(number, hops) + parts


def split_numbers(payload: bytes) -> tuple[int, int, bytes]:
    """Return what :func:`join_numbers` has joined.

    Raises:
        ValueError: It has not.
    """
    if len(payload) < _NUMBERS.size:
        raise ValueError("a payload is cut off")
    number, hops = _NUMBERS.unpack_from(payload)
    return number, hops, payload[_NUMBERS.size :]
