"""The messages of the adapters that derive from Node's ``ClusterAdapter``.

One envelope, ``uid``, ``nsp``, ``type`` and ``data``, for the sharded adapter, for streams and
for the others; each of them has its own bytes for it. No gevent here: emitters use it from any
process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from .messages import (
    Broadcast,
    ClientAnswer,
    ClientCount,
    DisconnectSockets,
    FetchSockets,
    JoinRooms,
    LeaveRooms,
    Request,
    Response,
    ServerAnswer,
    ServerSideEmit,
    SocketsFound,
)
from .remote_states import remote_state_from, state_maps
from .values import (
    count_from,
    dump_json,
    event_args,
    options_of,
    pack,
    packet_from,
    packet_map,
    strings,
    target_from,
    to_json,
    values_from,
)

__all__ = [
    "MessageType",
    "decode",
    "encode",
    "encode_as",
    "envelope",
    "message_of",
    "own_beginnings",
]


class MessageType(IntEnum):
    """The types of messages."""

    INITIAL_HEARTBEAT = 1
    HEARTBEAT = 2
    BROADCAST = 3
    SOCKETS_JOIN = 4
    SOCKETS_LEAVE = 5
    DISCONNECT_SOCKETS = 6
    FETCH_SOCKETS = 7
    FETCH_SOCKETS_RESPONSE = 8
    SERVER_SIDE_EMIT = 9
    SERVER_SIDE_EMIT_RESPONSE = 10
    BROADCAST_CLIENT_COUNT = 11
    BROADCAST_ACK = 12
    ADAPTER_CLOSE = 13


_MAY_HOLD_BYTES = frozenset(
    {
        MessageType.BROADCAST,
        MessageType.BROADCAST_ACK,
        MessageType.FETCH_SOCKETS_RESPONSE,
        MessageType.SERVER_SIDE_EMIT,
        MessageType.SERVER_SIDE_EMIT_RESPONSE,
    }
)


def encode(message: Mapping[str, Any]) -> bytes:
    """Return an envelope as JSON, or as MessagePack when it holds bytes.

    Args:
        message: The envelope; its ``type`` is the number of a :class:`MessageType`.

    Raises:
        TypeError, ValueError: It holds something that cannot be carried.
    """
    return encode_as(MessageType(message["type"]), message)


def encode_as(kind: MessageType, value: Mapping[str, Any]) -> bytes:
    """Return the value of a message as JSON, or as MessagePack when it holds bytes.

    Raises:
        TypeError, ValueError: It holds something that cannot be carried.
    """
    if kind not in _MAY_HOLD_BYTES:
        return dump_json(value)
    text = to_json(value)
    return pack(value) if text is None else text


def envelope(uid: str, namespace: str, message: Request | Response) -> dict[str, Any]:
    """Return the envelope of a message.

    Args:
        uid: The id of the server that sends it.
        namespace: The name of the namespace.
        message: The request or response.
    """
    kind, data = message_of(message)
    return {"uid": uid, "nsp": namespace, "type": int(kind), "data": data}


def own_beginnings(uid: str) -> tuple[bytes, ...]:
    """Return what encoded envelopes of a server begin with: as JSON, and as MessagePack."""
    text = dump_json({"uid": uid})[:-1]
    packed = pack({"uid": uid})[1:]
    # An envelope is a map of four.
    return text, b"\x84" + packed


def message_of(message: Request | Response) -> tuple[MessageType, dict[str, Any]]:
    """Return the type and the data of a message."""
    data: dict[str, Any]
    match message:
        case Broadcast(packet, target, request_id):
            data = {"packet": packet_map(packet), "opts": options_of(target)}
            return MessageType.BROADCAST, _with_id(data, request_id)
        case JoinRooms(target, rooms):
            return MessageType.SOCKETS_JOIN, {"opts": options_of(target), "rooms": rooms}
        case LeaveRooms(target, rooms):
            return MessageType.SOCKETS_LEAVE, {"opts": options_of(target), "rooms": rooms}
        case DisconnectSockets(target, close):
            return MessageType.DISCONNECT_SOCKETS, {"opts": options_of(target), "close": close}
        case FetchSockets(target, request_id):
            return MessageType.FETCH_SOCKETS, _with_id({"opts": options_of(target)}, request_id)
        case ServerSideEmit(args, request_id):
            return MessageType.SERVER_SIDE_EMIT, _with_id({"packet": args}, request_id)
        case _:
            return _response_of(message)


def _response_of(response: Request | Response) -> tuple[MessageType, dict[str, Any]]:
    data: dict[str, Any]
    match response:
        case SocketsFound(request_id, sockets):
            states = state_maps(sockets, binary=True)
            data = {"requestId": request_id, "sockets": states}
            return MessageType.FETCH_SOCKETS_RESPONSE, data
        case ServerAnswer(request_id, value):
            data = {"requestId": request_id, "packet": value}
            return MessageType.SERVER_SIDE_EMIT_RESPONSE, data
        case ClientCount(request_id, clients):
            data = {"requestId": request_id, "clientCount": clients}
            return MessageType.BROADCAST_CLIENT_COUNT, data
        case ClientAnswer(request_id, value, more):
            data = {"requestId": request_id, "packet": value}
            return MessageType.BROADCAST_ACK, {**data, "more": list(more)} if more else data
        case _:
            raise TypeError(f"{type(response).__name__} is never sent")


def _with_id(data: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    return data if request_id is None else {**data, "requestId": request_id}


def decode(message: Any, namespace: str) -> tuple[str, Request | Response] | None:
    """Return the id of the sender and the message of an envelope.

    Args:
        message: The envelope, as :func:`load` returns it.
        namespace: The name of the namespace.

    Returns:
        ``None`` for another namespace, and for what servers of Node say among themselves.

    Raises:
        ValueError: It is malformed.
    """
    if not isinstance(message, Mapping) or not isinstance(message.get("uid"), str):
        raise ValueError("a message must be a map with a sender")
    if message.get("nsp") != namespace:
        return None
    kind, data = message.get("type"), message.get("data")
    if kind in (
        MessageType.INITIAL_HEARTBEAT,
        MessageType.HEARTBEAT,
        MessageType.ADAPTER_CLOSE,
    ):
        return None
    read = _READERS.get(kind) if isinstance(kind, (int, float)) else None
    if read is None:
        raise ValueError("unknown message")
    if not isinstance(data, Mapping):
        raise ValueError("the data of a message must be a map")
    return message["uid"], read(data, namespace)


def _request_id(data: Mapping[str, Any]) -> str:
    request_id = data.get("requestId")
    if not isinstance(request_id, str):
        raise ValueError("a request must have an id")
    return request_id


def _optional_id(data: Mapping[str, Any]) -> str | None:
    return None if data.get("requestId") is None else _request_id(data)


def _broadcast(data: Mapping[str, Any], namespace: str) -> Broadcast:
    packet = packet_from(data.get("packet"), namespace)
    return Broadcast(packet, target_from(data.get("opts")), _optional_id(data))


def _server_side_emit(data: Mapping[str, Any], namespace: str) -> ServerSideEmit:
    return ServerSideEmit(event_args(data.get("packet")), _optional_id(data))


def _sockets_found(data: Mapping[str, Any], namespace: str) -> SocketsFound:
    sockets = data.get("sockets")
    if not isinstance(sockets, list):
        raise ValueError("sockets must be a list")
    return SocketsFound(_request_id(data), [remote_state_from(item) for item in sockets])


def _client_count(data: Mapping[str, Any], namespace: str) -> ClientCount:
    return ClientCount(_request_id(data), count_from(data.get("clientCount")))


_READERS: dict[Any, Callable[[Mapping[str, Any], str], Request | Response]] = {
    MessageType.BROADCAST: _broadcast,
    MessageType.SOCKETS_JOIN: lambda data, _: JoinRooms(
        target_from(data.get("opts")), strings(data.get("rooms"))
    ),
    MessageType.SOCKETS_LEAVE: lambda data, _: LeaveRooms(
        target_from(data.get("opts")), strings(data.get("rooms"))
    ),
    MessageType.DISCONNECT_SOCKETS: lambda data, _: DisconnectSockets(
        target_from(data.get("opts")), bool(data.get("close"))
    ),
    MessageType.FETCH_SOCKETS: lambda data, _: FetchSockets(
        target_from(data.get("opts")), _request_id(data)
    ),
    MessageType.FETCH_SOCKETS_RESPONSE: _sockets_found,
    MessageType.SERVER_SIDE_EMIT: _server_side_emit,
    MessageType.SERVER_SIDE_EMIT_RESPONSE: lambda data, _: ServerAnswer(
        _request_id(data), data.get("packet")
    ),
    MessageType.BROADCAST_CLIENT_COUNT: _client_count,
    MessageType.BROADCAST_ACK: lambda data, _: ClientAnswer(
        _request_id(data), data.get("packet"), values_from(data.get("more"))
    ),
}
