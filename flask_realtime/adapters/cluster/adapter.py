"""An adapter for many servers: a local adapter, and a bus to the others.

What an operation means here is done at once, by the local adapter; what it means elsewhere
goes out on the bus. Remote requests are served in order, where the bus delivers them: not
where it reads. Server-side listeners get greenlets of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import gevent

from ...codec.message import Message
from ...codec.socket_packet import Packet, PacketType
from ...errors import ClusterTimeout
from ...options import RecoveryOptions
from ..base import AckCollector, Adapter, LocalSockets, ServerAck, Target
from ..memory import MemoryAdapter, with_offset
from ..memory_log import SavedSession
from ..wire.messages import (
    AllRooms,
    AllSockets,
    Broadcast,
    DisconnectSockets,
    FetchSockets,
    IdsFound,
    JoinRooms,
    LeaveRooms,
    Request,
    Response,
    RoomsFound,
    ServerAnswer,
    ServerSideEmit,
    SocketsFound,
)
from ..wire.values import plain
from .bus import Bus, BusRecovery
from .pending import BroadcastRequest, Gathering, Peers, RequestTable
from .remote_acks import RemoteAcks

__all__ = ["ClusterAdapter", "is_kept"]

logger = logging.getLogger(__name__)

#: Seconds that clients of other servers have to acknowledge when the request does not say.
_ACK_TIMEOUT = 10.0


class _Life(Enum):
    """An adapter is made, listens, possibly again in a fork, and is closed for good."""

    NEW = "new"
    LISTENING = "listening"
    CLOSED = "closed"


class ClusterAdapter(Adapter):
    """The sockets of a namespace on all servers of a cluster.

    Args:
        namespace: Whose sockets it looks after.
        bus: Reaches the other servers.
        timeout: Seconds that other servers have to answer.
    """

    def __init__(self, namespace: LocalSockets, bus: Bus, timeout: float = 5) -> None:
        super().__init__(namespace)
        self.local = MemoryAdapter(namespace, events=self)
        self.rooms, self.sids = self.local.rooms, self.local.sids
        self._bus = bus
        self._timeout = timeout
        self._requests = RequestTable()
        self._peers = Peers()
        self._life = _Life.NEW
        self._recovery: BusRecovery | None = None
        watcher = bus.room_watcher
        if watcher is not None:
            self.on("create-room", watcher.created)
            self.on("delete-room", watcher.deleted)

    def start(self) -> None:
        """Begin to listen to other servers."""
        if self._life is not _Life.CLOSED:
            self._life = _Life.LISTENING
            self._bus.start(self)
            logger.info("+ %s joined the cluster", self.namespace.name)

    def close(self) -> None:
        """Stop listening."""
        if self._life is not _Life.CLOSED:
            self._life = _Life.CLOSED
            self._bus.close()
            logger.info("- %s left the cluster", self.namespace.name)

    def stats(self) -> dict[str, int]:
        """Return the counters of the bus."""
        return self._bus.stats()

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
                "no other server can answer: this one does not listen to them;"
                " the first request or start() makes it do so"
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
        """Send a packet to every socket of the target, on all servers."""
        message = self.namespace.parser.encode(packet, target.flags.compress)
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
            target = recovery.applying(offset, packet, target)
        self._deliver(packet, target, offset)

    def _deliver(self, packet: Packet, target: Target, offset: str | None) -> None:
        sent = packet if offset is None else with_offset(packet, offset)
        message = self.namespace.parser.encode(sent, target.flags.compress)
        self.local.deliver(packet, message, target)

    def broadcast_with_ack(self, packet: Packet, target: Target, collector: AckCollector) -> None:
        """Send a packet to every socket of the target and collect their answers.

        Raises:
            RuntimeError: This server does not listen to the others yet.
        """
        self.namespace.parser.encode(packet)
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
            # Nobody knows how many clients were asked: the timeout tells.
            logger.warning("! the servers could not be counted: %s", error)

    # Acting

    def fetch_sockets(self, target: Target) -> list[Any]:
        """Return the sockets of the target: those of this server first.

        Raises:
            ClusterTimeout: Another server did not answer; ``responses`` holds what there is.
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
        gathering = Gathering(others, self._peers)
        request_id = self._requests.add(gathering)
        try:
            self._bus.publish(make(request_id))
            return gathering.wait(timeout, found)
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

    # What the bus delivers

    def has_room(self, room: str) -> bool:
        """Whether a socket of this server is in a room."""
        return room in self.rooms

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        """Another server asks for something."""
        self._peers.heard(origin)
        if isinstance(request, Broadcast):
            self._on_broadcast(request, origin, offset)
        else:
            _ON_REQUEST[type(request)](self, request, origin)

    def on_response(self, response: Response, origin: str) -> None:
        """Another server has answered."""
        self._peers.heard(origin)
        self._requests.take(response, origin)

    def _on_broadcast(self, request: Broadcast, origin: str, offset: str | None) -> None:
        packet, target, request_id = request
        if request_id is not None:
            acks = RemoteAcks(self._bus, origin, request_id)
            self.local.broadcast_with_ack(self._encodable(packet), target, acks)
            acks.start(_ACK_TIMEOUT if target.flags.timeout is None else target.flags.timeout)
            return
        if self._recovery is None or not is_kept(packet, target):
            offset = None
        if not self.local.has_any(target):
            return
        try:
            self._deliver(packet, target, offset)
        except (TypeError, ValueError):
            self._deliver(self._encodable(packet), target, offset)

    def _encodable(self, packet: Packet) -> Packet:
        """Return a packet from elsewhere as clients can have it.

        MessagePack knows what packets to clients do not: NaN, which is null to JavaScript.

        Raises:
            ValueError: There is no such packet.
        """
        try:
            self.namespace.parser.encode(packet)
            return packet
        except (TypeError, ValueError):
            pass
        try:
            packet = packet._replace(data=plain(packet.data))
            self.namespace.parser.encode(packet)
        except (TypeError, ValueError) as error:
            raise ValueError(f"no packet to clients can carry it: {error}") from None
        return packet

    def _on_join(self, request: JoinRooms, origin: str) -> None:
        self.local.add_sockets(request.target, request.rooms)

    def _on_leave(self, request: LeaveRooms, origin: str) -> None:
        self.local.del_sockets(request.target, request.rooms)

    def _on_disconnect(self, request: DisconnectSockets, origin: str) -> None:
        self.local.disconnect_sockets(request.target, request.close)

    def _on_fetch(self, request: FetchSockets, origin: str) -> None:
        found = [socket.describe() for socket in self.local.fetch_sockets(request.target)]
        self._bus.respond(origin, SocketsFound(request.request_id, found))

    def _on_server_side_emit(self, request: ServerSideEmit, origin: str) -> None:
        request_id = request.request_id
        if request_id is None:
            self.namespace.on_server_side_emit(request.args)
            return

        def reply(value: Any) -> None:
            self._bus.respond(origin, ServerAnswer(request_id, value))

        self.namespace.on_server_side_emit(request.args, reply)

    def _on_all_sockets(self, request: AllSockets, origin: str) -> None:
        ids = sorted(self.local.sockets(request.rooms))
        self._bus.respond(origin, IdsFound(request.request_id, ids))

    def _on_all_rooms(self, request: AllRooms, origin: str) -> None:
        self._bus.respond(origin, RoomsFound(request.request_id, list(self.rooms)))

    # Connection state recovery

    def enable_recovery(self, options: RecoveryOptions, clock: Callable[[], float]) -> bool:
        """Use the bus's, if it keeps packets."""
        self._recovery = self._bus.recover(options)
        return self._recovery is not None

    def current_offset(self) -> str:
        """Return the offset of the newest packet."""
        return self._kept.current_offset()

    def persist_session(self, session: SavedSession) -> None:
        """Keep the state of a socket."""
        self._kept.persist(session)

    def restore_session(self, pid: str, offset: str | None) -> SavedSession | None:
        """Return the state that was kept under ``pid`` and forget it; may block."""
        return self._kept.restore(pid, offset)

    def missed_packets(self, session: SavedSession) -> list[Message] | None:
        """Return what the client has missed; may block."""
        return self._kept.missed(session, self.namespace.parser.encode)

    @property
    def _kept(self) -> BusRecovery:
        if self._recovery is None:
            raise RuntimeError("connection state recovery is off")
        return self._recovery


_ON_REQUEST: dict[type, Callable[[ClusterAdapter, Any, str], None]] = {
    JoinRooms: ClusterAdapter._on_join,
    LeaveRooms: ClusterAdapter._on_leave,
    DisconnectSockets: ClusterAdapter._on_disconnect,
    FetchSockets: ClusterAdapter._on_fetch,
    ServerSideEmit: ClusterAdapter._on_server_side_emit,
    AllSockets: ClusterAdapter._on_all_sockets,
    AllRooms: ClusterAdapter._on_all_rooms,
}


def is_kept(packet: Packet, target: Target) -> bool:
    """Whether clients that come back get a packet which they have missed."""
    return packet.type is PacketType.EVENT and not target.flags.volatile
