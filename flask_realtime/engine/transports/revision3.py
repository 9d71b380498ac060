"""The WebSocket transport of protocol 3: binary packets begin with their type.

It stands between a session, or its probe, and a WebSocket: packets are translated on their
way through, all else is passed on. Text is the same in both protocols.
"""

from __future__ import annotations

from ...codec.message import BINARY_MESSAGE, Message
from ...codec.payload3 import base64_packet, decode_binary_packet, decode_text_packet
from ...errors import PacketError
from ...reasons import Reason
from .transport import SocketTransport, TransportOwner

__all__ = ["WebSocketTransport3"]


class WebSocketTransport3:
    """Translates for a client of protocol 3.

    Args:
        transport: The WebSocket.
        takes_binary: Whether the client can read binary frames; base64 otherwise.
    """

    __slots__ = ("_owner", "_takes_binary", "_transport")

    name = "websocket"

    def __init__(self, transport: SocketTransport, takes_binary: bool = True) -> None:
        self._transport = transport
        self._takes_binary = takes_binary
        self._owner: TransportOwner | None = None

    @property
    def writable(self) -> bool:
        """Whether a packet would leave at once."""
        return self._transport.writable

    @property
    def buffered_bytes(self) -> int:
        """How many bytes the kernel has not taken yet."""
        return self._transport.buffered_bytes

    def start(self, owner: TransportOwner, leftover: bytes = b"") -> None:
        """Begin to read."""
        self._owner = owner
        self._transport.start(self, leftover)

    def hand_over(self, owner: TransportOwner) -> None:
        """Give what arrives from now on to another owner: the upgrade is done."""
        self._owner = owner

    # What the WebSocket reports

    def receive(self, packet: str | bytes) -> None:
        """Translate a packet of the client."""
        try:
            found = (
                decode_text_packet(packet)
                if isinstance(packet, str)
                else decode_binary_packet(packet)
            )
        except PacketError as error:
            self._transport.abort()
            self.lost(Reason.PARSE_ERROR, error)
        else:
            if self._owner is not None:
                self._owner.receive(found)

    def lost(self, reason: str, description: object = None) -> None:
        """Pass on that the WebSocket is gone."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost(reason, description)

    def drained(self) -> None:
        """Pass on that all that was sent has been handed to the kernel."""
        if self._owner is not None:
            self._owner.drained()

    # What the session asks for

    def send(self, message: Message) -> None:
        """Send the packets of a message; never blocks."""
        form = message.revision3()
        if self._takes_binary or not form.attachments:
            self._transport.send(form)
        else:
            for packet in form.packets():
                self.send_packet(packet)

    def send_packet(self, packet: bytes) -> None:
        """Send a packet in the form that ``codec/payload3.py`` describes."""
        if self._takes_binary and packet[:1] == BINARY_MESSAGE:
            self._transport.send(Message(None, [packet]))
        else:
            self._transport.send_control(base64_packet(packet).decode())

    def send_control(self, packet: str) -> None:
        """Send a packet that is not a message."""
        self._transport.send_control(packet)

    def pause(self) -> None:
        """Stop reading: TCP pushes back on the client."""
        self._transport.pause()

    def resume(self) -> None:
        """Read on."""
        self._transport.resume()

    def close(self, code: int | None = None) -> None:
        """Say goodbye; the owner's ``lost`` follows the client's answer."""
        self._transport.close(code)

    def abort(self) -> None:
        """Give everything back at once."""
        self._owner = None
        self._transport.abort()
