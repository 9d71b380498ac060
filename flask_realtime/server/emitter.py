"""One client with modifiers: ``socket.volatile``, ``socket.timeout(5)`` and their kin.

Acknowledgements of one client are asked for here, whether with a callback or by blocking.
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from ..adapters.values import Flags, Target
from ..codec.message import Message
from ..codec.socket_packet import Packet, PacketType
from ..errors import SocketDisconnected
from ..functions import require_function
from ..hints import refuse_keywords
from ..loop.hub import HubThread
from .acks import DEFAULT_TIMEOUT, AckTable, CallbackAck, WaitingAck
from .broadcast import Ack, BroadcastOperator, check_event, check_timeout
from .words import SocketWords

__all__ = ["EmittingNamespace", "EmittingSocket", "SocketEmitter"]


class EmittingNamespace(Protocol):
    """A namespace, as an emitter sees it."""

    name: str
    hub: HubThread

    def message_of(self, packet: Packet, compress: bool = True) -> Message:
        """Return a packet as a message to clients."""

    def next_ack_id(self) -> int:
        """Return a new acknowledgement id."""

    def callback(self, function: Ack, socket: Any = None) -> Ack:
        """Return a function that calls ``function`` in a greenlet of its own."""


class EmittingSocket(Protocol):
    """A socket, as an emitter sees it."""

    @property
    def id(self) -> str:
        """The public id."""

    @property
    def pid(self) -> str:
        """The private id, once the socket has been let in and may be recovered."""

    @property
    def nsp(self) -> Any:
        """The namespace."""

    @property
    def acks(self) -> AckTable:
        """The acknowledgements that the client owes."""

    @property
    def end_reason(self) -> str:
        """Why the socket is disconnected; empty while it is not."""

    def deliver(self, packet: Packet, message: Message, volatile: bool) -> None:
        """Send an encoded packet."""

    def flagged_broadcast(self, flags: Flags) -> BroadcastOperator:
        """Return an operator for every other socket."""


class SocketEmitter(SocketWords):
    """Emits to one client with modifiers; each of them returns a new emitter."""

    __slots__ = ("_flags", "_nsp", "_socket")

    def __init__(self, socket: EmittingSocket, flags: Flags) -> None:
        self._socket = socket
        self._flags = flags
        self._nsp: EmittingNamespace = socket.nsp

    # Modifiers

    @property
    def volatile(self) -> SocketEmitter:
        """Emit only if the client can take the packet now."""
        return SocketEmitter(self._socket, self._flags._replace(volatile=True))

    def compress(self, compress: bool) -> SocketEmitter:
        """Emit with or without compression."""
        return SocketEmitter(self._socket, self._flags._replace(compress=bool(compress)))

    def timeout(self, seconds: float) -> SocketEmitter:
        """Set how many seconds the client has to acknowledge."""
        flags = self._flags._replace(timeout=check_timeout(seconds))
        return SocketEmitter(self._socket, flags)

    # Emitting

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event. After ``timeout()``, ``ack`` is ``fn(error, *args)``."""
        if wrong:
            refuse_keywords("emit", wrong)
        if ack is None and self._socket.pid:
            # The packet is kept for a client that comes back, as a broadcast is.
            target = Target(frozenset((self._socket.id,)), flags=self._flags)
            BroadcastOperator(self._socket.nsp, target).emit(event, *args)
            return
        ack_id = None
        if ack is not None:
            require_function(ack, "an acknowledgement callback")
            ack_id = self._nsp.next_ack_id()
        packet, message = self._encode(event, args, ack_id)
        self._nsp.hub.run(self._send, packet, message, ack)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> Any:
        """Send an event and block until the client has answered.

        Returns:
            The answer; one value, a tuple of several, ``None`` for none.

        Raises:
            AckTimeout: There was none within ``timeout()``, 10 s by default.
            SocketDisconnected: The client is gone, or goes meanwhile.
        """
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        packet, message = self._encode(event, args, self._nsp.next_ack_id())
        return self._nsp.hub.ask(self._wait, packet, message)

    def _encode(
        self, event: str, args: tuple[Any, ...], ack_id: int | None
    ) -> tuple[Packet, Message]:
        check_event(event)
        packet = Packet(PacketType.EVENT, self._nsp.name, (event, *args), ack_id)
        return packet, self._nsp.message_of(packet, self._flags.compress)

    def _send(self, packet: Packet, message: Message, ack: Ack | None) -> None:
        socket, ack_id = self._socket, packet.id
        if ack is not None and ack_id is not None:
            forget = lambda: socket.acks.discard(ack_id)  # noqa: E731
            pending = CallbackAck(self._nsp.callback(ack, socket), self._flags.timeout, forget)
            if socket.end_reason:
                pending.disconnected(socket.end_reason)
            else:
                socket.acks.add(ack_id, pending)
        socket.deliver(packet, message, self._flags.volatile)

    def _wait(self, packet: Packet, message: Message) -> Any:
        socket, ack_id = self._socket, packet.id
        assert ack_id is not None
        if socket.end_reason:
            raise SocketDisconnected(socket.end_reason)
        pending = WaitingAck()
        socket.acks.add(ack_id, pending)
        try:
            socket.deliver(packet, message, self._flags.volatile)
            timeout = self._flags.timeout
            return pending.wait(DEFAULT_TIMEOUT if timeout is None else timeout)
        finally:
            socket.acks.discard(ack_id)

    # Broadcasting

    def broadcast_operator(self) -> BroadcastOperator:
        """Return an operator for every other socket, with the same modifiers."""
        return self._socket.flagged_broadcast(self._flags)
