"""What an adapter is asked for, and what it sees of a namespace.

An adapter knows which sockets are in which room and carries broadcasts to them. It sees a
namespace only as :class:`LocalSockets`; the engine is out of its sight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..codec.message import Message
from ..codec.parser import Parser
from ..codec.socket_packet import Packet
from ..events import EventEmitter
from ..options import RecoveryOptions

if TYPE_CHECKING:
    from .memory_log import SavedSession

__all__ = [
    "AckCollector",
    "Adapter",
    "Flags",
    "LocalSocket",
    "LocalSockets",
    "RemoteState",
    "ServerAck",
    "Target",
]

Rooms = frozenset[str]
ServerAck = Callable[[Exception | None, list[Any]], Any]


class Flags(NamedTuple):
    """The modifiers of an emit.

    Attributes:
        volatile: Drop the packet for clients that cannot take it now.
        compress: Whether it may be compressed.
        local: Stay on this server.
        timeout: Seconds that clients have to acknowledge.
    """

    volatile: bool = False
    compress: bool = True
    local: bool = False
    timeout: float | None = None


class Target(NamedTuple):
    """Whom an operation is for: the union of ``rooms`` without those in ``except_``.

    No rooms at all means every socket of the namespace.
    """

    rooms: Rooms = frozenset()
    except_: Rooms = frozenset()
    flags: Flags = Flags()

    def includes(self, rooms: Rooms) -> bool:
        """Whether a socket in these rooms is meant."""
        if not self.except_.isdisjoint(rooms):
            return False
        return not self.rooms or not self.rooms.isdisjoint(rooms)


class RemoteState(NamedTuple):
    """What another server tells about one of its sockets.

    Attributes:
        id: The public id.
        handshake: Its handshake, as JSON carries it.
        rooms: Its rooms when it was asked for.
        data: What the application keeps for it.
    """

    id: str
    handshake: dict[str, Any]
    rooms: list[str]
    data: dict[str, Any]


class AckCollector(Protocol):
    """Gathers the acknowledgements of a broadcast."""

    def hold(self) -> None:
        """Do not end before :meth:`release`: others have not said yet whom they asked."""

    def release(self) -> None:
        """Undo one :meth:`hold`."""

    def on_end(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` when nobody waits any more."""

    def expect(self, count: int) -> None:
        """So many more clients have been asked."""

    def respond(self, *args: Any) -> None:
        """A client has answered."""

    def lose(self, reason: str) -> None:
        """A client that was asked has left."""


