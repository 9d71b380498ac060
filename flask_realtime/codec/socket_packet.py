"""Socket.IO 5 packets (Socket.IO protocol, "Packet encoding").

Text in, :class:`Packet` out, and back. A violation of the protocol raises
:exc:`~flask_realtime.errors.PacketError`; the caller closes the connection.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

from ..errors import PacketError, PacketTooLarge

__all__ = ["RESERVED_EVENTS", "Header", "Packet", "PacketType", "check_packet", "decode_header"]

#: Event names that belong to the protocol: refused on receipt and on emit.
RESERVED_EVENTS: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)

# JavaScript counts acknowledgements exactly up to 2**53: sixteen digits.
_MAX_ID_DIGITS = 16
_DIGITS = frozenset("0123456789")


class PacketType(IntEnum):
    """The first character of a packet."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class Packet(NamedTuple):
    """One Socket.IO packet; binary values stay in ``data`` as ``bytes``."""

    type: PacketType
    namespace: str = "/"
    data: Any = None
    id: int | None = None


class Header(NamedTuple):
    """What precedes the JSON of a packet; ``rest`` is the index at which that begins."""

    type: PacketType
    attachments: int
    namespace: str
    id: int | None
    rest: int


_TYPES = {str(int(member)): member for member in PacketType}
_BINARY = frozenset({PacketType.BINARY_EVENT, PacketType.BINARY_ACK})


def decode_header(text: str, max_attachments: int) -> Header:
    """Read type, attachment count, namespace and acknowledgement id.

    Args:
        text: The packet.
        max_attachments: The largest number of attachments that is accepted.

    Raises:
        PacketError: The type is unknown or the attachment count invalid or above the limit.
    """
    packet_type = _TYPES.get(text[:1])
    if packet_type is None:
        raise PacketError("unknown packet type")
    position = 1
    attachments = 0
    if packet_type in _BINARY:
        attachments, position = _attachment_count(text, max_attachments)
    namespace = "/"
    if text[position : position + 1] == "/":
        comma = text.find(",", position)
        end = len(text) if comma < 0 else comma
        namespace = text[position:end]
        position = min(end + 1, len(text))
    digits = _digits(text, position)
    if len(digits) > _MAX_ID_DIGITS:
        raise PacketError("the acknowledgement id is too long")
    return Header(
        packet_type,
        attachments,
        namespace,
        int(digits) if digits else None,
        position + len(digits),
    )


def _attachment_count(text: str, limit: int) -> tuple[int, int]:
    digits = _digits(text, 1)
    position = 1 + len(digits)
    # Ten digits are enough to be over any limit: never parse more than that.
    if not digits or text[position : position + 1] != "-" or len(digits) > 10:
        raise PacketError("invalid attachment count")
    count = int(digits)
    if count > limit:
        raise PacketTooLarge(f"more than {limit} attachments: max_attachments")
    return count, position + 1


def _digits(text: str, start: int) -> str:
    # One more than any count or id has: a megabyte of digits is not parsed.
    limit = start + _MAX_ID_DIGITS + 1
    end = start
    while end < limit and text[end : end + 1] in _DIGITS:
        end += 1
    return text[start:end]


def check_packet(packet_type: PacketType, data: Any) -> None:
    """Check the payload of a received packet (Socket.IO protocol, "Packet types").

    Raises:
        PacketError: The packet must not carry this payload.
    """
    if not _CHECKS[packet_type](data):
        raise PacketError(f"invalid payload of a {packet_type.name} packet")


def _is_event(data: Any) -> bool:
    if not isinstance(data, list) or not data:
        return False
    name = data[0]
    if isinstance(name, str):
        return name not in RESERVED_EVENTS
    return isinstance(name, (int, float)) and not isinstance(name, bool)


def _is_list(data: Any) -> bool:
    return isinstance(data, list)


_CHECKS = {
    PacketType.CONNECT: lambda data: data is None or isinstance(data, dict),
    PacketType.DISCONNECT: lambda data: data is None,
    PacketType.EVENT: _is_event,
    PacketType.ACK: _is_list,
    PacketType.CONNECT_ERROR: lambda data: isinstance(data, (str, dict)),
    PacketType.BINARY_EVENT: _is_event,
    PacketType.BINARY_ACK: _is_list,
}
