"""A namespace, its sockets, a bus and a collector of answers without any connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from ..adapters.base import AckCollector, Adapter
from ..adapters.cluster.bus import BusRecovery, Receiver, RoomWatcher
from ..adapters.values import RemoteState
from ..adapters.wire.messages import Request, Response
from ..codec.message import Message
from ..codec.parser import DefaultParser, Parser
from ..codec.socket_packet import Packet
from ..options import RecoveryOptions


class FakeSocket:
    """Keeps what it was told; what it is told to do with rooms, it does.

    Attributes:
        delivered: The packets that the client got, with their messages.
        on_deliver: Called after each of them.
        collectors: The collectors of the client's answers, by acknowledgement id.
        closed: ``None`` while it is connected, then what ``disconnect`` was given.
    """

    def __init__(self, sid: str, namespace: FakeNamespace) -> None:
        self.id = sid
        self.namespace = namespace
        self.delivered: list[tuple[Packet, Message, bool]] = []
        self.on_deliver: Callable[[], Any] = lambda: None
        self.collectors: dict[int, AckCollector] = {}
        self.closed: bool | None = None
        self.data: dict[Any, Any] = {}

    @property
    def events(self) -> list[Any]:
        """The first item of each event that was delivered."""
        return [packet.data[0] for packet, _, _ in self.delivered]

    def deliver(self, packet: Packet, message: Message, volatile: bool) -> None:
        """Keep a packet."""
        self.delivered.append((packet, message, volatile))
        self.on_deliver()

    def describe(self) -> RemoteState:
        """Return what other servers are told."""
        rooms = sorted(self.namespace.adapter.socket_rooms(self.id))
        return RemoteState(self.id, {"url": "/"}, rooms, self.data)

    def expect_ack(self, ack_id: int, collector: AckCollector) -> None:
        """Keep the collector of the client's answer."""
        self.collectors[ack_id] = collector

    def forget_ack(self, ack_id: int) -> None:
        """Forget the collector of an answer."""
        self.collectors.pop(ack_id, None)

    def answer(self, *args: Any) -> None:
        """Acknowledge the last packet, as the client would."""
        ack_id = self.delivered[-1][0].id
        assert ack_id is not None
        self.collectors.pop(ack_id).respond(*args)

    def vanish(self) -> None:
        """Go, as a client does: the collectors of its answers are told."""
        collectors, self.collectors = self.collectors, {}
        self.disconnect()
        for collector in collectors.values():
            collector.disconnected("transport close")

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join rooms."""
        self.namespace.adapter.add_all(self.id, [rooms] if isinstance(rooms, str) else rooms)

    def leave(self, room: str) -> None:
        """Leave a room."""
        self.namespace.adapter.remove(self.id, room)

    def disconnect(self, close: bool = False) -> None:
        """Leave the namespace."""
        self.closed = close
        self.namespace.adapter.remove_all(self.id)
        del self.namespace.sockets[self.id]


class FakeNamespace:
    """Sockets by id; each is in the room of its own id, as in a real namespace."""

    def __init__(self, name: str = "/") -> None:
        self.name = name
        self.sockets: dict[str, FakeSocket] = {}
        self.parser: Parser = DefaultParser()
        #: Bytes that a message to clients may have.
        self.max_message_size = 1_000_000
        self.adapter: Adapter
        self._ack_ids = count()
        #: What other servers have sent, and what this one answers; nothing by default.
        self.server_side: list[list[Any]] = []
        self.answer: Any = None
        #: The private ids of clients that have come back to another server.
        self.given_up: list[str] = []

    def message_of(self, packet: Packet, compress: bool = True) -> Message:
        """Return the packet as a message to clients."""
        message = self.parser.encode(packet, compress)
        message.check_size(self.max_message_size)
        return message

    def next_ack_id(self) -> int:
        """Return a new acknowledgement id."""
        return next(self._ack_ids)

    def give_up(self, pid: str) -> None:
        """Note a client that has come back to another server."""
        self.given_up.append(pid)

    def on_server_side_emit(
        self, args: list[Any], answer: Callable[[Any], None] | None = None
    ) -> None:
        """Keep what another server has sent, and answer it."""
        self.server_side.append(args)
        if answer is not None and self.answer is not None:
            answer(self.answer)

    def connect(self, sid: str, *rooms: str) -> FakeSocket:
        """Add a socket and put it into rooms."""
        socket = self.sockets[sid] = FakeSocket(sid, self)
        self.adapter.add_all(sid, [sid, *rooms])
        return socket


class FakeBus:
    """Keeps what it is told to send.

    Attributes:
        published: The requests.
        responses: The responses, each with the server that had asked.
        count: How many servers there are; ``None`` when that cannot be known.
        starts: How often it was told to listen.
        closes: How often it was closed.
        recovery: What keeps packets, if anything does.
    """

    def __init__(self, room_watcher: RoomWatcher | None = None) -> None:
        self.uid = "me"
        self.published: list[Request] = []
        self.responses: list[tuple[str, Response]] = []
        self.count: int | None = 1
        self.starts: int = 0
        self.closes: int = 0
        self.recovery: BusRecovery | None = None
        self._room_watcher = room_watcher

    @property
    def room_watcher(self) -> RoomWatcher | None:
        """What the constructor was given."""
        return self._room_watcher

    def start(self, receiver: Receiver) -> None:
        """Count the call."""
        self.starts += 1

    def publish(self, request: Request) -> None:
        """Keep a request."""
        self.published.append(request)

    def respond(self, origin: str, response: Response) -> None:
        """Keep a response."""
        self.responses.append((origin, response))

    @property
    def is_connected(self) -> bool:
        """Whether :attr:`count` is a number."""
        return self.count is not None

    def server_count(self) -> int:
        """Return :attr:`count`; OSError when that is ``None``."""
        if self.count is None:
            raise OSError("out of reach")
        return self.count

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Return :attr:`recovery`."""
        return self.recovery

    def stats(self) -> dict[str, int]:
        """Return how much was published."""
        return {"published": len(self.published)}

    def close(self) -> None:
        """Count the call."""
        self.closes += 1


class FakeReceiver:
    """Keeps what other servers send, in place of the adapter of a namespace."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, str, str | None]] = []
        self.responses: list[tuple[Response, str]] = []

    def has_room(self, room: str) -> bool:
        """Return that there is no socket in any room."""
        return False

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        """Keep a request."""
        self.requests.append((request, origin, offset))

    def on_response(self, response: Response, origin: str) -> None:
        """Keep a response."""
        self.responses.append((response, origin))


class FakeCollector:
    """Counts the clients that were asked and keeps their answers."""

    def __init__(self) -> None:
        self.expected: int = 0
        self.answers: list[tuple[Any, ...]] = []
        self.lost: list[str] = []
        self._forget: list[Callable[[], None]] = []
        self.held: int = 0

    def hold(self) -> None:
        """Count one more server that has not said how many clients it asked."""
        self.held += 1

    def release(self) -> None:
        """Count one less."""
        self.held -= 1

    def on_end(self, forget: Callable[[], None]) -> None:
        """Keep what is to be called at the end."""
        self._forget.append(forget)

    def expect(self, count: int) -> None:
        """Count clients that were asked."""
        self.expected += count

    def respond(self, *args: Any) -> None:
        """Keep an answer."""
        self.answers.append(args)

    def disconnected(self, reason: str) -> None:
        """Keep why a client has left."""
        self.lost.append(reason)

    def end(self) -> None:
        """Call what was to be called at the end."""
        for forget in self._forget:
            forget()
