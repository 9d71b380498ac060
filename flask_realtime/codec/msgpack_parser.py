"""The format of the ``socket.io-msgpack-parser`` package: each packet is one binary message.

A packet is a map of ``type``, ``nsp`` and, where there are any, ``data`` and ``id``. Bytes travel
in it as they are; what its values look like is in ``js_msgpack.py``.
"""

from __future__ import annotations

from typing import Any

from ..errors import PacketError
from .carried import MSGPACK, unsendable
from .js_msgpack import JavaScriptMsgpack
from .message import Message
from .socket_packet import Packet, PacketType, check_packet

__all__ = ["MsgpackDecoder", "MsgpackParser"]

_TYPES = {int(member): member for member in PacketType if member <= PacketType.CONNECT_ERROR}
#: As in the default format: JavaScript counts exactly up to sixteen digits.
_MAX_ID = 10**16


class MsgpackParser:
    """A parser for clients with ``parser: require("socket.io-msgpack-parser")``.

    All clients of the server need that parser. Aware ``datetime`` values become ``Date``;
    everything else is as with the default parser.

    Raises:
        ImportError: The ``msgpack`` package is missing.
    """

    def __init__(self) -> None:
        self._packer = JavaScriptMsgpack("msgpack", packs_dates=True)

    def encode(self, packet: Packet, compress: bool = True) -> Message:
        """Return the packet as a message.

        Args:
            packet: The packet.
            compress: Whether a transport may compress the message.

        Raises:
            TypeError: The data holds something that cannot be carried.
            ValueError: It holds NaN, an infinity, an integer beyond 64 bits or a circle.
        """
        packet_type, namespace, data, ack_id = packet
        fields: dict[str, Any] = {"type": int(packet_type), "nsp": namespace}
        try:
            if data is not None:
                fields["data"] = self._packer.plain(data)
            if ack_id is not None:
                fields["id"] = ack_id
            return Message(None, [self._packer.pack_plain(fields)], compress)
        except (TypeError, ValueError) as error:
            raise unsendable(error, packet, MSGPACK) from None

    def decoder(self, max_size: int) -> MsgpackDecoder:
        """Return the decoder of a new client.

        Args:
            max_size: Of no use here: a packet is one message, which transports limit.
        """
        return MsgpackDecoder(self._packer)


class MsgpackDecoder:
    """Decodes the messages of one client.

    Args:
        packer: Unpacks them.
    """

    __slots__ = ("_packer",)

    def __init__(self, packer: JavaScriptMsgpack) -> None:
        self._packer = packer

    def add(self, data: str | bytes) -> Packet:
        """Take one message; return its packet.

        Raises:
            PacketError: The client broke the protocol.
        """
        if isinstance(data, str):
            raise PacketError("text arrived instead of MessagePack: the client uses another parser")
        try:
            fields = self._packer.unpack(data)
        except ValueError as error:
            raise PacketError("invalid MessagePack") from error
        if not isinstance(fields, dict):
            raise PacketError("a packet must be a map")
        number, namespace, ack_id = fields.get("type"), fields.get("nsp"), fields.get("id")
        packet_type = _TYPES.get(number) if type(number) is int else None
        if packet_type is None:
            raise PacketError("unknown packet type")
        if type(namespace) is not str or namespace[:1] != "/":
            raise PacketError("invalid namespace")
        # Channels and headers carry the name, and have no form of a lone surrogate.
        if not (namespace.isascii() or _is_unicode(namespace)):
            raise PacketError("invalid MessagePack: a namespace with a lone surrogate")
        if ack_id is not None and not (type(ack_id) is int and 0 <= ack_id < _MAX_ID):
            raise PacketError("invalid acknowledgement id")
        payload = fields.get("data")
        check_packet(packet_type, payload)
        return Packet(packet_type, namespace, payload, ack_id)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
