"""What other servers ask for, carried out on the sockets of this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...codec.socket_packet import Packet, PacketType
from ..base import LocalSockets
from ..memory import MemoryAdapter
from ..values import Target, with_offset
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
from .bus import Bus
from .pending import Peers, RequestTable
from .remote_acks import RemoteAcks

__all__ = ["ClusterReceiver", "is_kept"]

#: Seconds that clients of other servers have to acknowledge when the request does not say.
_ACK_TIMEOUT = 10.0


class ClusterReceiver:
    """Serves the requests of other servers, and passes their responses on; see :class:`Receiver`.

    Args:
        namespace: The namespace.
        local: Its rooms on this server.
        bus: Carries the responses.
        requests: The requests of this server that wait for responses.
        peers: The other servers that have been heard of.

    Attributes:
        keeps_offsets: Whether clients are sent the offsets of broadcasts, to be recovered.
    """

    def __init__(
        self,
        namespace: LocalSockets,
        local: MemoryAdapter,
        bus: Bus,
        requests: RequestTable,
        peers: Peers,
    ) -> None:
        self._namespace = namespace
        self._local = local
        self._bus = bus
        self._requests = requests
        self._peers = peers
        self.keeps_offsets = False

    def deliver(self, packet: Packet, target: Target, offset: str | None) -> None:
        """Send a packet to the sockets of this server, with its offset if it has one.

        Raises:
            TypeError, ValueError: It cannot be encoded.
        """
        sent = packet if offset is None else with_offset(packet, offset)
        message = self._namespace.parser.encode(sent, target.flags.compress)
        self._local.deliver(packet, message, target)

    def has_room(self, room: str) -> bool:
        """Whether a socket of this server is in a room."""
        return room in self._local.rooms

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        """Carry out a request of another server; may block."""
        self._peers.heard(origin)
        if isinstance(request, Broadcast):
            self._on_broadcast(request, origin, offset)
        else:
            _ON_REQUEST[type(request)](self, request, origin)

    def on_response(self, response: Response, origin: str) -> None:
        """Pass the response of another server to the request that waits for it."""
        self._peers.heard(origin)
        self._requests.take(response, origin)

    def _on_broadcast(self, request: Broadcast, origin: str, offset: str | None) -> None:
        packet, target, request_id = request
        if request_id is not None:
            acks = RemoteAcks(self._bus, origin, request_id)
            self._local.broadcast_with_ack(self._encodable(packet), target, acks)
            acks.start(_ACK_TIMEOUT if target.flags.timeout is None else target.flags.timeout)
            return
        if not self.keeps_offsets or not is_kept(packet, target):
            offset = None
        if not self._local.has_any(target):
            return
        try:
            self.deliver(packet, target, offset)
        except (TypeError, ValueError):
            self.deliver(self._encodable(packet), target, offset)

    def _encodable(self, packet: Packet) -> Packet:
        """Return a packet of another server in a form that clients can receive.

        MessagePack has values that packets to clients do not: NaN, which becomes null.

        Raises:
            ValueError: There is no such form.
        """
        try:
            self._namespace.parser.encode(packet)
            return packet
        except (TypeError, ValueError):
            pass
        try:
            packet = packet._replace(data=plain(packet.data))
            self._namespace.parser.encode(packet)
        except (TypeError, ValueError) as error:
            raise ValueError(f"a packet to clients cannot carry it: {error}") from None
        return packet

    def _on_join(self, request: JoinRooms, origin: str) -> None:
        self._local.add_sockets(request.target, request.rooms)

    def _on_leave(self, request: LeaveRooms, origin: str) -> None:
        self._local.del_sockets(request.target, request.rooms)

    def _on_disconnect(self, request: DisconnectSockets, origin: str) -> None:
        self._local.disconnect_sockets(request.target, request.close)

    def _on_fetch(self, request: FetchSockets, origin: str) -> None:
        found = [socket.describe() for socket in self._local.fetch_sockets(request.target)]
        self._bus.respond(origin, SocketsFound(request.request_id, found))

    def _on_server_side_emit(self, request: ServerSideEmit, origin: str) -> None:
        request_id = request.request_id
        if request_id is None:
            self._namespace.on_server_side_emit(request.args)
            return

        def reply(value: Any) -> None:
            self._bus.respond(origin, ServerAnswer(request_id, value))

        self._namespace.on_server_side_emit(request.args, reply)

    def _on_all_sockets(self, request: AllSockets, origin: str) -> None:
        ids = sorted(self._local.sockets(request.rooms))
        self._bus.respond(origin, IdsFound(request.request_id, ids))

    def _on_all_rooms(self, request: AllRooms, origin: str) -> None:
        self._bus.respond(origin, RoomsFound(request.request_id, list(self._local.rooms)))


_ON_REQUEST: dict[type, Callable[[ClusterReceiver, Any, str], None]] = {
    JoinRooms: ClusterReceiver._on_join,
    LeaveRooms: ClusterReceiver._on_leave,
    DisconnectSockets: ClusterReceiver._on_disconnect,
    FetchSockets: ClusterReceiver._on_fetch,
    ServerSideEmit: ClusterReceiver._on_server_side_emit,
    AllSockets: ClusterReceiver._on_all_sockets,
    AllRooms: ClusterReceiver._on_all_rooms,
}


def is_kept(packet: Packet, target: Target) -> bool:
    """Return whether recovery keeps a packet: an event that is not volatile."""
    return packet.type is PacketType.EVENT and not target.flags.volatile
