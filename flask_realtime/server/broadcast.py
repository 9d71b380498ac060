"""Immutable broadcast operators: each modifier returns a new one, the final call sends.

``room = io.to("a")`` can be kept and used again (Socket.IO documentation, "Server API",
``io.to`` and the methods around it).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ..adapters.values import Target
from ..codec.socket_packet import Packet, PacketType
from ..errors import AckTimeout, ClusterTimeout
from ..hints import refuse_keywords
from ..rooms import no_room, room_set
from .acks import DEFAULT_TIMEOUT, BroadcastAcks, Outcome, first_value
from .event_names import check_event

if TYPE_CHECKING:
    from .namespace_core import NamespaceCore
    from .remote_socket import RemoteSocket
    from .socket import Socket

__all__ = [
    "Ack",
    "BroadcastOperator",
    "check_timeout",
    "snapshot",
]

Ack = Callable[..., Any]

_EVERY_SOCKET = Target()
_EVENT = PacketType.EVENT
# A named tuple's own constructor is a Python function; this is what it calls.
_new_packet = tuple.__new__


class BroadcastOperator:
    """An emit, or another action, for some sockets of a namespace.

    Args:
        namespace: The namespace.
        target: Rooms, exceptions and flags.
    """

    __slots__ = ("_namespace", "_target")

    #: Makes one value of the arguments of an answer.
    _value_of = staticmethod(first_value)

    def __init__(self, namespace: NamespaceCore, target: Target = _EVERY_SOCKET) -> None:
        self._namespace = namespace
        self._target = target

    # Modifiers

    def to(self, *rooms: Any) -> BroadcastOperator:
        """Add rooms: a string, several strings or a list. Sockets in any of them are selected.

        An empty list adds none: ``io.to([])`` selects no client, ``io.to("a").to([])`` those
        of ``a``.

        Raises:
            TypeError: No argument was given, or something that is not a room.
        """
        chosen = self._target.rooms | (room_set(rooms) if rooms else no_room("to"))
        if not chosen:
            return EmptySelection(self._namespace, self._target)
        return self._with(rooms=chosen)

    def in_(self, *rooms: Any) -> BroadcastOperator:
        """The same as :meth:`to`."""
        return self.to(*rooms) if rooms else no_room("in_")

    def except_(self, *rooms: Any) -> BroadcastOperator:
        """Leave out the sockets of these rooms; an empty list leaves out none.

        Raises:
            TypeError: No argument was given, or something that is not a room.
        """
        left_out = room_set(rooms) if rooms else no_room("except_")
        return self._with(except_=self._target.except_ | left_out)

    @property
    def local(self) -> BroadcastOperator:
        """Stay on this server."""
        return self._flagged(local=True)

    @property
    def volatile(self) -> BroadcastOperator:
        """Drop the packet for clients that cannot take it now."""
        return self._flagged(volatile=True)

    def compress(self, compress: bool) -> BroadcastOperator:
        """Set whether the packet may be compressed.

        Args:
            compress: False sends it as it is.
        """
        return self._flagged(compress=bool(compress))

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Set how many seconds clients have to acknowledge."""
        return self._flagged(timeout=check_timeout(seconds))

    def _with(self, **changes: Any) -> BroadcastOperator:
        return BroadcastOperator(self._namespace, self._target._replace(**changes))

    def _flagged(self, **changes: Any) -> BroadcastOperator:
        return self._with(flags=self._target.flags._replace(**changes))

    # Emitting

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Send an event.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.
            ack: ``fn(error, responses)`` is called when all clients have answered, or with
                :exc:`AckTimeout` and what has arrived after ``timeout()``, 10 s by default.

        Raises:
            ValueError: The name is reserved, a value is NaN or infinite, or the message is above
                ``max_buffered_bytes``.
            TypeError: A value cannot be carried.
        """
        if wrong:
            refuse_keywords("emit", wrong)
        check_event(event)
        packet = _new_packet(Packet, (_EVENT, self._namespace.name, (event, *args), None))
        if self._namespace.hub.is_foreign:
            packet = self._snapshot(packet)
        if self._namespace.observers:
            self._namespace.observe_emit(packet.data, self._target)
        if ack is None:
            self._namespace.hub.run(self._namespace.adapter.broadcast, packet, self._target)
        else:
            done = self._namespace.callback(ack)
            self._namespace.hub.run(self._collect, packet, done)

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> list[Any]:
        """Send an event and block until all clients have answered.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.

        Returns:
            The first argument of each answer.

        Raises:
            AckTimeout: Some did not within ``timeout()``, 10 s by default; ``responses``
                holds the answers of the others.
        """
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        check_event(event)
        packet = Packet(PacketType.EVENT, self._namespace.name, (event, *args))
        if self._namespace.observers:
            self._namespace.observe_emit(packet.data, self._target)
        return self._namespace.hub.ask(self._wait, packet)

    def _wait(self, packet: Packet) -> list[Any]:
        outcome = Outcome()
        self._collect(packet, outcome.done)
        try:
            return outcome.wait()
        except AckTimeout as error:
            # A new error: its traceback is the caller's, not the timer's.
            raise AckTimeout(responses=error.responses) from None

    def _collect(self, packet: Packet, done: Callable[[Exception | None, list[Any]], Any]) -> None:
        timeout = self._target.flags.timeout
        seconds = DEFAULT_TIMEOUT if timeout is None else timeout
        collector = BroadcastAcks(done, seconds, self._value_of)
        try:
            self._namespace.adapter.broadcast_with_ack(packet, self._target, collector)
        except Exception:
            collector.cancel()
            raise
        collector.start()

    def send(self, *args: Any, **wrong: NoReturn) -> None:
        """Send a ``message`` event with the arguments ``args``; see :meth:`emit`."""
        if wrong:
            refuse_keywords("send", wrong)
        self.emit("message", *args)

    write = send

    # Acting

    def fetch_sockets(self) -> list[Socket | RemoteSocket]:
        """Return the sockets, on all servers; may block.

        Returns:
            A :class:`Socket` for each one of this server, a :class:`RemoteSocket` for the others.

        Raises:
            ClusterTimeout: Another server did not answer; ``responses`` holds the sockets of
                those that did.
        """
        try:
            found = self._namespace.hub.ask(self._namespace.adapter.fetch_sockets, self._target)
        except ClusterTimeout as error:
            responses = self._namespace.sockets_of(error.responses)
            raise ClusterTimeout(str(error), responses, error.missing, error.servers) from None
        return self._namespace.sockets_of(found)

    def all_sockets(self) -> set[str]:
        """Return the ids of the sockets, on all servers, as older versions did."""
        return {socket.id for socket in self.fetch_sockets()}

    def sockets_join(self, *rooms: Any) -> None:
        """Make the sockets join a room or a list of rooms; raises ``TypeError`` without any."""
        names = room_set(rooms) if rooms else no_room("sockets_join")
        if names:
            self._namespace.hub.run(self._namespace.adapter.add_sockets, self._target, names)

    def sockets_leave(self, *rooms: Any) -> None:
        """Make the sockets leave a room or a list of rooms; raises ``TypeError`` without any."""
        names = room_set(rooms) if rooms else no_room("sockets_leave")
        if names:
            self._namespace.hub.run(self._namespace.adapter.del_sockets, self._target, names)

    def disconnect_sockets(self, close: bool = False, **wrong: NoReturn) -> None:
        """Disconnect the sockets.

        Args:
            close: Whether their connections, with all their namespaces, are closed.
        """
        if wrong:
            refuse_keywords("disconnect_sockets", wrong)
        self._namespace.hub.run(self._namespace.adapter.disconnect_sockets, self._target, close)

    def _snapshot(self, packet: Packet) -> Packet:
        # From another thread the packet is sent later: what cannot be encoded raises here, and
        # what the caller changes afterwards does not matter.
        self._namespace.message_of(packet)
        return packet._replace(data=snapshot(packet.data))


class EmptySelection(BroadcastOperator):
    """An operator that selects no socket: ``io.to([])``.

    For adapters, and on the wire of a cluster, a target without rooms is every socket, so these
    calls do not reach them. What raises elsewhere raises here as well.
    """

    __slots__ = ()

    def _with(self, **changes: Any) -> BroadcastOperator:
        kind = BroadcastOperator if "rooms" in changes else EmptySelection
        return kind(self._namespace, self._target._replace(**changes))

    def emit(self, event: str, *args: Any, ack: Ack | None = None, **wrong: NoReturn) -> None:
        """Check the event; ``ack`` is called without answers."""
        if wrong:
            refuse_keywords("emit", wrong)
        self._check(event, args)
        if ack is not None:
            self._namespace.hub.run(self._namespace.callback(ack), None, [])

    def emit_with_ack(self, event: str, *args: Any, **wrong: NoReturn) -> list[Any]:
        """Check the event and return no answers."""
        if wrong:
            refuse_keywords("emit_with_ack", wrong)
        self._check(event, args)
        return []

    def _check(self, event: str, args: tuple[Any, ...]) -> None:
        check_event(event)
        packet = Packet(PacketType.EVENT, self._namespace.name, (event, *args))
        self._namespace.message_of(packet)

    def fetch_sockets(self) -> list[Socket | RemoteSocket]:
        """Return no sockets."""
        return []

    def sockets_join(self, *rooms: Any) -> None:
        """Check the rooms."""
        room_set(rooms) if rooms else no_room("sockets_join")

    def sockets_leave(self, *rooms: Any) -> None:
        """Check the rooms."""
        room_set(rooms) if rooms else no_room("sockets_leave")

    def disconnect_sockets(self, close: bool = False, **wrong: NoReturn) -> None:
        """Disconnect no sockets."""
        if wrong:
            refuse_keywords("disconnect_sockets", wrong)


def snapshot(value: Any) -> Any:
    """Return a copy that later changes of ``value`` do not reach."""
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, dict):
        return {key: snapshot(item) for key, item in value.items()}
    return [snapshot(item) for item in value] if isinstance(value, (list, tuple)) else value


def check_timeout(seconds: Any) -> float:
    """Return a time for acknowledgements.

    Raises:
        ValueError: It is not a number above 0.
    """
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds < math.inf:
        raise ValueError(f"a timeout must be a number of seconds above 0, not {seconds!r}")
    return seconds  # type: ignore[no-any-return]
