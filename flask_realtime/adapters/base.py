"""The interface of adapters, and what an adapter sees of its namespace.

An adapter knows which sockets are in which room and carries broadcasts to them. It sees a
namespace only as :class:`LocalSockets`, and nothing of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ..codec.message import Message
from ..codec.parser import Parser
from ..codec.socket_packet import Packet
from ..events import EventEmitter
from ..options import RecoveryOptions
from .values import RemoteState, SavedSocket, Target

__all__ = [
    "AckCollector",
    "Adapter",
    "AdapterFactory",
    "LocalSocket",
    "LocalSockets",
    "ServerAck",
]

ServerAck = Callable[[Exception | None, list[Any]], Any]


class AckCollector(Protocol):
    """Collects the acknowledgements of a broadcast.

    The caller of :meth:`Adapter.broadcast_with_ack` passes one in. An adapter says how many
    clients it has asked and passes on what they answer; the collector ends with the last answer
    or at its deadline, and then calls what :meth:`on_end` was given.
    """

    def hold(self) -> None:
        """Do not end before :meth:`release`: more clients may still be expected."""

    def release(self) -> None:
        """Undo one :meth:`hold`."""

    def on_end(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` at the end: answers that come later are not expected."""

    def expect(self, count: int) -> None:
        """Expect answers from ``count`` more clients."""

    def respond(self, *args: Any) -> None:
        """Take the answer of a client.

        Args:
            args: The arguments of its acknowledgement.
        """

    def disconnected(self, reason: str) -> None:
        """Expect no answer from a client that was asked and has disconnected.

        Args:
            reason: Why it has; one of :class:`flask_realtime.Reason`.
        """


class LocalSocket(Protocol):
    """A socket of this server, as an adapter sees it."""

    @property
    def id(self) -> str:
        """The public id."""

    def deliver(self, packet: Packet, message: Message, volatile: bool) -> None:
        """Send a broadcast to the client; never blocks.

        Args:
            packet: What is sent.
            message: The same, encoded.
            volatile: Drop it when the client cannot take it now.
        """

    def expect_ack(self, ack_id: int, collector: AckCollector) -> None:
        """Pass the client's acknowledgement with the id ``ack_id`` to ``collector``."""

    def forget_ack(self, ack_id: int) -> None:
        """Stop expecting the acknowledgement with the id ``ack_id``."""

    def join(self, rooms: str | Iterable[str]) -> None:
        """Put the socket into rooms."""

    def leave(self, room: str) -> None:
        """Take the socket out of a room."""

    def disconnect(self, close: bool = False) -> Any:
        """Disconnect the client.

        Args:
            close: Whether its connection, with all its namespaces, is closed.
        """

    def describe(self) -> RemoteState:
        """Return the state that other servers are told."""


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
        """The parser that encodes packets, of whatever size."""

    def message_of(self, packet: Packet, compress: bool = True) -> Message:
        """Return a packet as a message to clients.

        Args:
            packet: What is sent.
            compress: Whether a transport may compress it.

        Raises:
            MessageTooLarge: It is above ``max_buffered_bytes``.
            TypeError, ValueError: The data holds something that cannot be encoded.
        """

    def next_ack_id(self) -> int:
        """Return a new acknowledgement id."""

    def give_up(self, pid: str) -> None:
        """Give up a client that has come back to another server, and its connection; may block.

        Args:
            pid: Its private id.
        """

    def on_server_side_emit(
        self, args: list[Any], answer: Callable[[Any], None] | None = None
    ) -> None:
        """Call the listeners of an event that another server has sent; never blocks.

        Args:
            args: The name of the event and its arguments.
            answer: Called with what a listener returns, when the other server waits for it.
        """


