"""An adapter for many servers: a local adapter, and a bus to the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import gevent

from ...codec.message import Message
from ...codec.socket_packet import Packet
from ...errors import ClusterTimeout
from ...options import RecoveryOptions
from ...quoting import named, shown
from ..base import AckCollector, Adapter, LocalSockets, ServerAck
from ..memory import MemoryAdapter
from ..values import SavedSocket, Target
from ..wire.messages import (
    Broadcast,
    DisconnectSockets,
    FetchSockets,
    JoinRooms,
    LeaveRooms,
    Request,
    ServerSideEmit,
)
from .bus import Bus, BusRecovery
from .pending import BroadcastRequest, Peers, PendingResponses, RequestTable
from .receiver import ClusterReceiver, is_kept

__all__ = ["ClusterAdapter"]

logger = logging.getLogger(__name__)

# How the servers of a cluster work together
#
# Each operation has two halves. What it means on this server is done at once, on the greenlet
# that calls, by a MemoryAdapter; what it means elsewhere is published as a request. There is no
# directory of rooms: every server carries a request out for the sockets that it has.
#
# Order. A server publishes its requests in the order of the calls, and the bus keeps the order
# of each sender. Other servers serve them one after the other, on the greenlet of the bus's
# RequestQueue: on_request() may run listeners of the application (join-room) and may block,
# even on a question to the cluster. So responses must not wait in that queue: on_response() is
# called where the bus reads, never blocks and never runs code of the application. Between two
# servers that publish at the same time there is no order, unless the bus keeps packets: with
# recovery an emit waits until its packet has its place among those of all servers, and is
# delivered here only then (_broadcast_kept). Listeners of server_side_emit() have greenlets of
# their own, which the namespace spawns.
#
# Questions. A question carries an id; the responses carry it too, and RequestTable finds what
# waits for them. How many responses are expected is asked first (server_count), so a server
# that dies in between costs the timeout. fetch_sockets() and server_side_emit_with_ack() block
# the caller. broadcast_with_ack() does not: a greenlet counts the servers, and the collector is
# held until each has said how many clients it has asked; it ends at its own deadline anyway.
#
# When the bus is down, the local half works as before. publish() never blocks and never raises
# for a broken connection: what is lost is counted by the bus. Questions raise ClusterTimeout
# with what this server knows itself.
#
# A process that was forked calls start() again: the bus takes a new id, and the adapter is
# another server from then on. Before start() a server may publish but not ask: no response
# would find it.


class _Life(Enum):
    """An adapter listens from start() on, again in a fork, and is closed for good."""

    NEW = "new"
    LISTENING = "listening"
    CLOSED = "closed"


class ClusterAdapter(Adapter):
    """The sockets of a namespace on all servers of a cluster.

    Args:
        namespace: The namespace whose sockets it manages.
        bus: Reaches the other servers.
        timeout: Seconds that other servers have to answer.

    Attributes:
        local: The rooms of this server.
        receiver: Takes what other servers send.
    """

    is_bound_to_thread = True

    def __init__(self, namespace: LocalSockets, bus: Bus, timeout: float = 5) -> None:
        super().__init__(namespace)
        self.local: MemoryAdapter = MemoryAdapter(namespace, events=self)
        self.rooms: dict[str, set[str]] = self.local.rooms
        self.sids: dict[str, set[str]] = self.local.sids
        self._bus = bus
        self._timeout = timeout
        self._requests = RequestTable()
        self._peers = Peers()
        self._life = _Life.NEW
        self._recovery: BusRecovery | None = None
        self.receiver: ClusterReceiver = ClusterReceiver(
            namespace, self.local, bus, self._requests, self._peers
        )
        watcher = bus.room_watcher
        if watcher is not None:
            self.on("create-room", watcher.created)
            self.on("delete-room", watcher.deleted)

    def start(self) -> None:
        """Begin to listen to other servers."""
        if self._life is not _Life.CLOSED:
            self._life = _Life.LISTENING
            self._bus.start(self.receiver)
            logger.info("+ %s joined the cluster", named(self.namespace.name))

    def close(self) -> None:
        """Stop listening."""
        if self._life is not _Life.CLOSED:
            self._life = _Life.CLOSED
            self._bus.close()
            logger.info("- %s left the cluster", named(self.namespace.name))

    def stats(self) -> dict[str, int]:
        """Return the counters of the bus."""
        return self._bus.stats()

    @property
    def is_connected(self) -> bool:
        """Whether it listens, and the bus reaches the other servers as far as it knows."""
        return self._life is _Life.LISTENING and self._bus.is_connected

    def server_count(self) -> int:
        """Return how many servers form the cluster, this one included; may block.

        Raises:
            OSError: The bus is down.
        """
        # A server that does not listen is not counted by the bus.
        return self._bus.server_count() + (self._life is not _Life.LISTENING)

    def _must_listen(self) -> None:
        if self._life is not _Life.LISTENING:
            raise RuntimeError(
                "no other server can answer, since this one does not listen yet:"
                " it does from start() or the first request of a client on"
            )

    # Rooms

    def add_all(self, sid: str, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""
        self.local.add_all(sid, rooms)

    def remove(self, sid: str, room: str) -> None:
        """Take a socket out of a room."""
        self.local.remove(sid, room)

    def remove_all(self, sid: str) -> None:
        """Take a socket out of all its rooms."""
        self.local.remove_all(sid)

    def sockets(self, rooms: Iterable[str] = ()) -> set[str]:
        """Return the ids of the sockets of this server in any of the rooms."""
        return self.local.sockets(rooms)

    def socket_rooms(self, sid: str) -> set[str]:
        """Return the rooms of a socket of this server."""
        return self.local.socket_rooms(sid)

    # Broadcasting

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Send a packet to every socket of the target, on all servers.

        With recovery it blocks until the packet has its place, for a second at most.

        Raises:
            MessageTooLarge: It is above ``max_buffered_bytes``.
            TypeError, ValueError: The packet cannot be encoded.
        """
        message = self.namespace.message_of(packet, target.flags.compress)
        if not target.flags.local:
            if self._recovery is not None and is_kept(packet, target):
                self._broadcast_kept(self._recovery, packet, target)
                return
            self._bus.publish(Broadcast(packet, target))
        self.local.deliver(packet, message, target)

    def _broadcast_kept(self, recovery: BusRecovery, packet: Packet, target: Target) -> None:
        if not recovery.may_wait_here:
            gevent.spawn(self._broadcast_kept, recovery, packet, target)
            return
        offset = recovery.publish(Broadcast(packet, target))
        if offset is not None:
            target = recovery.delivering(offset, packet, target)
        # Measured without the offset, before it was published.
        self.receiver.deliver(packet, target, offset, self.namespace.parser.encode)

    def broadcast_with_ack(self, packet: Packet, target: Target, collector: AckCollector) -> None:
        """Send a packet to every socket of the target and collect their acknowledgements.

        Raises:
            RuntimeError: This server does not listen to the others yet.
            TypeError, ValueError: The packet cannot be encoded.
        """
        self.namespace.message_of(packet)
        if not target.flags.local:
            self._must_listen()
            request = BroadcastRequest(collector)
            request_id = self._requests.add(request)
            collector.on_end(lambda: self._requests.discard(request_id))
            self._bus.publish(Broadcast(packet, target, request_id))
            gevent.spawn(self._count, request)
        self.local.broadcast_with_ack(packet, target, collector)

    def _count(self, request: BroadcastRequest) -> None:
        try:
            request.expect(self.server_count() - 1)
        except OSError as error:
            # How many clients were asked stays unknown: the collector ends at its deadline.
            logger.warning("! the servers could not be counted: %s", shown(error))

    # Acting

    def fetch_sockets(self, target: Target) -> list[Any]:
        """Return the sockets of the target: those of this server first.

        Raises:
            ClusterTimeout: Another server did not answer; ``responses`` has the sockets found.
            RuntimeError: This server does not listen to the others yet.
        """
        found = self.local.fetch_sockets(target)
        if target.flags.local:
            return found
        self._must_listen()
        timeout = self._timeout if target.flags.timeout is None else target.flags.timeout
        return self._ask(lambda request_id: FetchSockets(target, request_id), timeout, found)

    def _ask(self, make: Callable[[str], Request], timeout: float, found: list[Any]) -> list[Any]:
        try:
            others = self.server_count() - 1
        except OSError as error:
            raise ClusterTimeout(f"the other servers are out of reach: {error}", found) from None
        if others <= 0:
            return found
        pending = PendingResponses(others, self._peers)
        request_id = self._requests.add(pending)
        try:
            self._bus.publish(make(request_id))
            return pending.wait(timeout, found)
        finally:
            self._requests.discard(request_id)

    def add_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target join rooms."""
        wanted = list(rooms)
        if not target.flags.local:
            self._bus.publish(JoinRooms(target, wanted))
        self.local.add_sockets(target, wanted)

    def del_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target leave rooms."""
        wanted = list(rooms)
        if not target.flags.local:
            self._bus.publish(LeaveRooms(target, wanted))
        self.local.del_sockets(target, wanted)

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        """Disconnect the sockets of the target."""
        if not target.flags.local:
            self._bus.publish(DisconnectSockets(target, close))
        self.local.disconnect_sockets(target, close)

    def server_side_emit(
        self, args: list[Any], ack: ServerAck | None = None, timeout: float = 5
    ) -> None:
        """Send an event to the other servers.

        Raises:
            RuntimeError: With ``ack``: this server does not listen to the others yet.
        """
        if ack is None:
            self._bus.publish(ServerSideEmit(args))
        else:
            self._must_listen()
            gevent.spawn(self._emit_and_wait, args, ack, timeout)

    def _emit_and_wait(self, args: list[Any], ack: ServerAck, timeout: float) -> None:
        try:
            answers = self._ask(lambda request_id: ServerSideEmit(args, request_id), timeout, [])
        except ClusterTimeout as error:
            ack(error, error.responses)
        except (TypeError, ValueError) as error:
            ack(error, [])
        else:
            ack(None, answers)

    # Connection state recovery

    def enable_recovery(self, options: RecoveryOptions, clock: Callable[[], float]) -> bool:
        """Use the recovery of the bus; return whether it has one."""
        self._recovery = self._bus.recover(options)
        self.receiver.keeps_offsets = self._recovery is not None
        return self.receiver.keeps_offsets

    def current_offset(self) -> str:
        """Return the offset of the newest packet."""
        return self._kept.current_offset()

    def persist_session(self, saved: SavedSocket) -> None:
        """Keep the state of a socket."""
        self._kept.persist(saved)

    def restore_session(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that was kept under ``pid`` and forget it; may block."""
        return self._kept.restore(pid, offset)

    def missed_packets(self, saved: SavedSocket) -> list[Message] | None:
        """Return what the client has missed; may block."""
        return self._kept.missed(saved, self.namespace.parser.encode)

    @property
    def _kept(self) -> BusRecovery:
        if self._recovery is None:
            raise RuntimeError("connection state recovery is off")
        return self._recovery
