"""Binary values of received packets: placeholders back to bytes.

Socket.IO protocol, "Binary event".
"""

from __future__ import annotations

from typing import Any

from ..errors import PacketError, PacketTooLarge
from .socket_packet import Packet

__all__ = ["Reassembly", "fill_placeholders"]

_SCALARS = frozenset({str, int, float, bool, type(None)})


def fill_placeholders(data: Any, attachments: list[bytes]) -> Any:
    """Replace each placeholder by the attachment that it names.

    Clients write one attachment for each placeholder. An attachment that is named twice is
    refused: it would be copied for each name when the data is sent on, and a small packet could
    become gigabytes.

    Args:
        data: The JSON of a packet; it is not changed.
        attachments: Its attachments, in order.

    Raises:
        PacketError: A placeholder does not name one of the attachments, two name the same one,
            or one of the attachments has no name.
    """
    unnamed: list[bytes | None] = [*attachments]
    filled = _fill(data, unnamed)
    if unnamed.count(None) < len(unnamed):
        raise PacketError("no placeholder names one of the attachments")
    return filled


def _fill(data: Any, unnamed: list[bytes | None]) -> Any:
    # Most items are scalars: checked here, they cost no call.
    if isinstance(data, list):
        return [item if item.__class__ in _SCALARS else _fill(item, unnamed) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {
            key: item if item.__class__ in _SCALARS else _fill(item, unnamed)
            for key, item in data.items()
        }
    index = data.get("num")
    # bool is a subclass of int: {"num": true} must not pass as an index.
    if type(index) is not int or not 0 <= index < len(unnamed):
        raise PacketError("illegal attachments")
    attachment = unnamed[index]
    if attachment is None:
        raise PacketError("two placeholders name the same attachment")
    unnamed[index] = None
    return attachment


class Reassembly:
    """A binary packet whose attachments are still arriving.

    Args:
        packet: The packet with placeholders in its data.
        count: Number of attachments that follow, within the limit.
        max_size: Bytes that they may have together.
    """

    __slots__ = ("_attachments", "_count", "_packet", "_room")

    def __init__(self, packet: Packet, count: int, max_size: int) -> None:
        self._packet = packet
        self._count = count
        self._room = max_size
        self._attachments: list[bytes] = []

    def add(self, data: bytes) -> Packet | None:
        """Take the next attachment; return the packet with the last one.

        Raises:
            PacketError: The attachments are too large, or a placeholder is wrong.
        """
        self._room -= len(data)
        if self._room < 0:
            raise PacketTooLarge("the attachments of a packet are too large: max_http_buffer_size")
        self._attachments.append(data)
        if len(self._attachments) < self._count:
            return None
        return self.packet()

    def packet(self) -> Packet:
        """Return the packet with its placeholders filled."""
        try:
            data = fill_placeholders(self._packet.data, self._attachments)
        except RecursionError:
            raise PacketError("the data is nested too deeply") from None
        return self._packet._replace(data=data)
