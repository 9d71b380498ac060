"""Polling payloads of Engine.IO protocol 3: each packet behind its length.

A text payload is ``<length>:<packet>…``, where the length counts UTF-16 code units, as
JavaScript does. A binary payload is, for each packet, a byte that says whether it is text (0)
or binary (1), the decimal digits of its length in bytes as one byte each, 255, and the packet.
A binary packet begins with its type as a byte; in text it is ``b``, the digit and base64.

Rule: the caller that reads the body limits its size.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from typing import Final

from ..errors import PacketError
from .message import BINARY_MESSAGE, Message
from .payload import decode_base64

__all__ = ["Payload3", "base64_packet", "decode_binary_packet", "decode_text_packet"]

_TYPES = frozenset("0123456")
# More digits than the length of any body has: a megabyte of them is not parsed.
_MAX_DIGITS: Final = 10
_IS_TEXT, _IS_BINARY, _END_OF_LENGTH = 0, 1, 255
# The first byte, in UTF-8, of a character that has two code units in UTF-16.
_WIDE = b"\xf0\xf1\xf2\xf3\xf4"
_TO_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))


class Payload3:
    """The payloads of one session of protocol 3.

    Between :meth:`packets` and :meth:`encode` a binary packet has its type in front, as a byte.

    Args:
        takes_binary: Whether the client can read binary responses; base64 otherwise.
    """

    __slots__ = ("_takes_binary",)

    reads_binary = True

    def __init__(self, takes_binary: bool = True) -> None:
        self._takes_binary = takes_binary

    def packets(self, message: Message) -> Sequence[bytes]:
        """Return the packets of a message."""
        return message.revision3().packets()

    def encode(self, packets: Sequence[bytes]) -> tuple[bytes, bool]:
        """Return the body of a response, and whether it is binary."""
        if any(packet[:1] == BINARY_MESSAGE for packet in packets):
            if self._takes_binary:
                return b"".join([_binary_part(packet) for packet in packets]), True
            packets = [base64_packet(packet) for packet in packets]
        return b"".join([b"%d:%b" % (_code_units(packet), packet) for packet in packets]), False

    def decode(self, body: bytes, is_binary: bool) -> Iterator[str | bytes]:
        """Yield the packets of a POST body: text with its type digit, or a binary message.

        Raises:
            PacketError: At the first packet that cannot be read; those before it were yielded.
        """
        if not body:
            raise PacketError("the payload is empty")
        return _decode_binary(body) if is_binary else _decode_text(body)


def base64_packet(packet: bytes) -> bytes:
    """Return a binary packet as text; a packet that is text is returned as it is."""
    if packet[:1] != BINARY_MESSAGE:
        return packet
    return b"b4" + b2a_base64(packet[1:], newline=False)


def decode_text_packet(packet: str) -> str | bytes:
    """Return a packet that arrived as text: with its type digit, or the data of ``b4…``.

    Raises:
        PacketError: It has no type, or is not base64.
    """
    kind = packet[:1]
    if kind == "b":
        if packet[1:2] != "4":
            raise PacketError("only a message can be binary")
        return decode_base64(packet[1:])
    if kind not in _TYPES:
        raise PacketError("unknown packet type")
    return packet


def decode_binary_packet(packet: bytes) -> bytes:
    """Return the data of a packet that arrived as bytes.

    Raises:
        PacketError: Its first byte does not say that it is a message.
    """
    if packet[:1] != BINARY_MESSAGE:
        raise PacketError("only a message can be binary")
    return packet[1:]


def _code_units(packet: bytes) -> int:
    if packet.isascii():
        return len(packet)
    return len(packet.decode().encode("utf-16-le")) // 2


def _binary_part(packet: bytes) -> bytes:
    kind = _IS_BINARY if packet[:1] == BINARY_MESSAGE else _IS_TEXT
    digits = str(len(packet)).encode().translate(_TO_VALUES)
    return b"%c%b\xff%b" % (kind, digits, packet)


def _decode_text(body: bytes) -> Iterator[str | bytes]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PacketError("the payload is not UTF-8") from error
    parts = _split_wide(text) if any(lead in body for lead in _WIDE) else _split(text)
    for packet in parts:
        # Clients send an empty part for a payload without packets.
        if packet:
            yield decode_text_packet(packet)


def _split(text: str) -> Iterator[str]:
    position, size = 0, len(text)
    while position < size:
        colon = text.find(":", position, position + _MAX_DIGITS + 1)
        start = colon + 1
        position = start + _length(text[position:colon] if colon >= 0 else "")
        if position > size:
            raise PacketError("a packet is shorter than its length says")
        yield text[start:position]


def _split_wide(text: str) -> Iterator[str]:
    # Characters beyond the first plane count twice: here a code unit is always two bytes.
    units = text.encode("utf-16-le")
    position, size = 0, len(units) // 2
    while position < size:
        head = units[2 * position : 2 * (position + _MAX_DIGITS + 1)].decode("utf-16-le", "replace")
        digits, colon, _ = head.partition(":")
        start = position + len(digits) + 1
        position = start + _length(digits if colon else "")
        if position > size:
            raise PacketError("a packet is shorter than its length says")
        try:
            yield units[2 * start : 2 * position].decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise PacketError("a length ends inside a character") from error


def _length(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise PacketError("invalid length of a packet")
    return int(digits)


def _decode_binary(body: bytes) -> Iterator[str | bytes]:
    position, size = 0, len(body)
    while position < size:
        kind = body[position]
        end = body.find(_END_OF_LENGTH, position, position + _MAX_DIGITS + 2)
        digits = body[position + 1 : end] if end > position else b""
        if kind not in (_IS_TEXT, _IS_BINARY) or not digits or max(digits) > 9:
            raise PacketError("invalid length of a packet")
        start = end + 1
        position = start + int("".join(map(str, digits)))
        if position > size:
            raise PacketError("a packet is shorter than its length says")
        packet = body[start:position]
        if kind == _IS_BINARY:
            yield decode_binary_packet(packet)
            continue
        try:
            yield decode_text_packet(packet.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise PacketError("the packet is not UTF-8") from error
