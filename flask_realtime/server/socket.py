"""One client in one namespace: what handlers of the application hold in their hands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ..adapters.base import AckCollector, Flags, RemoteState, Target
from ..adapters.memory_log import SavedSession
from ..codec.message import Message
from ..codec.socket_packet import RESERVED_EVENTS, Packet, PacketType
from ..engine.session import Session
from ..hints import refuse_keywords
from ..reasons import Reason
from ..rooms import check_room, rooms_to_join
from ..transitions import check_move
from .acks import AckTable
from .broadcast import Ack, BroadcastOperator, check_event
from .dispatch import ask_middlewares, dispatch
from .emitter import SocketEmitter
from .event_names import note_unhandled
from .handlers import Handler, Runner
from .handshake import Handshake
from .listening import Listening
from .socket_namespace import SocketNamespace
from .socket_state import SOCKET_MOVES, SocketState
from .words import SocketWords

if TYPE_CHECKING:
    from .client import Client
from ..quoting import named, shown

__all__ = ["Socket", "SocketState"]

logger = logging.getLogger(__name__)

_EVENT, _ACK = PacketType.EVENT, PacketType.ACK
_LIFECYCLE = frozenset({"disconnecting", "disconnect"})
_NO_FLAGS = Flags()
# A named tuple's own constructor is a Python function; this is what it calls.
_new_packet = tuple.__new__

# Looking a member up in its enumeration takes longer than a global does (Python 3.11).
_DISCONNECTED = SocketState.DISCONNECTED


class Socket(Listening, SocketWords):
    """A client in a namespace (Socket.IO documentation, "Server API", "Socket").

    Attributes:
        id: The public id, another one than the session's.
        nsp: The namespace.
        client: The connection, shared by all namespaces of the client.
        handshake: What the client sent when it connected.
        data: A dictionary for the application.
        recovered: Whether the state of an earlier connection was restored.
        pid: The private id under which the state of the socket is kept, from the moment it is
            let in; empty without connection state recovery.
        known_offset: What the client has received at least, of the packets that are kept.
    """

    def __init__(self, sid: str, nsp: Any, client: Client, auth: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.id = sid
        self.nsp = nsp
        self.client = client
        self.handshake = Handshake(client.conn, auth)
        self.data: dict[str, Any] = {}
        self.recovered = False
        self.pid = ""
        self.known_offset = ""
        self.state = SocketState.CONNECTING
        self._nsp: SocketNamespace = nsp
        self.acks = AckTable()
        # Why it ended; no reason while it has not.
        self._end: tuple[str, object] = ("", None)

    @property
    def end_reason(self) -> str:
        """Why the socket is disconnected; empty while it is not."""
        return self._end[0] if self.state is SocketState.DISCONNECTED else ""

    @property
    def conn(self) -> Session:
        """The Engine.IO session."""
        return self.client.conn

    @property
    def request(self) -> Mapping[str, Any]:
        """The WSGI environ of the first request; RuntimeError when it was let go."""
        return self.client.request

    @property
    def connected(self) -> bool:
        """Whether the client is in the namespace."""
        return self.state in (SocketState.CONNECTED, SocketState.DISCONNECTING)

    @property
    def disconnected(self) -> bool:
        """The opposite of :attr:`connected`."""
        return not self.connected

    @property
    def rooms(self) -> set[str]:
        """The rooms of the socket, its own id among them; a copy."""
        return self._nsp.adapter.socket_rooms(self.id)

    def add_handler(self, event: str, handler: Handler, first: bool = False) -> None:
        """Add a handler; one for the end of a socket that has ended is called at once."""
        if self.state is SocketState.DISCONNECTED and event in _LIFECYCLE:
            # The client left while the connection handler was still at work: it shall hear.
            self.conn.inbox.put_urgent(self._run_lifecycle, (event, (handler,)))
        else:
            self.handlers.add(event, handler, first)

    # Emitting

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event to the client. A client that is gone gets nothing.

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
        nsp = self._nsp
        if ack is not None or self.pid or nsp.hub.is_foreign:
            SocketEmitter(self, _NO_FLAGS).emit(event, *args, ack=ack)
            return
        if event.__class__ is not str or event in RESERVED_EVENTS:
            check_event(event)
        data = (event, *args)
        message = nsp.message_of(_new_packet(Packet, (_EVENT, nsp.name, data, None)))
        if self.state is _DISCONNECTED:
            return
        if self._outgoing:
            self.notify_outgoing(data)
        self.client.conn.send_message(message)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> Any:
        """Send an event and block until the client has answered.

        Returns:
            The answer: one value, a tuple of several, ``None`` for none.

        Raises:
            AckTimeout: There was none within 10 s; ``timeout()`` says otherwise.
            SocketDisconnected: The client is gone, or goes meanwhile.
        """
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        return SocketEmitter(self, _NO_FLAGS).emit_with_ack(event, *args)

    @property
    def volatile(self) -> SocketEmitter:
        """Emit only if the client can take the packet now."""
        return SocketEmitter(self, _NO_FLAGS).volatile

    def compress(self, compress: bool) -> SocketEmitter:
        """Emit with or without compression."""
        return SocketEmitter(self, _NO_FLAGS).compress(compress)

    def timeout(self, seconds: float) -> SocketEmitter:
        """Emit with a time for the acknowledgement, in seconds."""
        return SocketEmitter(self, _NO_FLAGS).timeout(seconds)

    # Broadcasting

    def broadcast_operator(self) -> BroadcastOperator:
        """Return an operator for every socket but this one."""
        return self.flagged_broadcast(_NO_FLAGS)

    def flagged_broadcast(self, flags: Flags) -> BroadcastOperator:
        """Return an operator for every socket but this one, with modifiers."""
        return BroadcastOperator(self.nsp, Target(except_=frozenset((self.id,)), flags=flags))

    # Rooms

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join a room or several. A socket that is disconnected joins nothing."""
        names = rooms_to_join(rooms)
        if self.state is not SocketState.DISCONNECTED:
            self._nsp.hub.run(self._nsp.adapter.add_all, self.id, names)

    def leave(self, room: str) -> None:
        """Leave a room; nothing happens when the socket is not in it."""
        self._nsp.hub.run(self._nsp.adapter.remove, self.id, check_room(room))

    def disconnect(self, close: bool = False, **wrong: NoReturn) -> Socket:
        """Disconnect the client from the namespace.

        Args:
            close: Whether its connection, with all its namespaces, is closed.
        """
        if wrong:
            refuse_keywords("disconnect", wrong)
        self._nsp.hub.run(self._disconnect, close)
        return self

    def _disconnect(self, close: bool) -> None:
        if close:
            self.client.disconnect()
        elif self.state is SocketState.CONNECTED:
            self.client.send_packet(Packet(PacketType.DISCONNECT, self._nsp.name))
            # Who is thrown out shall not act any more: what waits in the inbox is dropped.
            self.conn.inbox.drop(self.on_event)
            self.on_close(Reason.SERVER_NAMESPACE_DISCONNECT)

    # What the namespace and the client call

    def restore(self, session: SavedSession) -> None:
        """Become the socket that the client had before; it is not connected yet."""
        self.recovered = True
        self.pid, self.known_offset = session.pid, session.offset
        self.data = session.data

    def welcome(self, session: SavedSession | None = None, missed: Iterable[Message] = ()) -> None:
        """The namespace has let the client in: tell it.

        Args:
            session: Of a socket that is restored.
            missed: What its client has missed; it gets that before it is connected.
        """
        nsp = self._nsp
        self._enter(SocketState.CONNECTED)
        reply = {"sid": self.id}
        if nsp.recovery is not None and self.pid:
            # First of all: whatever ends the socket from now on has to be noticed.
            nsp.recovery.joined(self)
            reply["pid"] = self.pid
        if session is None:
            nsp.adapter.add_all(self.id, (self.id,))
        else:
            nsp.adapter.readmit(session)
        for message in missed:
            self.client.send(message)
        payload = self.client.dialect.welcome(reply)
        self.client.send_packet(Packet(PacketType.CONNECT, nsp.name, payload))

    def turn_away(self) -> None:
        """The namespace has not let the client in: leave no trace."""
        self._leave(Reason.FORCED_SERVER_CLOSE)
        self._nsp.ended(self)

    def deliver(self, packet: Packet, message: Message, volatile: bool) -> None:
        """Send an encoded packet, unless it is volatile and the client cannot take it now."""
        if self.state is _DISCONNECTED:
            return
        if self._outgoing:
            self.notify_outgoing(packet.data)
        if not volatile or self.client.conn.writable:
            self.client.conn.send_message(message)

    def describe(self) -> RemoteState:
        """Return what other servers are told of the socket."""
        return RemoteState(self.id, self.handshake.to_dict(), sorted(self.rooms), self.data)

    def expect_ack(self, ack_id: int, collector: AckCollector) -> None:
        """Pass the client's answer to ``ack_id`` on to ``collector``."""
        self.acks.add(ack_id, collector)

    def forget_ack(self, ack_id: int) -> None:
        """Expect the answer to ``ack_id`` no longer."""
        self.acks.discard(ack_id)

    def is_concurrent(self, event: Any) -> bool:
        """Whether the handlers of ``event`` get a greenlet of their own."""
        own, shared = self.handlers, self._nsp.handlers
        if not (own.has_concurrent or shared.has_concurrent):
            return False
        return any(handler.concurrent for handler in (*own.get(event), *shared.get(event)))

    def on_event(self, data: list[Any], ack_id: int | None) -> None:
        """Run the handlers of an event that the client has sent; may block."""
        if self._end[0] == Reason.SERVER_NAMESPACE_DISCONNECT:
            return
        runner = self._nsp.runner
        if runner.context is None:
            self._dispatch(data, ack_id)
        else:
            runner.within(self, data[0], self._dispatch, data, ack_id)

    def _dispatch(self, data: list[Any], ack_id: int | None) -> None:
        event = data[0]
        args = data[1:]
        if (self._incoming or self._middlewares) and not self._passes(event, args):
            return
        handlers = self.handlers.take(event)
        if self._nsp.handlers:
            handlers += self._nsp.handlers.get(event)
        if handlers:
            dispatch(self, event, handlers, args, ack_id)
        elif not self._incoming:
            note_unhandled(self.nsp, self.id, event)

    def _passes(self, event: str, args: list[Any]) -> bool:
        runner = self._nsp.runner
        for listener in self._incoming:
            runner.call(self, event, listener, event, *args)
        return ask_middlewares(self, event, self._middlewares, args)

    def answer(self, ack_id: int, *args: Any) -> None:
        """Answer an acknowledgement that the client has asked for."""
        nsp = self._nsp
        message = nsp.message_of(_new_packet(Packet, (_ACK, nsp.name, args, ack_id)))
        nsp.hub.run(self.client.conn.send_message, message)

    @property
    def runner(self) -> Runner:
        """Calls the handlers."""
        return self._nsp.runner

    def on_ack(self, ack_id: int | None, args: list[Any]) -> None:
        """The client has answered an event."""
        self.acks.settle(ack_id, args)

    # The end

    def on_close(self, reason: str, description: object = None) -> None:
        """The client is gone: the only way a connected socket ends."""
        if self.state is not SocketState.CONNECTED:
            return
        self._enter(SocketState.DISCONNECTING)
        self._end = (reason, description)
        self.acks.lose_all(reason)
        last = (*self.handlers.get("disconnecting"), *self._nsp.handlers.get("disconnecting"))
        if not last:
            self._leave(reason)
            self._run_soon(self._run_disconnect)
        else:
            self._run_soon(self._run_end, last)

    def _run_soon(self, function: Callable[..., None], *args: Any) -> None:
        inbox = self.conn.inbox
        if inbox.is_running_here:
            function(*args)
        else:
            inbox.put_urgent(function, args)

    def _run_end(self, last: tuple[Handler, ...]) -> None:
        try:
            self._run_lifecycle("disconnecting", last)
        finally:
            self._leave(self._end[0])
            self._run_disconnect()

    def _run_disconnect(self) -> None:
        handlers = (*self.handlers.get("disconnect"), *self._nsp.handlers.get("disconnect"))
        try:
            if handlers:
                self._run_lifecycle("disconnect", handlers)
        finally:
            self._nsp.ended(self)

    def _run_lifecycle(self, event: str, handlers: tuple[Handler, ...]) -> None:
        runner = self._nsp.runner
        runner.within(self, event, self._call_lifecycle, event, handlers)

    def _call_lifecycle(self, event: str, handlers: tuple[Handler, ...]) -> None:
        for handler in handlers:
            args = ((self,) if handler.with_socket else ()) + self._end
            self._nsp.runner.call(self, event, handler.function, *args[: handler.max_args])

    def _leave(self, reason: str) -> None:
        recovery = self._nsp.recovery
        if recovery is not None and self.state is SocketState.DISCONNECTING and self.pid:
            recovery.left(self, reason)
        if self.state is SocketState.DISCONNECTING:
            name, why = named(self._nsp.name), shown(reason)
            logger.info("- socket %s left %s: %s", named(self.id), name, why)
        self._enter(SocketState.DISCONNECTED)
        if not self._end[0]:
            self._end = (reason, None)
        self._nsp.adapter.remove_all(self.id)
        self._nsp.forget(self)
        self.client.remove(self)
        self.acks.lose_all(reason)

    def _enter(self, state: SocketState) -> None:
        check_move(SOCKET_MOVES, self.state, state)
        self.state = state

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self._nsp.name} {self.state.name.lower()}>"
