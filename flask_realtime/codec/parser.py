"""The parser of a server: packets to messages, and what clients send back to packets.

A parser is a seam: the server depends on :class:`Parser` alone.
"""

from __future__ import annotations

import json as standard_json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol

from ..errors import PacketError
from .attachments import Reassembly
from .carried import unsendable
from .json_codec import JSONCodec, best_codec, wrap_module
from .message import Message
from .socket_packet import (
    RESERVED_EVENTS,
    Packet,
    PacketType,
    check_packet,
    decode_header,
)

__all__ = ["Decoder", "DefaultParser", "Parser"]

_EVENT = PacketType.EVENT
_BINARY_OF = {PacketType.EVENT: b"5", PacketType.ACK: b"6"}
# Type, sixteen digits of an id, and the bracket where the JSON begins.
_EVENT_HEAD = 18
# The constructor of a named tuple is a Python function; this is what it calls.
_new_packet = tuple.__new__
_NONE: list[bytes] = []
#: What nearly all clients begin with.
_JOIN = Packet(PacketType.CONNECT, "/")
_PLAIN_OF = {member: b"%d" % member for member in PacketType}
_HAS_ATTACHMENTS = frozenset({PacketType.BINARY_EVENT, PacketType.BINARY_ACK})


class Decoder(Protocol):
    """Decodes the messages of one client, in order."""

    def add(self, data: str | bytes) -> Packet | None:
        """Take one message; return the packet that it completes, if any.

        Raises:
            PacketError: The client broke the protocol.
        """


class Parser(Protocol):
    """Encodes packets for all clients, and makes a decoder for each client."""

    def encode(self, packet: Packet, compress: bool = True) -> Message:
        """Return the packet as a message.

        Args:
            packet: The packet.
            compress: Whether a transport may compress the message.

        Raises:
            TypeError, ValueError: The data holds something that cannot be encoded.
        """

    def decoder(self, max_size: int) -> Decoder:
        """Return the decoder of a new client.

        Args:
            max_size: Bytes that all attachments of one packet may have together.
        """


class DefaultParser:
    """The format of the ``socket.io-parser`` package: JSON, and attachments for bytes.

    Args:
        json: A module with ``dumps`` and ``loads``; orjson or the standard library by default.
        max_attachments: How many attachments a received packet may have.
        dumps: ``fn(value)`` returns JSON, in place of that of ``json``.
        loads: ``fn(text)`` returns the value of a JSON text, in place of that of ``json``.

    Raises:
        TypeError: One of the two functions is missing or not callable.
    """

    def __init__(
        self,
        json: Any = None,
        max_attachments: int = 10,
        *,
        dumps: Callable[[Any], str | bytes] | None = None,
        loads: Callable[[str], Any] | None = None,
    ) -> None:
        if dumps is not None or loads is not None:
            json = SimpleNamespace(
                dumps=dumps or getattr(json, "dumps", standard_json.dumps),
                loads=loads or getattr(json, "loads", standard_json.loads),
            )
        self._codec: JSONCodec = best_codec() if json is None else wrap_module(json)
        self._encode = self._codec.encode
        self._max_attachments = max_attachments

    def encode(self, packet: Packet, compress: bool = True) -> Message:
        """Return the packet as a message (Socket.IO protocol, "Packet encoding").

        Args:
            packet: The packet.
            compress: Whether a transport may compress the message.

        Raises:
            TypeError: The data holds something that cannot be carried; bytes, unless the packet
                is an event or an acknowledgement.
            ValueError: It holds NaN, an infinity, an integer beyond all doubles or a circle.
        """
        packet_type, namespace, data, ack_id = packet
        try:
            body, attachments = (b"", _NONE) if data is None else self._encode(data)
        except (TypeError, ValueError) as error:
            if self._codec.carrier is None:
                raise
            raise unsendable(error, packet, self._codec.carrier) from None
        if attachments:
            if packet_type not in _BINARY_OF:
                raise TypeError(f"a {packet_type.name} packet cannot carry bytes")
            prefix = b"%b%d-" % (_BINARY_OF[packet_type], len(attachments))
        else:
            prefix = _PLAIN_OF[packet_type]
        if namespace != "/":
            prefix += namespace.encode() + b","
        if ack_id is not None:
            prefix += b"%d" % ack_id
        return Message(prefix + body, attachments, compress)

    def decoder(self, max_size: int) -> DefaultDecoder:
        """Return the decoder of a new client.

        Args:
            max_size: Bytes that all attachments of one packet may have together.
        """
        return DefaultDecoder(self._codec, self._max_attachments, max_size)


class DefaultDecoder:
    """See :class:`Decoder`."""

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
            raise PacketError("invalid JSON") from error
