"""The parser of a server: packets to messages, and what clients send back to packets.

A parser is a seam: the server depends on :class:`Parser` alone.
"""

from __future__ import annotations

import json as standard_json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol

from .carried import unsendable
from .decoder import DefaultDecoder
from .json_codec import JSONCodec, best_codec, wrap_module
from .message import Message
from .socket_packet import Packet, PacketType

__all__ = ["Decoder", "DefaultParser", "Parser"]

_BINARY_OF = {PacketType.EVENT: b"5", PacketType.ACK: b"6"}
_NONE: list[bytes] = []
_PLAIN_OF = {member: b"%d" % member for member in PacketType}


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
