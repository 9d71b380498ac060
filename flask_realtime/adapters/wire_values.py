"""Values inside the messages of a cluster: MessagePack and JSON as the Node adapters use them.

The dialect of MessagePack is that of notepack 3 and @msgpack/msgpack; the forms of
notepack 2 are read as well. No gevent here: emitters use it from any process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..codec.json_codec import plain_default
from ..codec.socket_packet import Packet, PacketType
from ..extras import optional
from .base import Flags, RemoteState, Target

__all__ = [
    "dump_json",
    "has_binary",
    "load",
    "options_of",
    "pack",
    "packet_from",
    "packet_map",
    "remote_state_from",
    "strings",
    "target_from",
    "unpack",
]

_BYTES = (bytes, bytearray, memoryview)
_EVENT = int(PacketType.EVENT)


def pack(value: Any) -> bytes:
    """Return a value as MessagePack.

    Raises:
        TypeError: It holds something that cannot be carried.
        ValueError: A number is too large, NaN or infinite.
    """
    msgpack = optional("msgpack", "redis")
    _check_numbers(value)
    try:
        packed: bytes = msgpack.packb(value, default=plain_default, use_bin_type=True)
    except OverflowError as error:
        raise ValueError(f"a number is too large for MessagePack: {error}") from None
    return packed


def unpack(data: bytes) -> Any:
    """Return the value of a MessagePack message.

    Raises:
        ValueError: It is malformed.
    """
    msgpack = optional("msgpack", "redis")
    try:
        return msgpack.unpackb(
            data, raw=False, strict_map_key=False, timestamp=3, ext_hook=_extension
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise ValueError(f"malformed MessagePack: {error}") from None


def _extension(code: int, data: bytes) -> Any:
    # notepack 2: undefined is type 0 with one zero byte, a date type 0 with milliseconds.
    if code == 0 and len(data) == 1:
        return None
    if code == 0 and len(data) == 8:
        milliseconds = int.from_bytes(data, "big", signed=True)
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    if code == 0:
        return data
    raise ValueError(f"unknown extension {code}")


def _check_numbers(value: Any) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("Out of range float values are not JSON compliant")
    elif isinstance(value, Mapping):
        for item in value.values():
            _check_numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_numbers(item)


def dump_json(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError, ValueError: It holds something that JSON cannot carry.
    """
    text = json.dumps(
        value,
        default=_json_default,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return text.encode()


def _json_default(value: Any) -> Any:
    if isinstance(value, _BYTES):
        raise TypeError("bytes cannot be sent to other servers here")
    return plain_default(value)


def load(data: bytes) -> Any:
    """Return the value of a message: JSON when it begins with a brace, MessagePack otherwise.

    Raises:
        ValueError: It is malformed.
    """
    if data[:1] != b"{":
        return unpack(data)
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None


def has_binary(value: Any) -> bool:
    """Say whether there are bytes in a value."""
    if isinstance(value, _BYTES):
        return True
    if isinstance(value, Mapping):
        return any(map(has_binary, value.values()))
    return isinstance(value, (list, tuple)) and any(map(has_binary, value))


# Targets


def options_of(target: Target) -> dict[str, Any]:
    """Return a target as the map that Node calls ``opts``."""
    flags: dict[str, Any] = {}
    if target.flags.volatile:
        flags["volatile"] = True
    if not target.flags.compress:
        flags["compress"] = False
    if target.flags.timeout is not None:
        flags["timeout"] = round(target.flags.timeout * 1000)
    return {"rooms": list(target.rooms), "except": list(target.except_), "flags": flags}


def target_from(options: Any) -> Target:
    """Return the target that a map of ``opts`` stands for.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(options, Mapping):
        raise ValueError("opts must be a map")
    flags = options.get("flags") or {}
    if not isinstance(flags, Mapping):
        raise ValueError("flags must be a map")
    timeout = flags.get("timeout")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        timeout = None
    return Target(
        frozenset(strings(options.get("rooms", ()))),
        frozenset(strings(options.get("except", ()))),
        Flags(
            volatile=bool(flags.get("volatile")),
            compress=flags.get("compress") is not False,
            timeout=None if timeout is None else timeout / 1000,
        ),
    )


def strings(value: Any) -> list[str]:
    """Return a list of room names; numbers, which Node allows, become text.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, (list, tuple)):
        raise ValueError("rooms must be a list")
    return [_room(item) for item in value]


def _room(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("a room must be a string")


# Packets and sockets


def packet_map(packet: Packet, namespace: bool = True) -> dict[str, Any]:
    """Return a packet as the map that Node's adapters send: binary or not, it is an event."""
    found: dict[str, Any] = {"type": _EVENT, "data": list(packet.data)}
    if namespace:
        found["nsp"] = packet.namespace
    return found


def packet_from(value: Any, namespace: str) -> Packet:
    """Return the packet of such a map.

    Raises:
        ValueError: It is no event with a name.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a packet must be a map")
    data = value.get("data")
    if value.get("type") not in (_EVENT, int(PacketType.BINARY_EVENT)):
        raise ValueError("a packet must be an event")
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        raise ValueError("an event must have a name")
    return Packet(PacketType.EVENT, namespace, data)


def remote_state_from(value: Any) -> RemoteState:
    """Return what another server tells about a socket.

    Raises:
        ValueError: It is malformed.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise ValueError("a socket must have an id")
    handshake, data = value.get("handshake"), value.get("data")
    return RemoteState(
        value["id"],
        dict(handshake) if isinstance(handshake, Mapping) else {},
        strings(value.get("rooms", ())),
        dict(data) if isinstance(data, Mapping) else {},
    )
