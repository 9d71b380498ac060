"""One client in one namespace, as handlers of an application hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ..adapters.values import Flags
from ..codec.socket_packet import RESERVED_EVENTS, Packet, PacketType
from ..hints import refuse_keywords
from ..rooms import check_room, rooms_to_join
from .broadcast import Ack, BroadcastOperator
from .emitter import SocketEmitter, others
from .event_names import check_event
from .handshake import Handshake
from .listening import Listening
from .room_selectors import SocketMethods
from .socket_state import SocketState

if TYPE_CHECKING:
    from ..engine.session import Session
    from .client import Client
    from .namespace import Namespace
    from .socket_core import SocketCore

__all__ = ["Socket"]

_EVENT = PacketType.EVENT
_NO_FLAGS = Flags()
# A named tuple's own constructor is a Python function; this is what it calls.
_new_packet = tuple.__new__
# Looking a member up in its enumeration takes longer than a global does (Python 3.11).
_DISCONNECTED = SocketState.DISCONNECTED


class Socket(Listening, SocketMethods):
    """A client in a namespace (Socket.IO documentation, "Server API", "Socket").

    An application may set attributes of its own: ``socket.user = …``.

    Args:
        core: What the server itself does with it.
        auth: What the client has sent to be let in.

    Attributes:
        id: The public id, another one than the session's.
        nsp: The namespace.
        client: The connection, shared by all namespaces of the client.
        handshake: What the client sent when it connected.
        data: A dictionary for the application.
        recovered: Whether the state of an earlier connection was restored.
    """

    _core: SocketCore

    def __init__(self, core: SocketCore, auth: Mapping[str, Any] | None) -> None:
        super().__init__(core)
        self.id: str = core.id
        self.nsp: Namespace = core.namespace.face
        self.client: Client = core.client
        self.handshake: Handshake = Handshake(core.conn, auth)
        self.data: dict[str, Any] = {}
        self.recovered = False

    if TYPE_CHECKING:
        # Attributes of the application. Those above keep their types, for checkers too.
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @property
    def conn(self) -> Session:
        """The Engine.IO session."""
        return self._core.conn

    @property
    def request(self) -> Mapping[str, Any]:
        """The WSGI environ of the first request; RuntimeError when it was released."""
        return self.client.request

    @property
    def connected(self) -> bool:
        """Whether the client is in the namespace."""
        return self._core.state in (SocketState.CONNECTED, SocketState.DISCONNECTING)

    @property
    def disconnected(self) -> bool:
        """The opposite of :attr:`connected`."""
        return not self.connected

    @property
    def rooms(self) -> set[str]:
        """The rooms of the socket, its own id among them; a copy."""
        return self._core.rooms()

    # Emitting

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event to the client; nothing is sent to one that is gone.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.
            ack: ``fn(*args)`` is called with the client's answer.

        Raises:
            ValueError: The name is reserved, a value is NaN or infinite, or the message is above
                ``max_buffered_bytes``.
            TypeError: A value cannot be carried.
        """
        if wrong:
            refuse_keywords("emit", wrong)
        core = self._core
        nsp = core.namespace
        if ack is not None or core.pid or nsp.hub.is_foreign or nsp.observers:
            SocketEmitter(core, _NO_FLAGS).emit(event, *args, ack=ack)
            return
        if event.__class__ is not str or event in RESERVED_EVENTS:
            check_event(event)
        data = (event, *args)
        message = nsp.message_of(_new_packet(Packet, (_EVENT, nsp.name, data, None)))
        if core.state is _DISCONNECTED:
            return
        if core.outgoing:
            core.notify_outgoing(data)
        core.conn.send_message(message)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> Any:
        """Send an event and block until the client has answered.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.

        Returns:
            The answer; one value, a tuple of several, ``None`` for none.

        Raises:
            AckTimeout: There was none within 10 s; ``timeout()`` says otherwise.
            SocketDisconnected: The client has disconnected, or does so meanwhile.
        """
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        return SocketEmitter(self._core, _NO_FLAGS).emit_with_ack(event, *args)

    @property
    def volatile(self) -> SocketEmitter:
        """Emit only if the client can take the packet now."""
        return SocketEmitter(self._core, _NO_FLAGS).volatile

    def compress(self, compress: bool) -> SocketEmitter:
        """Emit with or without compression.

        Args:
            compress: Whether a transport may compress the packet.
        """
        return SocketEmitter(self._core, _NO_FLAGS).compress(compress)

    def timeout(self, seconds: float) -> SocketEmitter:
        """Emit with a time for the acknowledgement, in seconds."""
        return SocketEmitter(self._core, _NO_FLAGS).timeout(seconds)

    def _operator(self) -> BroadcastOperator:
        return others(self._core, _NO_FLAGS)

    # Rooms

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join a room or several; a socket that is disconnected joins none.

        Args:
            rooms: A room, or a list of them.

        Raises:
            TypeError: A room is not a string.
        """
        names = rooms_to_join(rooms)
        if self._core.state is not _DISCONNECTED:
            nsp = self._core.namespace
            nsp.hub.run(nsp.adapter.add_all, self.id, names)

    def leave(self, room: str) -> None:
        """Leave a room; nothing happens when the socket is not in it.

        Raises:
            TypeError: The room is not a string.
        """
        nsp = self._core.namespace
        nsp.hub.run(nsp.adapter.remove, self.id, check_room(room))

    def disconnect(self, close: bool = False, **wrong: NoReturn) -> Socket:
        """Disconnect the client from the namespace.

        Args:
            close: Whether its connection, with all its namespaces, is closed.

        Returns:
            The socket.
        """
        if wrong:
            refuse_keywords("disconnect", wrong)
        core = self._core
        core.namespace.hub.run(core.disconnect, close)
        return self

    def __repr__(self) -> str:
        core = self._core
        return f"<Socket {self.id} in {core.namespace.name} {core.state.name.lower()}>"
