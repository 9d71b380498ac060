"""Broadcasts: whom and how, chained as values; only the last word acts.

Each modifier returns a new operator, so that ``room = io.to("a")`` can be kept and reused
(Socket.IO documentation, "Server API", ``io.to`` and the methods around it).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from ..adapters.base import Adapter
from ..adapters.values import RemoteState, Target
from ..codec.parser import Parser
from ..codec.socket_packet import RESERVED_EVENTS, Packet, PacketType
from ..errors import AckTimeout, ClusterTimeout
from ..loop.hub import HubThread
from ..rooms import room_set
from .acks import DEFAULT_TIMEOUT, BroadcastAcks, Outcome

__all__ = [
    "BroadcastOperator",
    "Broadcaster",
    "RoomWords",
    "check_event",
    "check_timeout",
    "snapshot",
]

Ack = Callable[..., Any]

_EVERYBODY = Target()


class BroadcastNamespace(Protocol):
    """What an operator needs of its namespace."""

    @property
    def name(self) -> str:
        """The name of the namespace."""

    @property
    def adapter(self) -> Adapter:
        """Carries the broadcasts."""

    @property
    def hub(self) -> HubThread:
        """The thread that owns the sockets."""

    @property
    def parser(self) -> Parser:
        """Encodes packets."""

    def remote(self, state: RemoteState) -> Any:
        """Return a socket of another server."""

    def callback(self, function: Callable[..., Any]) -> Callable[..., None]:
        """Return a function that calls ``function`` in a greenlet, as a handler is called."""


def check_event(event: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` for a name that cannot be emitted."""
    if event.__class__ is not str and not isinstance(event, str):
        raise TypeError(f"an event name must be a string, not {type(event).__name__}")
    if event in RESERVED_EVENTS:
        raise ValueError(f'"{event}" is a reserved event name')


