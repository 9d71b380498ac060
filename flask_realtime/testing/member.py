"""What a test client is in its namespace: its packets, events, handlers and acknowledgements.

It never waits; :class:`~flask_realtime.testing.TestClient` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import AsyncResult

from ..codec.socket_packet import Packet, PacketType
from ..errors import ConnectError, SocketDisconnected
from ..server.dispatch import ack_arguments
from .bench import Bench

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Event", "Member"]

Event = tuple[Any, ...]
Function = Callable[..., Any]

_EVENTS = (PacketType.EVENT, PacketType.BINARY_EVENT)
_ACKS = (PacketType.ACK, PacketType.BINARY_ACK)


class Member:
    """The client of one namespace on a connection.

    Args:
        namespace: The name of the namespace.
        bench: Is told what handlers of the client raise.

    Attributes:
        id: The id of the socket, from the moment it is let in.
        is_connected: Whether it is in the namespace.
        reason: Why it is not, as the client sees it.
        refusal: Why the server has refused it, if it has.
        received: All events, as ``(event, *args)``.
        handlers: The functions of the client by event.
    """

    def __init__(self, namespace: str, bench: Bench) -> None:
        self.namespace = namespace
        self.id: str = ""
        self.is_connected: bool = False
        self.reason: str = "it has not connected"
        self.refusal: ConnectError | None = None
        self.received: list[Event] = []
        self.handlers: dict[str, Function] = {}
        self._bench = bench
        self._unclaimed: list[Event] = []
        self._ack_ids = count()
        self._acks: dict[int, AsyncResult[Any]] = {}
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection; raises :exc:`SocketDisconnected` when it is over."""
        if self._connection is None or self._connection.is_closed:
            raise SocketDisconnected(self.reason)
        return self._connection

    @property
    def is_decided(self) -> bool:
        """Whether the server has answered :meth:`join`, or will not."""
        closed = self._connection is None or self._connection.is_closed
        return self.is_connected or self.refusal is not None or closed

    def join(self, connection: Connection, auth: Mapping[str, Any] | None) -> None:
        """Ask for the namespace."""
        self.refusal = None
        connection.add(self)
        self._connection = connection
        data = None if auth is None else dict(auth)
        connection.send(Packet(PacketType.CONNECT, self.namespace, data))

    def leave(self) -> None:
        """Leave the namespace, if it is there."""
        if self.is_connected:
            self.connection.send(Packet(PacketType.DISCONNECT, self.namespace))
        self._end("io client disconnect")

    # Events

    def send(self, event: str, args: tuple[Any, ...], ack_id: int | None = None) -> None:
        """Send an event."""
        if not self.is_connected:
            raise SocketDisconnected(self.reason)
        data = [event, *args]
        self.connection.send(Packet(PacketType.EVENT, self.namespace, data, ack_id))

    def ask(self, event: str, args: tuple[Any, ...]) -> AsyncResult[Any]:
        """Send an event; return what will hold the answer."""
        ack_id = next(self._ack_ids)
        self.send(event, args, ack_id)
        answer = self._acks[ack_id] = AsyncResult()
        return answer

    def first(self, event: str) -> Event | None:
        """Return the first event of that name which has not been claimed."""
        return next((item for item in self._unclaimed if item[0] == event), None)

    def claim(self, found: Event) -> None:
        """Let :meth:`first` return the next one."""
        self._unclaimed = [item for item in self._unclaimed if item is not found]

    def clear(self) -> None:
        """Forget all events."""
        self.received.clear()
        self._unclaimed.clear()

    # What the connection reports

    def on_packet(self, packet: Packet) -> None:
        """The server has sent a packet to the namespace."""
        if packet.type in _EVENTS:
            self._on_event(tuple(packet.data), packet.id)
        elif packet.type in _ACKS:
            self._on_ack(packet.id, packet.data)
        elif packet.type is PacketType.CONNECT:
            self.id, self.is_connected, self.reason = packet.data["sid"], True, ""
        elif packet.type is PacketType.CONNECT_ERROR:
            self.refusal = ConnectError(packet.data["message"], packet.data.get("data"))
        else:
            self._end("io server disconnect")

    def _on_event(self, item: Event, ack_id: int | None) -> None:
        self.received.append(item)
        self._unclaimed.append(item)
        function = self.handlers.get(item[0])
        if function is not None:
            gevent.spawn(self._handle, function, item[1:], ack_id)

    def _handle(self, function: Function, args: tuple[Any, ...], ack_id: int | None) -> None:
        try:
            result = function(*args)
            if ack_id is not None and self.is_connected:
                data = list(ack_arguments(result))
                self.connection.send(Packet(PacketType.ACK, self.namespace, data, ack_id))
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self._bench.failed(error)

    def _on_ack(self, ack_id: int | None, args: list[Any]) -> None:
        answer = self._acks.pop(-1 if ack_id is None else ack_id, None)
        if answer is not None:
            answer.set(tuple(args) if len(args) > 1 else args[0] if args else None)

    def on_close(self, reason: str) -> None:
        """The connection is over."""
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.is_connected:
            self.is_connected, self.reason = False, reason
        if self._connection is not None:
            self._connection.remove(self)
        acks, self._acks = self._acks, {}
        for answer in acks.values():
            answer.set_exception(SocketDisconnected(reason))
