"""The messages of ``@socket.io/redis-adapter`` in their bytes (its ``createAdapter``).

Broadcasts are MessagePack on the channels of the namespace and of single rooms; requests
and responses are JSON, or MessagePack where they may hold bytes. No gevent here: emitters
use it from any process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...codec.socket_packet import Packet
from ..values import Target
from .messages import (
    AllRooms,
    AllSockets,
    Broadcast,
    ClientAnswer,
    ClientCount,
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
from .values import (
    count_from,
    dump_json,
    event_args,
    load,
    options_of,
    pack,
    packet_from,
    packet_map,
    remote_state_from,
    state_map,
    strings,
    target_from,
    unpack,
)

__all__ = [
    "Channels",
    "decode_broadcast",
    "decode_request",
    "decode_response",
    "encode_broadcast",
    "encode_request",
    "encode_response",
    "own_beginnings",
]

_SOCKETS, _ALL_ROOMS, _JOIN, _LEAVE, _DISCONNECT, _FETCH = range(6)
_SERVER_SIDE_EMIT, _BROADCAST, _CLIENT_COUNT, _CLIENT_ACK = range(6, 10)


class Channels(NamedTuple):
    """The names of a namespace's channels.

    Attributes:
        broadcast: Broadcasts; followed by a room and ``#``, those to the room.
        request: Requests.
        response: Responses; followed by a server id and ``#``, those to one server.
    """

    broadcast: str
    request: str
    response: str

    @classmethod
    def of(cls, key: str, namespace: str) -> Channels:
        """Return the channels of a namespace; ``key`` is their prefix."""
        return cls(
            f"{key}#{namespace}#", f"{key}-request#{namespace}#", f"{key}-response#{namespace}#"
        )

    def of_target(self, target: Target) -> str:
        """Return the channel of a broadcast: one to a single room has a channel of its own."""
        if len(target.rooms) == 1:
            (room,) = target.rooms
            return f"{self.broadcast}{room}#"
        return self.broadcast


def encode_broadcast(uid: str, packet: Packet, target: Target) -> bytes:
    """Return the bytes of a broadcast without acknowledgements."""
    return pack([uid, packet_map(packet), options_of(target)])


def own_beginnings(uid: str) -> tuple[bytes, ...]:
    """Return what the broadcasts and the requests of a server begin with."""
    broadcast = pack([uid, None, None])[:-2]
    text = dump_json({"uid": uid})[:-1]
    packed = pack({"uid": uid})[1:]
    # A request in MessagePack is a map of five.
    return broadcast, text, b"\x85" + packed


def decode_broadcast(data: bytes, namespace: str) -> tuple[str, Broadcast] | None:
    """Return the id of the sender and the broadcast; ``None`` for another namespace.

    Raises:
        ValueError: It is malformed.
    """
    found = unpack(data)
    if not isinstance(found, list) or len(found) < 3 or not isinstance(found[1], Mapping):
        raise ValueError("a broadcast must be a list of sender, packet and options")
    if found[1].get("nsp", "/") != namespace:
        return None
    target = target_from(found[2])
    return _uid(found[0]), Broadcast(packet_from(found[1], namespace), target)


def _uid(value: Any) -> str:
    return value if isinstance(value, str) else ""


# Requests


def encode_request(uid: str, request: Request) -> bytes:
    """Return the bytes of a request; ``uid`` may be empty for one without responses.

    Raises:
        TypeError, ValueError: It holds something that cannot be carried.
    """
    if isinstance(request, Broadcast):
        message = {
            "uid": uid,
            "requestId": request.request_id,
            "type": _BROADCAST,
            "packet": packet_map(request.packet),
            "opts": options_of(request.target),
        }
        return pack(message)
    fields = _request_fields(request)
    return dump_json({"uid": uid, **fields} if uid else fields)


def _request_fields(request: Request) -> dict[str, Any]:
    match request:
        case JoinRooms(target, rooms):
            return {"type": _JOIN, "opts": _plain_options(target), "rooms": rooms}
        case LeaveRooms(target, rooms):
            return {"type": _LEAVE, "opts": _plain_options(target), "rooms": rooms}
        case DisconnectSockets(target, close):
            return {"type": _DISCONNECT, "opts": _plain_options(target), "close": close}
        case FetchSockets(target, request_id):
            return {"requestId": request_id, "type": _FETCH, "opts": _plain_options(target)}
        case ServerSideEmit(args, None):
            return {"type": _SERVER_SIDE_EMIT, "data": args}
        case ServerSideEmit(args, request_id):
            return {"requestId": request_id, "type": _SERVER_SIDE_EMIT, "data": args}
        case _:
            raise TypeError(f"{type(request).__name__} is never sent")


def _plain_options(target: Target) -> dict[str, Any]:
    return {"rooms": list(target.rooms), "except": list(target.except_)}


def decode_request(data: bytes, namespace: str) -> tuple[str, Request]:
    """Return the id of the sender, empty when it is unknown, and the request.

    Raises:
        ValueError: It is malformed.
    """
    found = load(data)
    if not isinstance(found, Mapping):
        raise ValueError("a request must be a map")
    kind = found.get("type")
    decode = _REQUESTS.get(kind) if isinstance(kind, (int, float)) else None
    if decode is None:
        raise ValueError("unknown request")
    return _uid(found.get("uid")), decode(found, namespace)


def _request_id(found: Mapping[str, Any]) -> str:
    request_id = found.get("requestId")
    if not isinstance(request_id, str):
        raise ValueError("a request must have an id")
    return request_id


def _target(found: Mapping[str, Any]) -> Target:
    # Older servers name a single socket.
    if found.get("opts") is None and isinstance(found.get("sid"), str):
        return Target(frozenset((found["sid"],)))
    return target_from(found.get("opts"))


def _rooms(found: Mapping[str, Any]) -> list[str]:
    return strings(found["rooms"] if "rooms" in found else [found.get("room")])


def _server_side_emit(found: Mapping[str, Any], namespace: str) -> ServerSideEmit:
    args = event_args(found.get("data"))
    return ServerSideEmit(args, None if found.get("requestId") is None else _request_id(found))


_REQUESTS: dict[Any, Callable[[Mapping[str, Any], str], Request]] = {
    _SOCKETS: lambda found, _: AllSockets(strings(found.get("rooms", ())), _request_id(found)),
    _ALL_ROOMS: lambda found, _: AllRooms(_request_id(found)),
    _JOIN: lambda found, _: JoinRooms(_target(found), _rooms(found)),
    _LEAVE: lambda found, _: LeaveRooms(_target(found), _rooms(found)),
    _DISCONNECT: lambda found, _: DisconnectSockets(_target(found), bool(found.get("close"))),
    _FETCH: lambda found, _: FetchSockets(_target(found), _request_id(found)),
    _SERVER_SIDE_EMIT: _server_side_emit,
    _BROADCAST: lambda found, namespace: Broadcast(
        packet_from(found.get("packet"), namespace), _target(found), _request_id(found)
    ),
}


# Responses


def encode_response(response: Response) -> bytes:
    """Return the bytes of a response.

    Raises:
        TypeError, ValueError: It holds something that cannot be carried.
    """
    match response:
        case SocketsFound(request_id, sockets):
            states = [state_map(state, binary=False) for state in sockets]
            return dump_json({"requestId": request_id, "sockets": states})
        case ServerAnswer(request_id, value):
            return dump_json({"type": _SERVER_SIDE_EMIT, "requestId": request_id, "data": value})
        case ClientCount(request_id, clients):
            return dump_json(
                {"type": _CLIENT_COUNT, "requestId": request_id, "clientCount": clients}
            )
        case ClientAnswer(request_id, value):
            return pack({"type": _CLIENT_ACK, "requestId": request_id, "packet": value})
        case IdsFound(request_id, ids):
            return dump_json({"requestId": request_id, "sockets": ids})
        case RoomsFound(request_id, rooms):
            return dump_json({"requestId": request_id, "rooms": rooms})


def decode_response(data: bytes) -> Response | None:
    """Return a response; ``None`` for a kind that this server never asks for.

    Raises:
        ValueError: It is malformed.
    """
    found = load(data)
    if not isinstance(found, Mapping):
        raise ValueError("a response must be a map")
    request_id = _request_id(found)
    kind = found.get("type")
    if kind == _SERVER_SIDE_EMIT:
        return ServerAnswer(request_id, found.get("data"))
    if kind == _CLIENT_COUNT:
        return ClientCount(request_id, count_from(found.get("clientCount")))
    if kind == _CLIENT_ACK:
        return ClientAnswer(request_id, found.get("packet"))
    sockets = found.get("sockets")
    if isinstance(sockets, list) and all(isinstance(item, Mapping) for item in sockets):
        return SocketsFound(request_id, [remote_state_from(item) for item in sockets])
    return None