class BroadcastOperator:
    """An emit, or another action, for some sockets of a namespace."""

    __slots__ = ("_namespace", "_target")

    def __init__(self, namespace: BroadcastNamespace, target: Target = _EVERYBODY) -> None:
        self._namespace = namespace
        self._target = target

    # Modifiers

    def to(self, *rooms: Any) -> BroadcastOperator:
        """Add rooms: a string, several strings or a list. Sockets in any of them are meant."""
        return self._with(rooms=self._target.rooms | room_set(rooms))

    def in_(self, *rooms: Any) -> BroadcastOperator:
        """The same as :meth:`to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Any) -> BroadcastOperator:
        """Leave out the sockets of these rooms."""
        return self._with(except_=self._target.except_ | room_set(rooms))

    @property
    def local(self) -> BroadcastOperator:
        """Stay on this server."""
        return self._flagged(local=True)

    @property
    def volatile(self) -> BroadcastOperator:
        """Drop the packet for clients that cannot take it now."""
        return self._flagged(volatile=True)

    def compress(self, compress: bool) -> BroadcastOperator:
        """Say whether the packet may be compressed."""
        return self._flagged(compress=bool(compress))

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Set how many seconds clients have to acknowledge."""
        return self._flagged(timeout=check_timeout(seconds))

    def _with(self, **changes: Any) -> BroadcastOperator:
        return BroadcastOperator(self._namespace, self._target._replace(**changes))

    def _flagged(self, **changes: Any) -> BroadcastOperator:
        return self._with(flags=self._target.flags._replace(**changes))

    # Emitting

    def emit(self, event: str, *args: Any, ack: Ack | None = None) -> None:
        """Send an event.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.
            ack: ``fn(error, responses)`` is called when all clients have answered, or with
                :exc:`AckTimeout` and what has arrived after ``timeout()``, 10 s by default.

        Raises:
            ValueError: The name is reserved, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
        """
        check_event(event)
        packet = Packet(PacketType.EVENT, self._namespace.name, (event, *args))
        if self._namespace.hub.is_foreign:
            packet = self._snapshot(packet)
        if ack is None:
            self._namespace.hub.run(self._namespace.adapter.broadcast, packet, self._target)
        else:
            done = self._namespace.callback(ack)
            self._namespace.hub.run(self._collect, packet, done)

    def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event and block until all clients have answered.

        Returns:
            The first argument of each answer.

        Raises:
            AckTimeout: Some did not within ``timeout()``, 10 s by default; ``responses``
                holds the answers of the others.
        """
        check_event(event)
        packet = Packet(PacketType.EVENT, self._namespace.name, (event, *args))
        return self._namespace.hub.ask(self._wait, packet)

    def _wait(self, packet: Packet) -> list[Any]:
        outcome = Outcome()
        self._collect(packet, outcome.done)
        try:
            return outcome.wait()
        except AckTimeout as error:
            # A fresh one: its traceback is the caller's, not the timer's.
            raise AckTimeout(responses=error.responses) from None

    def _collect(self, packet: Packet, done: Callable[[Exception | None, list[Any]], Any]) -> None:
        timeout = self._target.flags.timeout
        collector = BroadcastAcks(done, DEFAULT_TIMEOUT if timeout is None else timeout)
        try:
            self._namespace.adapter.broadcast_with_ack(packet, self._target, collector)
        except Exception:
            collector.cancel()
            raise
        collector.start()

    def send(self, *args: Any) -> None:
        """Send a ``message`` event."""
        self.emit("message", *args)

    write = send

    # Acting

    def fetch_sockets(self) -> list[Any]:
        """Return the sockets: :class:`Socket` objects, and remote ones from other servers."""
        try:
            found = self._namespace.hub.ask(self._namespace.adapter.fetch_sockets, self._target)
        except ClusterTimeout as error:
            responses = self._with_remote(error.responses)
            raise ClusterTimeout(str(error), responses, error.missing, error.servers) from None
        return self._with_remote(found)

    def all_sockets(self) -> set[str]:
        """Return the ids of the sockets, on all servers; older code asks so."""
        return {socket.id for socket in self.fetch_sockets()}

    def _with_remote(self, found: list[Any]) -> list[Any]:
        remote = self._namespace.remote
        return [remote(item) if isinstance(item, RemoteState) else item for item in found]

    def sockets_join(self, *rooms: Any) -> None:
        """Make the sockets join a room or a list of rooms."""
        self._namespace.hub.run(self._namespace.adapter.add_sockets, self._target, room_set(rooms))

    def sockets_leave(self, *rooms: Any) -> None:
        """Make the sockets leave a room or a list of rooms."""
        self._namespace.hub.run(self._namespace.adapter.del_sockets, self._target, room_set(rooms))

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect the sockets.

        Args:
            close: Whether their connections, with all their namespaces, are closed.
        """
        self._namespace.hub.run(self._namespace.adapter.disconnect_sockets, self._target, close)

    def _snapshot(self, packet: Packet) -> Packet:
        # From another thread the packet is sent later: what cannot be encoded raises here, and
        # what the caller changes afterwards does not matter.
        self._namespace.parser.encode(packet)
        return packet._replace(data=snapshot(packet.data))


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
        raise ValueError(f"a timeout is a number of seconds above 0, not {seconds!r}")
    return seconds  # type: ignore[no-any-return]


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
        return self.broadcast_operator().to(*rooms)

    def except_(self, *rooms: Any) -> BroadcastOperator:
        """Broadcast to all but these rooms. See :meth:`BroadcastOperator.except_`."""
        return self.broadcast_operator().except_(*rooms)

    @property
    def local(self) -> BroadcastOperator:
        """Broadcast to the sockets of this server only."""
        return self.broadcast_operator().local


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

    def emit(self, event: str, *args: Any, ack: Ack | None = None) -> None:
        """Send an event to every client. See :meth:`BroadcastOperator.emit`."""
        self.broadcast_operator().emit(event, *args, ack=ack)

    def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to every client and return their answers."""
        return self.broadcast_operator().emit_with_ack(event, *args)

    def send(self, *args: Any) -> None:
        """Send a ``message`` event to every client."""
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

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect every socket."""
        self.broadcast_operator().disconnect_sockets(close)
