"""The messages between the servers of a cluster, apart from their bytes.

Requests go to every other server; a request with an id is answered with responses that carry
the same id.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...codec.socket_packet import Packet
from ..values import RemoteState, Target

__all__ = [
    "AllRooms",
    "AllSockets",
    "Broadcast",
    "ClientAnswer",
    "ClientCount",
    "DisconnectSockets",
    "FetchSockets",
    "IdsFound",
    "JoinRooms",
    "LeaveRooms",
    "Request",
    "Response",
    "RoomsFound",
    "ServerAnswer",
    "ServerSideEmit",
    "SocketsFound",
]


class Broadcast(NamedTuple):
    """Send a packet to sockets; with an id, respond with their number and their answers."""

    packet: Packet
    target: Target
    request_id: str | None = None


class JoinRooms(NamedTuple):
    """Make sockets join rooms."""

    target: Target
    rooms: list[str]


class LeaveRooms(NamedTuple):
    """Make sockets leave rooms."""

    target: Target
    rooms: list[str]


class DisconnectSockets(NamedTuple):
    """Disconnect sockets."""

    target: Target
    close: bool


class FetchSockets(NamedTuple):
    """Respond with the states of sockets."""

    target: Target
    request_id: str


class ServerSideEmit(NamedTuple):
    """Call the listeners of an event; with an id, respond with what the first one returns."""

    args: list[Any]
    request_id: str | None = None


class AllSockets(NamedTuple):
    """Respond with the ids of the sockets in rooms; sent by older servers only."""

    rooms: list[str]
    request_id: str


class AllRooms(NamedTuple):
    """Respond with the names of all rooms; sent by older servers only."""

    request_id: str


class SocketsFound(NamedTuple):
    """The response to :class:`FetchSockets`."""

    request_id: str
    sockets: list[RemoteState]


class ServerAnswer(NamedTuple):
    """The response to :class:`ServerSideEmit`."""

    request_id: str
    value: Any


class ClientCount(NamedTuple):
    """The number of clients that one server has asked for a :class:`Broadcast` with an id."""

    request_id: str
    clients: int


class ClientAnswer(NamedTuple):
    """The acknowledgement of one of these clients."""

    request_id: str
    value: Any


class IdsFound(NamedTuple):
    """The response to :class:`AllSockets`."""

    request_id: str
    ids: list[str]


class RoomsFound(NamedTuple):
    """The response to :class:`AllRooms`."""

    request_id: str
    rooms: list[str]


Request = (
    Broadcast
    | JoinRooms
    | LeaveRooms
    | DisconnectSockets
    | FetchSockets
    | ServerSideEmit
    | AllSockets
    | AllRooms
)
Response = SocketsFound | ServerAnswer | ClientCount | ClientAnswer | IdsFound | RoomsFound
