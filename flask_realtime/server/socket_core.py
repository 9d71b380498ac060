"""What the server itself does with a socket: admission, events, acknowledgements, the end.

Applications hold a :class:`~flask_realtime.server.socket.Socket`. The client's connection, the
namespace, its adapter and its recovery hold the core of it, so that none of their methods is in
the way of an application.

The end of a socket
===================

A socket ends for many reasons: a DISCONNECT packet, a lost connection, ``socket.disconnect()``,
a shutdown. Each calls :meth:`SocketCore.on_close`, in the hub or on any greenlet; the first call
decides the reason and the others change nothing. From there on three promises pull in different
directions:

* ``disconnecting`` handlers see the rooms, so the socket leaves them only afterwards;
* handlers of one client never run at the same time, so these two wait for the handler that is
  at work: they go to the front of the session's inbox, unless ``on_close`` was called by that
  very handler, which they then interrupt, as in Node;
* a client that comes back gets its old id and rooms, so what it left is kept, or thrown away,
  before anything else can look for it.

So the states of ``socket_state`` are passed in this order::

    CONNECTED       events are handled, emits are sent
        |           on_close(): the reason is fixed, pending acknowledgements end
    DISCONNECTING   still in its rooms; `disconnecting` handlers run, if there are any
        |           _leave(): state for recovery, rooms, namespace, client, in this order
    DISCONNECTED    in no map any more; `disconnect` handlers run, then the namespace is told

Without ``disconnecting`` handlers, which is nearly always, the first two steps happen in one go,
before another greenlet runs: a broadcast that comes a moment later does not find the socket.
A socket that was refused, or whose client has gone before it was let in, goes from CONNECTING to
DISCONNECTED and no handler is called. A handler of the end that is registered after the end is
called at once: the connection handler may have blocked for longer than the client stayed.

Whatever ends a socket does not wait for its handlers; what must outlive them, such as a child
namespace that is removed when it is empty, waits for :meth:`NamespaceCore.ended`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..adapters.base import AckCollector
from ..adapters.values import RemoteState, SavedSocket
from ..codec.message import Message
from ..codec.socket_packet import Packet, PacketType
from ..quoting import named, shown
from ..reasons import Reason
from ..transitions import check_move
from .acks import AckTable
from .dispatch import ask_middlewares, dispatch
from .event_names import note_unhandled
from .handlers import Handler
from .listening import Registered
from .socket import Socket
from .socket_state import SOCKET_MOVES, SocketState

if TYPE_CHECKING:
    from ..engine.session import Session
    from .client import Client
    from .namespace_core import NamespaceCore

__all__ = ["SocketCore"]

logger = logging.getLogger(__name__)

_ACK = PacketType.ACK
_LIFECYCLE = frozenset({"disconnecting", "disconnect"})
# A named tuple's own constructor is a Python function; this is what it calls.
_new_packet = tuple.__new__
# Looking a member up in its enumeration takes longer than a global does (Python 3.11).
_CONNECTED, _DISCONNECTED = SocketState.CONNECTED, SocketState.DISCONNECTED


class SocketCore(Registered):
    """One client in one namespace, as the rest of the server sees it.

    Args:
        sid: The public id.
        namespace: The namespace that the client asks for.
        client: Its connection.
        auth: The payload of its CONNECT packet.

    Attributes:
        id: The public id.
        socket: What applications hold.
        namespace: The namespace.
        client: The connection, shared by all namespaces of the client.
        conn: The Engine.IO session below it.
        state: Where the socket is in its life.
        acks: The acknowledgements that the client owes.
        pid: The private id under which the state of the socket is kept, from the moment it is
            let in; empty without connection state recovery.
        known_offset: What the client has received at least, of the packets that are kept.
    """

    __slots__ = (
        "_end",
        "acks",
        "client",
        "conn",
        "id",
        "known_offset",
        "namespace",
        "pid",
        "socket",
        "state",
    )

    def __init__(
        self, sid: str, namespace: NamespaceCore, client: Client, auth: Mapping[str, Any] | None
    ) -> None:
        super().__init__()
        self.id: str = sid
        self.namespace: NamespaceCore = namespace
        self.client: Client = client
        self.conn: Session = client.conn
        self.pid: str = ""
        self.known_offset: str = ""
        self.state: SocketState = SocketState.CONNECTING
        self.acks: AckTable = AckTable()
        # The reason and its description; no reason while the socket has not ended.
        self._end: tuple[str, object] = ("", None)
        self.socket: Socket = Socket(self, auth)

    @property
    def end_reason(self) -> str:
        """Why the socket is disconnected; empty while it is not."""
        return self._end[0] if self.state is _DISCONNECTED else ""

    def rooms(self) -> set[str]:
        """Return the rooms of the socket, its own id among them; a copy."""
        return self.namespace.adapter.socket_rooms(self.id)

    def add_handler(self, event: str, handler: Handler, first: bool = False) -> None:
        """Add a handler; one for the end of a socket that has ended is called at once."""
        if self.state is _DISCONNECTED and event in _LIFECYCLE:
            call = (event, (handler,))
            self.namespace.hub.run(self.conn.inbox.put_urgent, self._run_lifecycle, call)
        else:
            self.handlers.add(event, handler, first)

    def forget_handlers(self) -> None:
        """Let go of all functions, unless they may be called beside the events in order."""
        if not (self.handlers.has_apart or self.namespace.handlers.has_apart):
            super().forget_handlers()

    # Admission

    def restore(self, saved: SavedSocket) -> None:
        """Become the socket that the client had before; it is not connected yet."""
        self.socket.recovered = True
        self.socket.data = saved.data
        self.pid, self.known_offset = saved.pid, saved.offset

    def welcome(self, saved: SavedSocket | None = None, missed: Iterable[Message] = ()) -> None:
        """Enter the namespace and tell the client.

        Args:
            saved: The state of a socket that is restored.
            missed: What its client has missed, which is sent before it is connected.
        """
        namespace = self.namespace
        self._enter(SocketState.CONNECTED)
        reply = {"sid": self.id}
        if namespace.recovery is not None and self.pid:
            # Before all else: recovery must notice whatever ends the socket from now on.
            namespace.recovery.joined(self)
            reply["pid"] = self.pid
        if saved is None:
            namespace.adapter.add_all(self.id, (self.id,))
        else:
            namespace.adapter.readmit(saved)
        for message in missed:
            self.client.send(message)
        payload = self.client.dialect.welcome(reply)
        self.client.send_packet(Packet(PacketType.CONNECT, namespace.name, payload))

    def turn_away(self) -> None:
        """Leave no trace of a socket that was not let in."""
        self._leave(Reason.FORCED_SERVER_CLOSE)
        self.namespace.ended(self)

    # The adapter's seam: see `LocalSocket` in adapters/base.py

    def deliver(self, packet: Packet, message: Message, volatile: bool) -> None:
        """Send an encoded packet, unless it is volatile and the client cannot take it now."""
        if self.state is _DISCONNECTED:
            return
        if self.outgoing:
            self.notify_outgoing(packet.data)
        if not volatile or self.conn.writable:
            self.conn.send_message(message)

    def describe(self) -> RemoteState:
        """Return what other servers are told of the socket."""
        socket = self.socket
        return RemoteState(self.id, socket.handshake.to_dict(), sorted(self.rooms()), socket.data)

    def expect_ack(self, ack_id: int, collector: AckCollector) -> None:
        """Pass the client's answer to ``ack_id`` on to ``collector``."""
        self.acks.add(ack_id, collector)

    def forget_ack(self, ack_id: int) -> None:
        """Expect the answer to ``ack_id`` no longer."""
        self.acks.discard(ack_id)

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join rooms; see :meth:`Socket.join`."""
        self.socket.join(rooms)

    def leave(self, room: str) -> None:
        """Leave a room; see :meth:`Socket.leave`."""
        self.socket.leave(room)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client; called in the hub.

        Args:
            close: Whether its connection, with all its namespaces, is closed.
        """
        if close:
            self.client.disconnect()
        elif self.state is SocketState.CONNECTED:
            self.client.send_packet(Packet(PacketType.DISCONNECT, self.namespace.name))
            # Drop the disconnected client's queued events.
            self.conn.inbox.drop(self.on_event)
            self.conn.inbox.drop(self.on_event_in_thread)
            self.on_close(Reason.SERVER_NAMESPACE_DISCONNECT)

    # Events

    def put_event(self, data: list[Any], ack_id: int | None, size: int) -> None:
        """Have the handlers of an event run in order or beside the others, where they ask for it.

        One that is concurrent, or wants a thread, decides for all handlers of the event.
        """
        namespace, inbox = self.namespace, self.conn.inbox
        handlers = self._handlers_of(data[0]) or namespace.handlers.fallbacks
        in_thread = any(handler.thread for handler in handlers)
        function = self.on_event_in_thread if in_thread else self.on_event
        default = namespace.concurrent
        if any(default if item.concurrent is None else item.concurrent for item in handlers):
            inbox.spawn(function, (data, ack_id), size)
        else:
            inbox.put(function, (data, ack_id), size)

    def on_event_in_thread(self, data: list[Any], ack_id: int | None) -> None:
        """Run the handlers of an event in a native thread; blocks until they have returned."""
        self.namespace.runner.threads.run(self.on_event, data, ack_id)

    def on_event(self, data: list[Any], ack_id: int | None) -> None:
        """Run the handlers of an event that the client has sent; may block."""
        if self.state is not _CONNECTED and self._end[0] == Reason.SERVER_NAMESPACE_DISCONNECT:
            return
        runner = self.namespace.runner
        if runner.observers:
            self._observe(data, ack_id)
        elif runner.context is None:
            self._dispatch(data, ack_id)
        else:
            runner.within(self.socket, data[0], self._dispatch, data, ack_id)

    def _observe(self, data: list[Any], ack_id: int | None) -> None:
        event, runner, socket = data[0], self.namespace.runner, self.socket
        is_known = event in self.handlers or event in self.namespace.handlers
        runner.observe("event_received", socket, event, data[1:], is_known)
        began = perf_counter()
        try:
            runner.within(socket, event, self._dispatch, data, ack_id)
        finally:
            runner.observe("event_handled", socket, event, perf_counter() - began)

    def _dispatch(self, data: list[Any], ack_id: int | None) -> None:
        event = data[0]
        args = data[1:]
        if (self.incoming or self.middlewares) and not self._passes(event, args):
            return
        own = self.handlers
        handlers = own.take(event) if own.has_once else own.get(event, ())
        shared = self.namespace.handlers
        if shared:
            handlers += shared.get(event, ())
        if handlers:
            dispatch(self, event, handlers, args, ack_id)
        elif shared.fallbacks:
            dispatch(self, event, shared.fallbacks, [event, *args], ack_id)
        elif not self.incoming:
            note_unhandled(self.namespace, self.id, event)

    def _passes(self, event: str, args: list[Any]) -> bool:
        runner = self.namespace.runner
        for listener in self.incoming:
            runner.call(self.socket, event, listener, event, *args)
        return ask_middlewares(self, event, self.middlewares, args)

    def answer(self, ack_id: int, *args: Any) -> None:
        """Answer an acknowledgement that the client has asked for."""
        namespace = self.namespace
        packet = _new_packet(Packet, (_ACK, namespace.name, args, ack_id))
        namespace.hub.run(self.conn.send_message, namespace.message_of(packet))

    def on_ack(self, ack_id: int | None, args: list[Any]) -> None:
        """Take the client's answer to an event."""
        self.acks.settle(ack_id, args)

    def notify_outgoing(self, data: Sequence[Any]) -> None:
        """Call the listeners of sent events with an event."""
        for listener in self.outgoing:
            try:
                listener(*data)
            except Exception:
                logger.exception("! a catch-all listener failed")

    # The end

    def on_close(self, reason: str, description: object = None) -> None:
        """End the socket, unless it has ended: the only way a connected socket ends."""
        if self.state is not SocketState.CONNECTED:
            return
        self._enter(SocketState.DISCONNECTING)
        self._end = (reason, description)
        self.acks.disconnected(reason)
        last = self._handlers_of("disconnecting")
        if not last:
            self._leave(reason)
            self._run_soon(self._run_disconnect)
        else:
            self._run_soon(self._run_end, last)

    def _handlers_of(self, event: Any) -> tuple[Handler, ...]:
        return (*self.handlers.get(event, ()), *self.namespace.handlers.get(event, ()))

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
        handlers = self._handlers_of("disconnect")
        try:
            if handlers:
                self._run_lifecycle("disconnect", handlers)
        finally:
            self.namespace.ended(self)

    def _run_lifecycle(self, event: str, handlers: tuple[Handler, ...]) -> None:
        runner = self.namespace.runner
        call = (self.socket, event, self._call_lifecycle, event, handlers)
        if any(handler.thread for handler in handlers):
            runner.threads.run(runner.within, *call)
        else:
            runner.within(*call)

    def _call_lifecycle(self, event: str, handlers: tuple[Handler, ...]) -> None:
        socket, runner = self.socket, self.namespace.runner
        for handler in handlers:
            args = ((socket,) if handler.with_socket else ()) + self._end
            runner.call(socket, event, handler.function, *args[: handler.max_args])

    def _leave(self, reason: str) -> None:
        namespace = self.namespace
        was_connected = self.state is SocketState.DISCONNECTING
        if was_connected:
            if namespace.recovery is not None and self.pid:
                namespace.recovery.left(self, reason)
            if logger.isEnabledFor(logging.INFO):
                name, why = named(namespace.name), shown(reason)
                logger.info("- socket %s left %s: %s", named(self.id), name, why)
        self._enter(SocketState.DISCONNECTED)
        if not self._end[0]:
            self._end = (reason, None)
        namespace.adapter.remove_all(self.id)
        namespace.forget(self)
        self.client.remove(self)
        self.acks.disconnected(reason)
        if was_connected and namespace.runner.observers:
            namespace.runner.observe("left", self.socket, reason)

    def _enter(self, state: SocketState) -> None:
        check_move(SOCKET_MOVES, self.state, state)
        self.state = state
