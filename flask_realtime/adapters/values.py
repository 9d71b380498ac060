"""The values that every room of the adapters shares: targets, flags, the state of sockets.

Pure data: nothing here knows an adapter, a bus or gevent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..codec.socket_packet import Packet

__all__ = ["Flags", "JoinedRooms", "RemoteState", "Rooms", "SavedSocket", "Target", "with_offset"]

#: The names of rooms; the id of a socket is one of them.
Rooms = frozenset[str]
#: The rooms of a socket, with the number of the newest packet when it joined each of them.
JoinedRooms = Mapping[str, int]

_NO_ROOMS: Final[JoinedRooms] = MappingProxyType({})


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
    """The sockets that an operation applies to: those in any of ``rooms`` but in no ``except_``.

    No rooms at all means every socket of the namespace.

    Attributes:
        rooms: Names of rooms.
        except_: Names of rooms whose members are left out.
        flags: How it is carried out.
    """

    rooms: Rooms = frozenset()
    except_: Rooms = frozenset()
    flags: Flags = Flags()

    def includes(self, rooms: Rooms) -> bool:
        """Return whether a socket in ``rooms`` belongs to the target."""
        if not self.except_.isdisjoint(rooms):
            return False
        return not self.rooms or not self.rooms.isdisjoint(rooms)


class RemoteState(NamedTuple):
    """A socket of another server, as that server describes it.

    Attributes:
        id: Its public id.
        handshake: Its handshake, as JSON carries it.
        rooms: Its rooms when the server was asked.
        data: What the application keeps in ``socket.data``.
    """

    id: str
    handshake: dict[str, Any]
    rooms: list[str]
    data: dict[str, Any]


class SavedSocket(NamedTuple):
    """The state of a socket between two connections of its client.

    Attributes:
        pid: The private id by which the client asks for it.
        sid: The public id.
        rooms: Its rooms, its own id among them.
        data: What the application keeps in ``socket.data``.
        offset: The last position in the log of packets that the client is known to have reached.
        joined: Since when it is in its rooms; for the adapter that made it.
    """

    pid: str
    sid: str
    rooms: Rooms
    data: dict[str, Any]
    offset: str
    joined: JoinedRooms = _NO_ROOMS


def with_offset(packet: Packet, offset: str) -> Packet:
    """Return the packet with an offset as its last argument, where clients look for it."""
    return packet._replace(data=[*packet.data, offset])
