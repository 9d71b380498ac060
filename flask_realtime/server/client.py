"""One session with the namespaces that its client has joined.

Packets are decoded in the hub: acknowledgements are settled at once, events and joins go to the
session's inbox. A client that violates the order of the protocol is disconnected (Socket.IO
protocol, "Connection to a namespace").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..codec.message import Message
from ..codec.socket_packet import Packet, PacketType
from ..engine.session import Session
from ..engine.state import SessionState
from ..errors import ConnectError, PacketError
from ..quoting import named, quoted, shown
from ..reasons import Reason
from .departures import Departures
from .dialect import Dialect, dialect_of

if TYPE_CHECKING:
    from .server import BaseServer
    from .socket import Socket
    from .socket_core import SocketCore

__all__ = ["Client"]

logger = logging.getLogger(__name__)


class Client:
    """The connection of one client; ``socket.client``.

    Attributes:
        conn: The Engine.IO session.
        dialect: How it joins namespaces; it depends on the protocol of the session.
    """

    __slots__ = (
        "_decoder",
        "_departures",
        "_joining",
        "_owner",
        "_size",
        "_sockets",
        "conn",
        "context",
        "dialect",
    )

    def __init__(self, session: Session, owner: BaseServer, max_size: int) -> None:
        self.conn: Session = session
        self.dialect: Dialect = dialect_of(session.protocol)
        self._owner = owner
        self._decoder = owner.parser.decoder(max_size)
        self._sockets: dict[str, SocketCore] = {}
        # Namespaces whose middlewares have not decided yet.
        self._joining: set[str] | None = None
        # Namespaces that the server has disconnected it from, if any.
        self._departures: Departures | None = None
        self._size = 0
        #: What the context of the application keeps for this connection.
        self.context: Any = None

    @property
    def request(self) -> Mapping[str, Any]:
        """The WSGI environ of the first request; RuntimeError when it was released."""
        return self.conn.request

    @property
    def sockets(self) -> list[Socket]:
        """Its sockets, one for each namespace that it has joined."""
        return [core.socket for core in self._sockets.values()]

    def send(self, message: Message) -> None:
        """Send an encoded packet."""
        self.conn.send_message(message)

    def send_packet(self, packet: Packet) -> None:
        """Encode and send a packet."""
        self.conn.send_message(self._owner.parser.encode(packet))

    def begin(self) -> None:
        """Join what the dialect joins without a packet; the session is open now."""
        if self.dialect.joins_at_once:
            self._join("/", {}, 0)

    # What the session reports

    def on_message(self, data: str | bytes) -> None:
        """Take a message of the session."""
        try:
            packet = self._decoder.add(data)
        except PacketError as error:
            logger.debug("! invalid packet from %s: %s", named(self.conn.id[:6]), shown(error))
            self.conn.close(Reason.FORCED_CLOSE, error)
            return
        except Exception as error:
            # A parser of the application that fails otherwise must not reach the hub.
            logger.exception("! the parser failed")
            self.conn.close(Reason.FORCED_CLOSE, error)
            return
        if packet is None:
            self._size += len(data)
            self.conn.count_as_part()
        else:
            size = self._size + len(data)
            self._size = 0
            _ON_PACKET[packet[0]](self, packet, size)

    def on_close(self, reason: str, description: object) -> None:
        """End all sockets: the session is over."""
        self._owner.left(self)
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            socket.on_close(reason, description)
        if self.context is not None:
            # After the handlers that use it.
            self.conn.inbox.put(self.context.release, ())
        if self.conn.inbox.is_idle:
            # No handler is called any more. They refer to the socket, as nearly all do that are
            # made in a connection handler: a circle would wait for the collector of garbage.
            for socket in sockets.values():
                socket.forget_handlers()

    def on_forget(self) -> None:
        """Release the context of the application: the first request was released."""
        context, self.context = self.context, None
        if context is not None:
            # After the handlers that use it, on their greenlet.
            self.conn.inbox.put(context.release, ())

    # Packets

    def _on_connect(self, packet: Packet, size: int) -> None:
        try:
            name, auth = self.dialect.destination(packet)
        except ConnectError as error:
            self.deny(packet.namespace.partition("?")[0], error)
        else:
            self._join(name, auth, size)

    def _join(self, name: str, auth: Any, size: int) -> None:
        if self._joining is None:
            self._joining = set()
        if name in self._sockets or name in self._joining:
            self._violation(f"a second CONNECT for {quoted(name)}")
            return
        self._joining.add(name)
        if self._departures is not None:
            self._departures.forget(name)
        self.conn.inbox.put(self._owner.admit, (self, name, auth), size)

    def _on_event(self, packet: Packet, size: int) -> None:
        _, name, data, ack_id = packet
        socket = self._sockets.get(name) or self._addressed(name)
        if socket is None:
            self._stray("an event", name)
        elif socket.handlers.has_apart or socket.namespace.handlers.has_apart:
            socket.put_event(data, ack_id, size)
        else:
            self.conn.inbox.put(socket.on_event, (data, ack_id), size)

    def _on_ack(self, packet: Packet, size: int) -> None:
        name = packet.namespace
        socket = self._sockets.get(name) or self._addressed(name)
        if socket is None:
            self._stray("an acknowledgement", name)
        else:
            socket.on_ack(packet.id, packet.data)

    def _on_disconnect(self, packet: Packet, size: int) -> None:
        socket = self._sockets.get(packet.namespace) or self._addressed(packet.namespace)
        if socket is None:
            self._stray("a disconnect", packet.namespace)
            if self._departures is not None:
                self._departures.forget(packet.namespace)
        else:
            del self._sockets[socket.namespace.name]
            socket.on_close(Reason.CLIENT_NAMESPACE_DISCONNECT)

    def _on_connect_error(self, packet: Packet, size: int) -> None:
        self._violation("a CONNECT_ERROR from a client")

    def _addressed(self, name: str) -> SocketCore | None:
        # A name that was not joined as it stands: the query of a CONNECT may be repeated.
        return self._sockets.get(self.dialect.namespace_of(name))

    def _stray(self, what: str, name: str) -> None:
        departures = self._departures
        name = self.dialect.namespace_of(name)
        if departures is None or not departures.has(name, self._owner.now()):
            self._violation(f"{what} for {quoted(name)}, which was not joined")

    def _violation(self, what: str) -> None:
        logger.debug("! %s sent %s", named(self.conn.id[:6]), shown(what))
        self.conn.close(Reason.FORCED_SERVER_CLOSE)

    # Joining and leaving

    def add(self, core: SocketCore) -> None:
        """Add a socket that a namespace has let in."""
        name = core.namespace.name
        self._end_joining(name)
        self._sockets[name] = core
        self._owner.joined(self)

    def refuse(self, name: str, message: str) -> None:
        """Tell the client that the server has refused it."""
        self._refuse(name, {"message": message})

    def deny(self, name: str, error: ConnectError) -> None:
        """Tell the client that a middleware of a namespace has refused it."""
        sid = named(self.conn.id[:6])
        logger.info("! %s was refused by %s: %s", sid, named(name), shown(error))
        self._refuse(name, self.dialect.refusal(error))

    def _refuse(self, name: str, payload: Any) -> None:
        self._end_joining(name)
        self.send_packet(Packet(PacketType.CONNECT_ERROR, name, payload))

    def _end_joining(self, name: str) -> None:
        if self._joining is not None:
            self._joining.discard(name)
            if not self._joining:
                self._joining = None

    def remove(self, core: SocketCore) -> None:
        """Remove a socket that has left its namespace."""
        name = core.namespace.name
        if self._sockets.get(name) is core:
            del self._sockets[name]
            if core.end_reason == Reason.SERVER_NAMESPACE_DISCONNECT:
                self._departures = self._departures or Departures()
                self._departures.add(name, self._owner.now())

    def join_timed_out(self) -> None:
        """Close the connection of a client that has joined no namespace in time."""
        logger.debug("! session %s has joined no namespace in time", named(self.conn.id[:6]))
        self.conn.close(Reason.FORCED_SERVER_CLOSE)

    @property
    def is_open(self) -> bool:
        """Whether the session is open."""
        return self.conn.state is SessionState.OPEN

    def disconnect(self) -> None:
        """Leave every namespace, then close the connection."""
        for socket in self.sockets:
            socket.disconnect()
        self.conn.close(Reason.FORCED_SERVER_CLOSE)


_ON_PACKET: dict[PacketType, Callable[[Client, Packet, int], None]] = {
    PacketType.CONNECT: Client._on_connect,
    PacketType.DISCONNECT: Client._on_disconnect,
    PacketType.EVENT: Client._on_event,
    PacketType.ACK: Client._on_ack,
    PacketType.CONNECT_ERROR: Client._on_connect_error,
    PacketType.BINARY_EVENT: Client._on_event,
    PacketType.BINARY_ACK: Client._on_ack,
}
