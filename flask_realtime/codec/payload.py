"""Polling payloads: packets joined by a record separator (Engine.IO protocol, "HTTP long-polling").

Rule: the caller that reads the body limits its size.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import PacketError, caused
from .engine_packet import SEPARATOR

if TYPE_CHECKING:
    from .message import Message

__all__ = ["Payload", "decode_base64", "decode_payload", "encode_binary", "encode_payload"]

_TYPES = frozenset("0123456")
_SEPARATOR = SEPARATOR.encode()


class Payload:
    """The payloads of protocol 4, for a polling transport."""

    __slots__ = ()

    reads_binary = False

    def packets(self, message: Message) -> Sequence[bytes]:
        """Return the packets of a message."""
        return message.packets()

    def encode(self, packets: Sequence[bytes]) -> tuple[bytes, bool]:
        """Return the body of a response, and ``False``: it is not binary."""
        return encode_payload(packets), False

    def decode(self, body: bytes, is_binary: bool) -> Iterator[str | bytes]:
        """Yield the packets of a POST body; see :func:`decode_payload`."""
        return decode_payload(body)


def encode_payload(packets: Iterable[bytes]) -> bytes:
    """Join encoded packets to the body of a polling response."""
    return _SEPARATOR.join(packets)


def encode_binary(data: bytes | bytearray | memoryview) -> bytes:
    """Return a binary message as the packet of a text payload."""
    return b"b" + b64encode(data)


def decode_payload(body: bytes) -> Iterator[str | bytes]:
    """Yield the packets of a POST body: text with its type digit, or a binary message.

    Raises:
        PacketError: At the first packet that cannot be read; those before it were yielded.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise caused(PacketError("the payload is not UTF-8"), error) from error
    for packet in text.split(SEPARATOR):
        if not packet:
            raise PacketError("empty packet")
        if packet[0] == "b":
            yield decode_base64(packet)
        elif packet[0] in _TYPES:
            yield packet
        else:
            raise PacketError("unknown packet type")


def decode_base64(packet: str) -> bytes:
    """Return the data of a ``b…`` packet; raises :exc:`PacketError` when it is not base64."""
    try:
        return b64decode(packet[1:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise caused(PacketError("invalid base64"), error) from error
