"""A socket of another server, as ``fetch_sockets()`` returns it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from ..adapters.values import Flags, RemoteState, Target
from ..errors import AckTimeout, SocketDisconnected
from ..hints import refuse_keywords
from ..rooms import check_room, rooms_to_join
from .acks import all_values
from .broadcast import BroadcastOperator, check_timeout

if TYPE_CHECKING:
    from .namespace_core import NamespaceCore

__all__ = ["RemoteHandshake", "RemoteSocket"]

_NO_FLAGS = Flags()


class RemoteHandshake:
    """What the client sent when it connected to its server; see ``socket.handshake``.

    The attributes are those of a socket of this server: ``headers``, ``time``, ``issued``,
    ``address``, ``xdomain``, ``secure``, ``url``, ``query`` and ``auth``. What the other
    server has left out is ``None``.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.headers: Any = values.get("headers")
        self.time: Any = values.get("time")
        self.issued: Any = values.get("issued")
        self.address: Any = values.get("address")
        self.xdomain: Any = values.get("xdomain")
        self.secure: Any = values.get("secure")
        self.url: Any = values.get("url")
        self.query: Any = values.get("query")
        self.auth: Any = values.get("auth")

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes."""
        return dict(vars(self))


class _OneClient(BroadcastOperator):
    """A broadcast to the room of one client, whose whole answer counts."""

    __slots__ = ()

    _value_of = staticmethod(all_values)


class RemoteSocket:
    """A socket of another server (Socket.IO documentation, "Server API", ``fetchSockets``).

    Its methods act on that server; its attributes are those of the moment it was fetched.

    Args:
        namespace: The namespace here.
        state: What the other server has told of it.
        flags: How it is emitted to.

    Attributes:
        id: The public id.
        handshake: What its client sent when it connected.
        rooms: Its rooms.
        data: What the application keeps for it; changes stay here.
    """

    def __init__(
        self, namespace: NamespaceCore, state: RemoteState, flags: Flags = _NO_FLAGS
    ) -> None:
        self.id: str = state.id
        self.handshake: RemoteHandshake = RemoteHandshake(state.handshake)
        self.rooms: set[str] = set(state.rooms)
        self.data: dict[str, Any] = state.data
        self._namespace = namespace
        self._state = state
        self._flags = flags

    def timeout(self, seconds: float) -> RemoteSocket:
        """Return the same socket with a time for acknowledgements, in seconds."""
        flags = self._flags._replace(timeout=check_timeout(seconds))
        return RemoteSocket(self._namespace, self._state, flags)

    def emit(self, event: str, *args: Any, **wrong: NoReturn) -> None:
        """Send an event to the client; raises what :meth:`Socket.emit` raises."""
        if wrong:
            refuse_keywords("emit", wrong)
        self._operator.emit(event, *args)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> Any:
        """Send an event and block until the client has answered.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.

        Returns:
            The answer; one value, a tuple of several, ``None`` for none. Servers of Node pass
            on the first value only.

        Raises:
            AckTimeout: There was none within ``timeout()``, 10 s by default.
            SocketDisconnected: No server has the client any more.
        """
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        try:
            answers = self._operator.emit_with_ack(event, *args)
        except AckTimeout as error:
            if not error.responses:
                raise
            answers = error.responses
        if not answers:
            raise SocketDisconnected("it is on no server")
        return answers[0]

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join a room or several.

        Args:
            rooms: A room, or a list of them.

        Raises:
            TypeError: A room is not a string.
        """
        self._operator.sockets_join(rooms_to_join(rooms))

    def leave(self, room: str) -> None:
        """Leave a room; raises ``TypeError`` for what is not a string."""
        self._operator.sockets_leave(check_room(room))

    def disconnect(self, close: bool = False, **wrong: NoReturn) -> RemoteSocket:
        """Disconnect the client.

        Args:
            close: Whether its connection, with all its namespaces, is closed.

        Returns:
            The socket.
        """
        if wrong:
            refuse_keywords("disconnect", wrong)
        self._operator.disconnect_sockets(close)
        return self

    @property
    def _operator(self) -> BroadcastOperator:
        return _OneClient(self._namespace, Target(frozenset((self.id,)), flags=self._flags))

    def __repr__(self) -> str:
        return f"<RemoteSocket {self.id} in {self._namespace.name}>"
