"""The first words of broadcasts, as methods of servers, namespaces and sockets.

Each begins with a fresh :class:`BroadcastOperator`.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..hints import refuse_keywords
from .broadcast import Ack, BroadcastOperator

__all__ = ["Broadcaster", "RoomWords", "SocketWords"]


class RoomWords:
    """The words that say whom a broadcast is for; each begins with a fresh operator."""

    __slots__ = ()

    def broadcast_operator(self) -> BroadcastOperator:
        """Return an operator for every socket that is meant without another word."""
        raise NotImplementedError

    def to(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to rooms. See :meth:`BroadcastOperator.to`."""
        return self.broadcast_operator().to(*rooms)

    def in_(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to rooms. See :meth:`BroadcastOperator.in_`."""
        return self.broadcast_operator().in_(*rooms)

    def except_(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to all but these rooms. See :meth:`BroadcastOperator.except_`."""
        return self.broadcast_operator().except_(*rooms)

    @property
    def local(self) -> BroadcastOperator:
        """Broadcast to the sockets of this server only."""
        return self.broadcast_operator().local


class SocketWords(RoomWords):
    """The words of a socket, with or without modifiers."""

    __slots__ = ()

    def emit(self, event: str, *args: Any) -> None:
        """Send an event to the client."""
        raise NotImplementedError

    def send(self, *args: Any, **wrong: NoReturn) -> None:
        """Send a ``message`` event."""
        if wrong:
            refuse_keywords("send", wrong)
        self.emit("message", *args)

    write = send

    @property
    def broadcast(self) -> BroadcastOperator:
        """Broadcast to every socket but this one, with the same modifiers."""
        return self.broadcast_operator()


class Broadcaster(RoomWords):
    """The broadcasting methods of a namespace and of the server."""

    @property
    def volatile(self) -> BroadcastOperator:
        """Broadcast to the clients that can take it now."""
        return self.broadcast_operator().volatile

    def compress(self, compress: bool) -> BroadcastOperator:
        """Broadcast with or without compression."""
        return self.broadcast_operator().compress(compress)

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Broadcast with a time for acknowledgements, in seconds."""
        return self.broadcast_operator().timeout(seconds)

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event to every client. See :meth:`BroadcastOperator.emit`."""
        if wrong:
            refuse_keywords("emit", wrong)
        self.broadcast_operator().emit(event, *args, ack=ack)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> list[Any]:
        """Send an event to every client and return their answers."""
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        return self.broadcast_operator().emit_with_ack(event, *args)

    def send(self, *args: Any, **wrong: NoReturn) -> None:
        """Send a ``message`` event to every client."""
        if wrong:
            refuse_keywords("send", wrong)
        self.broadcast_operator().emit("message", *args)

    write = send

    def fetch_sockets(self) -> list[Any]:
        """Return every socket, on all servers."""
        return self.broadcast_operator().fetch_sockets()

    def all_sockets(self) -> set[str]:
        """Return the id of every socket, on all servers; older code asks so."""
        return self.broadcast_operator().all_sockets()

    def sockets_join(self, *rooms: Any) -> None:
        """Make every socket join a room or a list of rooms."""
        self.broadcast_operator().sockets_join(*rooms)

    def sockets_leave(self, *rooms: Any) -> None:
        """Make every socket leave a room or a list of rooms."""
        self.broadcast_operator().sockets_leave(*rooms)

    def disconnect_sockets(self, close: bool = False, **wrong: NoReturn) -> None:
        """Disconnect every socket."""
        if wrong:
            refuse_keywords("disconnect_sockets", wrong)
        self.broadcast_operator().disconnect_sockets(close)
