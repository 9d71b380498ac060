"""The decoder of the default parser: what a client sends, to packets.

Socket.IO protocol, "Packet encoding".
"""

from __future__ import annotations

from typing import Any

from ..errors import PacketError, caused
from .attachments import Reassembly
from .json_codec import JSONCodec
from .socket_packet import (
    RESERVED_EVENTS,
    Packet,
    PacketType,
    check_packet,
    decode_header,
)

__all__ = ["DefaultDecoder"]

_EVENT = PacketType.EVENT
# Type, sixteen digits of an id, and the bracket where the JSON begins.
_EVENT_HEAD = 18
# The constructor of a named tuple is a Python function; this is what it calls.
_new_packet = tuple.__new__
#: What nearly all clients begin with.
_JOIN = Packet(PacketType.CONNECT, "/")
_HAS_ATTACHMENTS = frozenset({PacketType.BINARY_EVENT, PacketType.BINARY_ACK})


class DefaultDecoder:
    """Decodes the messages of one client, in order.

    Args:
        codec: Reads JSON.
        max_attachments: How many attachments a packet may have.
        max_size: Bytes that all attachments of one packet may have together.
    """

    __slots__ = ("_codec", "_loads", "_max_attachments", "_max_size", "_pending")

    def __init__(self, codec: JSONCodec, max_attachments: int, max_size: int) -> None:
        self._codec = codec
        self._loads = codec.quick_decode
        self._max_attachments = max_attachments
        self._max_size = max_size
        self._pending: Reassembly | None = None

    def add(self, data: str | bytes) -> Packet | None:
        """Take one message; return the packet that it completes, if any.

        Raises:
            PacketError: The client broke the protocol.
        """
        if isinstance(data, str):
            if self._pending is not None:
                raise PacketError("text arrived while attachments were expected")
            if data[:1] != "2":
                return _JOIN if data == "0" else self._decode(data)
            # The hot path: an event for the main namespace, perhaps with an acknowledgement.
            start = data.find("[", 1, _EVENT_HEAD)
            ack_id = None
            if start != 1:
                digits = data[1:start]
                if start < 0 or not (digits.isascii() and digits.isdigit()):
                    return self._decode(data)
                ack_id = int(digits)
            try:
                event = self._loads(data[start:])
            except ValueError:
                event = self._load(data[start:])
            if not event or event[0].__class__ is not str or event[0] in RESERVED_EVENTS:
                check_packet(_EVENT, event)
            return _new_packet(Packet, (_EVENT, "/", event, ack_id))
        if self._pending is None:
            raise PacketError("an attachment arrived that no packet announced")
        packet = self._pending.add(data)
        if packet is not None:
            self._pending = None
        return packet

    def _decode(self, text: str) -> Packet | None:
        packet_type, attachments, namespace, ack_id, rest = decode_header(
            text, self._max_attachments
        )
        data = None
        if rest < len(text):
            data = self._load(text[rest:])
            if data is None:
                raise PacketError("a payload must not be null")
        check_packet(packet_type, data)
        packet = Packet(packet_type, namespace, data, ack_id)
        if packet_type not in _HAS_ATTACHMENTS:
            return packet
        pending = Reassembly(packet, attachments, self._max_size)
        if attachments:
            self._pending = pending
            return None
        return pending.packet()

    def _load(self, text: str) -> Any:
        try:
            return self._codec.decode(text)
        except ValueError as error:
            raise caused(PacketError("invalid JSON"), error) from error
