"""``socket.volatile``, ``socket.timeout(5)`` and their kin: one client, with modifiers."""

from __future__ import annotations

from typing import Any, Protocol

from ..adapters.base import Flags
from .broadcast import Ack, BroadcastOperator

__all__ = ["FlaggedSocket", "SocketEmitter"]


class FlaggedSocket(Protocol):
    """A socket, as an emitter sees it."""

    def emit_with_flags(
        self, flags: Flags, event: str, args: tuple[Any, ...], ack: Ack | None
    ) -> None:
        """Send an event as ``flags`` say."""

    def wait_with_flags(self, flags: Flags, event: str, args: tuple[Any, ...]) -> Any:
        """Send an event and wait for its acknowledgement as ``flags`` say."""

    def broadcast_operator(self, flags: Flags) -> BroadcastOperator:
        """Return an operator for every other socket."""


class SocketEmitter:
    """Emits to one client with modifiers; each of them returns a new emitter."""

    __slots__ = ("_flags", "_socket")

    def __init__(self, socket: FlaggedSocket, flags: Flags) -> None:
        self._socket = socket
        self._flags = flags

    @property
    def volatile(self) -> SocketEmitter:
        """Emit only if the client can take the packet now."""
        return SocketEmitter(self._socket, self._flags._replace(volatile=True))

    def compress(self, compress: bool) -> SocketEmitter:
        """Emit with or without compression."""
        return SocketEmitter(self._socket, self._flags._replace(compress=bool(compress)))

    def timeout(self, seconds: float) -> SocketEmitter:
        """Set how many seconds the client has to acknowledge."""
        return SocketEmitter(self._socket, self._flags._replace(timeout=seconds))

    def emit(self, event: str, *args: Any, ack: Ack | None = None) -> None:
        """Send an event. After ``timeout()``, ``ack`` is ``fn(error, *args)``."""
        self._socket.emit_with_flags(self._flags, event, args, ack)

    def send(self, *args: Any) -> None:
        """Send a ``message`` event."""
        self.emit("message", *args)

    write = send

    def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and block until the client has answered.

        Raises:
            AckTimeout: It did not in time.
            SocketDisconnected: It is gone.
        """
        return self._socket.wait_with_flags(self._flags, event, args)

    def to(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to rooms, with the same modifiers, this socket left out."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Any) -> BroadcastOperator:
        """The same as :meth:`to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to all but these rooms and this socket."""
        return self.broadcast.except_(*rooms)

    @property
    def broadcast(self) -> BroadcastOperator:
        """Broadcast to every other socket, with the same modifiers."""
        return self._socket.broadcast_operator(self._flags)

    @property
    def local(self) -> BroadcastOperator:
        """Broadcast to the other sockets of this server, with the same modifiers."""
        return self.broadcast.local
