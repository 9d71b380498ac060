"""What a session and its transport know of each other."""

from __future__ import annotations

from typing import Protocol

from ...codec.message import Message

__all__ = ["SocketTransport", "Transport", "TransportOwner"]


class TransportOwner(Protocol):
    """The session, as its transport sees it."""

    def receive(self, packet: str | bytes) -> None:
        """Take one packet: text with its type digit, or a binary message."""

    def lost(self, reason: str, description: object = None) -> None:
        """Take note that the transport is gone or must go: nothing can be sent any more."""

    def drained(self) -> None:
        """Take note that all that was sent has been handed to the kernel or the response."""


class Transport(Protocol):
    """A way for packets, as the session sees it."""

    @property
    def name(self) -> str:
        """``"polling"`` or ``"websocket"``."""

    @property
    def writable(self) -> bool:
        """Whether a packet would leave at once; volatile packets are dropped otherwise."""

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait for the client."""

    def send(self, message: Message) -> None:
        """Send a message; never blocks."""

    def send_control(self, packet: str) -> None:
        """Send a packet that is not a message, such as ``"2"``."""

    def pause(self) -> None:
        """Stop reading from the client."""

    def resume(self) -> None:
        """Read on."""

    def close(self, code: int | None = None) -> None:
        """Deliver what is buffered, say goodbye, then call the owner's ``lost``."""

    def abort(self) -> None:
        """Give everything back at once."""


class SocketTransport(Transport, Protocol):
    """A transport with a socket of its own, as upgrades and requests see it."""

    def start(self, owner: TransportOwner, leftover: bytes = b"") -> None:
        """Begin to read; ``leftover`` is what the host had read beyond the request."""

    def hand_over(self, owner: TransportOwner) -> None:
        """Give what arrives from now on to another owner: the upgrade is done."""

    def send_packet(self, packet: bytes) -> None:
        """Send a packet that a polling transport had buffered."""
