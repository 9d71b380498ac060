"""The WebSocket transport of a connection that has agreed to permessage-deflate (RFC 7692)."""

from __future__ import annotations

from typing import Any

from ...codec.deflate import Compression
from ...codec.message import Message
from ..traffic import Traffic
from .websocket import WebSocketTransport

__all__ = ["DeflateTransport"]


class DeflateTransport(WebSocketTransport):
    """Sends compressed frames.

    A class of its own, so that the transport of all others need not ask at each message.

    Args:
        sock: As for the transport without compression.
        max_size: Bytes of the largest message that is accepted, inflated or not.
        max_buffered: Bytes that may wait for the client.
        traffic: Counts the bytes.
        compression: What this connection uses.
    """

    __slots__ = ("_deflater",)

    def __init__(
        self,
        sock: Any,
        max_size: int,
        max_buffered: int,
        traffic: Traffic,
        compression: Compression,
    ) -> None:
        super().__init__(sock, max_size, max_buffered, traffic, compression.inflate)
        self._deflater = compression.deflater

    def send(self, message: Message) -> None:
        """Send the frames of a message; never blocks on the client."""
        self._write(self._deflater.frames(message))
