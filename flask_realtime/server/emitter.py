"""Emits to one client with modifiers: ``socket.volatile``, ``socket.timeout(5)`` and others.

Acknowledgements of one client are asked for here, with a callback or by blocking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..adapters.values import Flags, Target
from ..codec.message import Message
from ..codec.socket_packet import Packet, PacketType
from ..errors import SocketDisconnected
from ..functions import require_function
from ..hints import refuse_keywords
from .acks import DEFAULT_TIMEOUT, CallbackAck, WaitingAck
from .broadcast import Ack, BroadcastOperator, check_timeout
from .event_names import check_event
from .room_selectors import SocketMethods

if TYPE_CHECKING:
    from .socket_core import SocketCore

__all__ = ["SocketEmitter", "others"]


def others(core: SocketCore, flags: Flags) -> BroadcastOperator:
    """Return an operator for every socket of the namespace but one, with modifiers."""
    return BroadcastOperator(core.namespace, Target(except_=frozenset((core.id,)), flags=flags))


class SocketEmitter(SocketMethods):
    """Emits to one client with modifiers; each of them returns a new emitter."""

    __slots__ = ("_core", "_flags", "_nsp")

    def __init__(self, core: SocketCore, flags: Flags) -> None:
        self._core = core
        self._flags = flags
        self._nsp = core.namespace

    # Modifiers

    @property
    def volatile(self) -> SocketEmitter:
        """Emit only if the client can take the packet now."""
        return SocketEmitter(self._core, self._flags._replace(volatile=True))

    def compress(self, compress: bool) -> SocketEmitter:
        """Emit with or without compression."""
        return SocketEmitter(self._core, self._flags._replace(compress=bool(compress)))

    def timeout(self, seconds: float) -> SocketEmitter:
        """Set how many seconds the client has to acknowledge."""
        flags = self._flags._replace(timeout=check_timeout(seconds))
        return SocketEmitter(self._core, flags)

    # Emitting

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event; see :meth:`Socket.emit`. After ``timeout()``, ``ack`` is
        ``fn(error, *args)``.
        """
        if wrong:
            refuse_keywords("emit", wrong)
        if ack is None and self._core.pid:
            # The packet is kept for a client that comes back, as a broadcast is.
            target = Target(frozenset((self._core.id,)), flags=self._flags)
            BroadcastOperator(self._nsp, target).emit(event, *args)
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
            SocketDisconnected: The client has disconnected, or disconnects meanwhile.
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
        if self._nsp.observers:
            self._nsp.observe_emit(packet.data, Target(frozenset((self._core.id,))))
        return packet, self._nsp.message_of(packet, self._flags.compress)

    def _send(self, packet: Packet, message: Message, ack: Ack | None) -> None:
        core, ack_id = self._core, packet.id
        if ack is not None and ack_id is not None:
            forget = lambda: core.acks.discard(ack_id)  # noqa: E731
            pending = CallbackAck(self._nsp.callback(ack, core.socket), self._flags.timeout, forget)
            if core.end_reason:
                pending.disconnected(core.end_reason)
            else:
                core.acks.add(ack_id, pending)
        core.deliver(packet, message, self._flags.volatile)

    def _wait(self, packet: Packet, message: Message) -> Any:
        core, ack_id = self._core, packet.id
        assert ack_id is not None
        if core.end_reason:
            raise SocketDisconnected(core.end_reason)
        pending = WaitingAck()
        core.acks.add(ack_id, pending)
        try:
            core.deliver(packet, message, self._flags.volatile)
            timeout = self._flags.timeout
            return pending.wait(DEFAULT_TIMEOUT if timeout is None else timeout)
        finally:
            core.acks.discard(ack_id)

    # Broadcasting

    def _operator(self) -> BroadcastOperator:
        return others(self._core, self._flags)