class LocalSocket(Protocol):
    """A socket of this server, as an adapter sees it."""

    @property
    def id(self) -> str:
        """The public id."""

    def deliver(self, packet: Packet, message: Message, volatile: bool) -> None:
        """Send a broadcast to the client."""

    def expect_ack(self, ack_id: int, collector: AckCollector) -> None:
        """Pass the client's answer to ``ack_id`` on to ``collector``."""

    def forget_ack(self, ack_id: int) -> None:
        """Expect the answer to ``ack_id`` no longer."""

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join rooms."""

    def leave(self, room: str) -> None:
        """Leave a room."""

    def disconnect(self, close: bool = False) -> Any:
        """Disconnect the client."""

    def describe(self) -> RemoteState:
        """Return what other servers are told."""


class LocalSockets(Protocol):
    """A namespace, as its adapter sees it."""

    @property
    def name(self) -> str:
        """The name of the namespace."""

    @property
    def sockets(self) -> Mapping[str, LocalSocket]:
        """The sockets of this server by id."""

    @property
    def parser(self) -> Parser:
        """Encodes packets."""

    def next_ack_id(self) -> int:
        """Return a new acknowledgement id."""

    def give_up(self, pid: str) -> None:
        """The client with this private id has come back to another server; may block.

        Its connection here ends, if it is still open.
        """

    def on_server_side_emit(
        self, args: list[Any], answer: Callable[[Any], None] | None = None
    ) -> None:
        """Another server has sent an event; never blocks.

        Args:
            args: The name of the event and its arguments.
            answer: Takes what a listener returns, when the other server wants to know.
        """


class Adapter(EventEmitter):
    """The interface of every adapter (Socket.IO documentation, "Adapter").

    Events: ``create-room(room)``, ``delete-room(room)``, ``join-room(room, id)`` and
    ``leave-room(room, id)``.

    Args:
        namespace: Whose sockets it looks after.

    Attributes:
        rooms: The ids of the sockets in each room.
        sids: The rooms of each socket.
    """

    def __init__(self, namespace: LocalSockets) -> None:
        super().__init__()
        self.namespace = namespace
        self.rooms: dict[str, set[str]] = {}
        self.sids: dict[str, set[str]] = {}

    def start(self) -> None:
        """Begin to listen to other servers; called in the process that serves clients."""

    def close(self) -> None:
        """Give back what the adapter holds outside of the process."""

    def stats(self) -> dict[str, int]:
        """Return counters of the traffic with other servers."""
        return {}

    def server_count(self) -> int:
        """Return how many servers form the cluster, this one included."""
        raise NotImplementedError

    def add_all(self, sid: str, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""
        raise NotImplementedError

    def remove(self, sid: str, room: str) -> None:
        """Take a socket out of a room; silent when it is not in it."""
        raise NotImplementedError

    def remove_all(self, sid: str) -> None:
        """Take a socket out of all its rooms."""
        raise NotImplementedError

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Send a packet to every socket of the target."""
        raise NotImplementedError

    def broadcast_with_ack(self, packet: Packet, target: Target, collector: AckCollector) -> None:
        """Send a packet to every socket of the target and collect their answers."""
        raise NotImplementedError

    def sockets(self, rooms: Iterable[str] = ()) -> set[str]:
        """Return the ids of the sockets in any of the rooms; of all without rooms."""
        raise NotImplementedError

    def socket_rooms(self, sid: str) -> set[str]:
        """Return the rooms of a socket."""
        raise NotImplementedError

    def fetch_sockets(self, target: Target) -> list[Any]:
        """Return the sockets of the target, on all servers."""
        raise NotImplementedError

    def add_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target join rooms."""
        raise NotImplementedError

    def del_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target leave rooms."""
        raise NotImplementedError

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        """Disconnect the sockets of the target."""
        raise NotImplementedError

    def server_side_emit(
        self, args: list[Any], ack: ServerAck | None = None, timeout: float = 5
    ) -> None:
        """Send an event to the other servers of the cluster.

        Args:
            args: The name of the event and its arguments.
            ack: ``ack(error, responses)`` is called with the answers.
            timeout: Seconds that the others have.
        """
        raise NotImplementedError

    # Connection state recovery; an adapter without it leaves these as they are.

    def enable_recovery(self, options: RecoveryOptions, clock: Callable[[], float]) -> bool:
        """Remember from now on what clients need that come back.

        Args:
            options: For how long, and how much.
            clock: Monotonic seconds.

        Returns:
            Whether the adapter can do it.
        """
        return False

    def disable_recovery(self) -> None:
        """Remember nothing any more."""

    def current_offset(self) -> str:
        """Return the offset of the newest packet: a client that joins now misses nothing yet."""
        raise NotImplementedError

    def persist_session(self, session: SavedSession) -> None:
        """Keep the state of a socket whose client may come back; its rooms are still known.

        It may be called in the hub and must not block.
        """
        raise NotImplementedError

    def restore_session(self, pid: str, offset: str | None) -> SavedSession | None:
        """Return the state that was kept under ``pid`` and forget it; may block.

        Args:
            pid: The private id.
            offset: The position that the client says it has reached, if any. The offset of
                the session that is returned is the one to go on from.

        Returns:
            ``None`` when there is none, or when packets after the offset are lost.

        Raises:
            OSError: Whatever keeps them is out of reach.
        """
        raise NotImplementedError

    def missed_packets(self, session: SavedSession) -> list[Message] | None:
        """Return what the client has missed; may block.

        Nothing is lost when the socket is readmitted as soon as this returns.

        Returns:
            ``None`` when packets after the offset are lost.

        Raises:
            OSError: Whatever keeps them is out of reach.
        """
        raise NotImplementedError

    def readmit(self, session: SavedSession) -> None:
        """Put a socket back into the rooms of its session."""
        self.add_all(session.sid, session.rooms)

    def prune(self) -> bool:
        """Forget what is too old; return whether something is left."""
        return False
