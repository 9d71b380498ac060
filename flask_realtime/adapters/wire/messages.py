"""What the servers of a cluster say to each other, whatever bytes carry it.

Requests go to every other server; a request with an id is answered with responses that
carry the id.
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
    """Send a packet to sockets; with an id, say how many, and pass on what they answer."""

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
    """Tell about sockets."""

    target: Target
    request_id: str


class ServerSideEmit(NamedTuple):
    """Call the listeners of an event; with an id, answer with what the first returns."""

    args: list[Any]
    request_id: str | None = None


class AllSockets(NamedTuple):
    """Tell the ids of the sockets in rooms; older servers ask so."""

    rooms: list[str]
    request_id: str


class AllRooms(NamedTuple):
    """Tell the names of all rooms."""

    request_id: str


class SocketsFound(NamedTuple):
    """The answer to :class:`FetchSockets`."""

    request_id: str
    sockets: list[RemoteState]


class ServerAnswer(NamedTuple):
    """The answer to :class:`ServerSideEmit`."""

    request_id: str
    value: Any


class ClientCount(NamedTuple):
    """How many clients a :class:`Broadcast` with an id has reached on one server."""

    request_id: str
    clients: int


class ClientAnswer(NamedTuple):
    """What one of these clients has answered."""

    request_id: str
    value: Any


class IdsFound(NamedTuple):
    """The answer to :class:`AllSockets`."""

    request_id: str
    ids: list[str]


class RoomsFound(NamedTuple):
    """The answer to :class:`AllRooms`."""

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