class Adapter(EventEmitter):
    """The interface of every adapter (Socket.IO documentation, "Adapter").

    A namespace makes its adapter when it is created, calls :meth:`start` in the process that
    serves clients and :meth:`close` at the end. The methods about rooms are called on any
    greenlet, in the hub too, and must not block; those that ask other servers may.

    Events: ``create-room(room)``, ``delete-room(room)``, ``join-room(room, id)`` and
    ``leave-room(room, id)``.

    Args:
        namespace: The namespace whose sockets it manages.

    Attributes:
        rooms: The ids of the sockets in each room.
        sids: The rooms of each socket.
        is_bound_to_thread: Whether it works in the hub of the thread that has started it, and
            ends with that; true of those that listen to other servers.
    """

    is_bound_to_thread = False

    def __init__(self, namespace: LocalSockets) -> None:
        super().__init__()
        self.namespace = namespace
        self.rooms: dict[str, set[str]] = {}
        self.sids: dict[str, set[str]] = {}

    def start(self) -> None:
        """Begin to listen to other servers; called in the process that serves clients.

        It may be called again, in a process that was forked.
        """

    def close(self) -> None:
        """Release what the adapter holds outside of the process; harmless when called again."""

    def stats(self) -> dict[str, int]:
        """Return counters of the traffic with other servers."""
        return {}

    @property
    def is_connected(self) -> bool:
        """Whether it reaches the other servers, as far as it knows; it asks none of them."""
        return True

    def server_count(self) -> int:
        """Return how many servers form the cluster, this one included."""
        raise NotImplementedError

    def add_all(self, sid: str, rooms: Iterable[str]) -> None:
        """Put a socket into rooms.

        Args:
            sid: The id of the socket.
            rooms: The rooms; those it is in already change nothing.
        """
        raise NotImplementedError

    def remove(self, sid: str, room: str) -> None:
        """Take a socket out of a room; no effect when it is not in it.

        Args:
            sid: The id of the socket.
            room: The room.
        """
        raise NotImplementedError

    def remove_all(self, sid: str) -> None:
        """Take a socket out of all its rooms.

        Args:
            sid: The id of the socket.
        """
        raise NotImplementedError

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Send a packet to every socket of the target.

        Args:
            packet: What is sent, not encoded yet.
            target: Rooms, exceptions and flags.
        """
        raise NotImplementedError

    def broadcast_with_ack(self, packet: Packet, target: Target, collector: AckCollector) -> None:
        """Send a packet to every socket of the target and collect their acknowledgements.

        Args:
            packet: What is sent, not encoded yet.
            target: Rooms, exceptions and flags.
            collector: Is told how many answers to expect, and gets them.
        """
        raise NotImplementedError

    def sockets(self, rooms: Iterable[str] = ()) -> set[str]:
        """Return the ids of the sockets of this server in any of the rooms.

        Args:
            rooms: Without any, all sockets of the namespace.
        """
        raise NotImplementedError

    def socket_rooms(self, sid: str) -> set[str]:
        """Return the rooms of a socket.

        Args:
            sid: The id of the socket.
        """
        raise NotImplementedError

    def fetch_sockets(self, target: Target) -> list[Any]:
        """Return the sockets of the target, on all servers; may block.

        Args:
            target: Rooms, exceptions and flags.

        Returns:
            Sockets of this server, and a :class:`RemoteState` for each one elsewhere.

        Raises:
            ClusterTimeout: Another server did not answer.
        """
        raise NotImplementedError

    def add_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target join rooms.

        Args:
            target: Which sockets.
            rooms: The rooms that they join.
        """
        raise NotImplementedError

    def del_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target leave rooms.

        Args:
            target: Which sockets.
            rooms: The rooms that they leave.
        """
        raise NotImplementedError

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        """Disconnect the sockets of the target.

        Args:
            target: The sockets.
            close: Whether their connections, with all their namespaces, are closed.
        """
        raise NotImplementedError

    def server_side_emit(
        self, args: list[Any], ack: ServerAck | None = None, timeout: float = 5
    ) -> None:
        """Send an event to the other servers of the cluster.

        Args:
            args: The name of the event and its arguments.
            ack: ``fn(error, responses)``, called with the answers of the other servers.
            timeout: Seconds that they have to answer.
        """
        raise NotImplementedError

    # Connection state recovery; an adapter without it leaves these as they are.

    def enable_recovery(self, options: RecoveryOptions, clock: Callable[[], float]) -> bool:
        """Keep from now on what clients need to be recovered.

        Args:
            options: For how long, and how much.
            clock: Returns monotonic seconds.

        Returns:
            Whether the adapter supports recovery.
        """
        return False

    def disable_recovery(self) -> None:
        """Keep nothing any more."""

    def current_offset(self) -> str:
        """Return the offset of the newest packet: from there a client that joins now goes on."""
        raise NotImplementedError

    def persist_session(self, saved: SavedSocket) -> None:
        """Keep the state of a socket whose client may come back.

        Called before the socket leaves its rooms, in the hub too; must not block.

        Args:
            saved: Its ids, rooms and data.
        """
        raise NotImplementedError

    def restore_session(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that was kept under ``pid`` and forget it; may block.

        Args:
            pid: The private id.
            offset: The offset that the client says it has reached, if any.

        Returns:
            The state, with the offset to go on from; ``None`` when there is none, or when
            packets after the offset are lost.

        Raises:
            OSError: The storage is out of reach.
        """
        raise NotImplementedError

    def missed_packets(self, saved: SavedSocket) -> list[Message] | None:
        """Return what the client has missed; may block.

        Nothing is lost when :meth:`readmit` follows before another greenlet runs.

        Args:
            saved: What :meth:`restore_session` has returned.

        Returns:
            The messages in order; ``None`` when packets after the offset are lost.

        Raises:
            OSError: The storage is out of reach.
        """
        raise NotImplementedError

    def readmit(self, saved: SavedSocket) -> None:
        """Put a socket back into its rooms.

        Args:
            saved: What :meth:`restore_session` has returned.
        """
        self.add_all(saved.sid, saved.rooms)

    def prune(self) -> bool:
        """Drop what is too old; return whether anything is left."""
        return False

    def awaits_clients(self) -> bool:
        """Return whether the state of a client is kept that may still come back."""
        return self.prune()


#: What makes the adapter of a namespace: a class of adapters is one, and so is any function
#: ``fn(namespace)``. The option ``adapter`` of a server takes it.
AdapterFactory = Callable[[LocalSockets], Adapter]
