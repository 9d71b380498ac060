"""The methods of servers, namespaces and sockets that begin a broadcast.

Each of them makes a new :class:`BroadcastOperator`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..hints import refuse_keywords
from .broadcast import Ack, BroadcastOperator

if TYPE_CHECKING:
    from .remote_socket import RemoteSocket
    from .socket import Socket

__all__ = ["Broadcaster", "RoomSelectors", "SocketMethods"]


class RoomSelectors:
    """Select the sockets of a broadcast by their rooms."""

    __slots__ = ()

    def _operator(self) -> BroadcastOperator:
        """Return a new operator for every socket that a broadcast reaches without selectors."""
        raise NotImplementedError

    def to(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to rooms. See :meth:`BroadcastOperator.to`."""
        return self._operator().to(*rooms)

    def in_(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to rooms. See :meth:`BroadcastOperator.in_`."""
        return self._operator().in_(*rooms)

    def except_(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to all but these rooms. See :meth:`BroadcastOperator.except_`."""
        return self._operator().except_(*rooms)

    @property
    def local(self) -> BroadcastOperator:
        """Broadcast to the sockets of this server only."""
        return self._operator().local


class SocketMethods(RoomSelectors):
    """What a socket and a :class:`SocketEmitter` have in common."""

    __slots__ = ()

    def emit(self, event: str, *args: Any) -> None:
        """Send an event to the client."""
        raise NotImplementedError

    def send(self, *args: Any, **wrong: NoReturn) -> None:
        """Send a ``message`` event with the arguments ``args``; see :meth:`emit`."""
        if wrong:
            refuse_keywords("send", wrong)
        self.emit("message", *args)

    write = send

    @property
    def broadcast(self) -> BroadcastOperator:
        """Broadcast to every socket but this one, with the same modifiers."""
        return self._operator()


class Broadcaster(RoomSelectors):
    """The broadcasting methods of a namespace and of the server."""

    @property
    def volatile(self) -> BroadcastOperator:
        """Broadcast to the clients that can take it now."""
        return self._operator().volatile

    def compress(self, compress: bool) -> BroadcastOperator:
        """Broadcast with or without compression. See :meth:`BroadcastOperator.compress`."""
        return self._operator().compress(compress)

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Broadcast with a time for acknowledgements, in seconds."""
        return self._operator().timeout(seconds)

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event to every client. See :meth:`BroadcastOperator.emit`."""
        if wrong:
            refuse_keywords("emit", wrong)
        self._operator().emit(event, *args, ack=ack)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> list[Any]:
        """Send an event to every client and return their answers.

        See :meth:`BroadcastOperator.emit_with_ack`.
        """
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        return self._operator().emit_with_ack(event, *args)

    def send(self, *args: Any, **wrong: NoReturn) -> None:
        """Send a ``message`` event with the arguments ``args`` to every client."""
        if wrong:
            refuse_keywords("send", wrong)
        self._operator().emit("message", *args)

    write = send

    def fetch_sockets(self) -> list[Socket | RemoteSocket]:
        """Return every socket, on all servers. See :meth:`BroadcastOperator.fetch_sockets`."""
        return self._operator().fetch_sockets()

    def all_sockets(self) -> set[str]:
        """Return the id of every socket, on all servers, as older versions did."""
        return self._operator().all_sockets()

    def sockets_join(self, *rooms: Any) -> None:
        """Make every socket join a room or a list of rooms."""
        self._operator().sockets_join(*rooms)

    def sockets_leave(self, *rooms: Any) -> None:
        """Make every socket leave a room or a list of rooms."""
        self._operator().sockets_leave(*rooms)

    def disconnect_sockets(self, close: bool = False, **wrong: NoReturn) -> None:
        """Disconnect every socket.

        Args:
            close: Whether their connections, with all their namespaces, are closed.
        """
        if wrong:
            refuse_keywords("disconnect_sockets", wrong)
        self._operator().disconnect_sockets(close)
