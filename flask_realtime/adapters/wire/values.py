"""Values inside the messages of a cluster: MessagePack and JSON as the Node adapters use them.

The dialect of MessagePack is that of notepack 3 and @msgpack/msgpack; the forms of
notepack 2 are read as well. No gevent here: emitters use it from any process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, Final

from ...codec.json_codec import best_codec, plain_default
from ...codec.socket_packet import Packet, PacketType
from ...extras import optional
from ..values import Flags, RemoteState, Target

__all__ = [
    "count_from",
    "dump_json",
    "event_args",
    "load",
    "options_of",
    "pack",
    "packet_from",
    "packet_map",
    "plain",
    "remote_state_from",
    "state_map",
    "strings",
    "target_from",
    "to_json",
    "unpack",
]

_EVENT = int(PacketType.EVENT)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TOO_DEEP = "the value is nested too deeply"
_NOT_A_NUMBER = "Out of range float values are not JSON compliant"
#: Stateless: JSON as in packets to clients, with the same types beyond JSON's own.
_JSON: Final = best_codec()
#: Types that MessagePack carries as they are.
_AS_IS = frozenset({str, int, bool, bytes, type(None)})
#: Seconds; the longest timeout that another server can ask for, as long as Node's timers.
_LONGEST = (2**31 - 1) / 1000


@cache  # each message of a cluster asks
def _msgpack() -> Any:
    return optional("msgpack", "redis")


def pack(value: Any) -> bytes:
    """Return a value as MessagePack.

    What JSON cannot carry is refused, but for bytes; keys become text, as in JSON.

    Raises:
        TypeError: It holds something that cannot be carried.
        ValueError: It is nested too deeply, or a number is too large, NaN or infinite.
    """
    msgpack = _msgpack()
    try:
        if not _is_plain(value):
            value = plain(value, finite=True)
        packed: bytes = msgpack.packb(value, default=_default, use_bin_type=True)
    except OverflowError as error:
        raise ValueError(f"a number is too large for MessagePack: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return packed


def _default(value: Any) -> Any:
    return plain(value, finite=True)


def unpack(data: bytes) -> Any:
    """Return the value of a MessagePack message.

    Raises:
        ValueError: It is malformed.
    """
    msgpack = _msgpack()
    try:
        return msgpack.unpackb(
            data, raw=False, strict_map_key=False, timestamp=3, ext_hook=_extension
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise ValueError(f"malformed MessagePack: {error}") from None


def _extension(code: int, data: bytes) -> Any:
    # notepack 2: undefined is type 0 with one byte, a date type 0 with milliseconds. Its
    # ArrayBuffers are of type 0 as well: those of the same lengths cannot be told apart here.
    if code == 0 and len(data) == 1:
        return None
    if code == 0 and len(data) == 8:
        try:
            return _EPOCH + timedelta(milliseconds=int.from_bytes(data, "big", signed=True))
        except OverflowError:
            return data
    if code == 0:
        return data
    raise ValueError(f"unknown extension {code}")


def _is_plain(value: Any) -> bool:
    """Return whether MessagePack can carry a value as it is; raise for NaN and infinity."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(_NOT_A_NUMBER)
    elif isinstance(value, dict):
        for key, item in value.items():
            # Most items are scalars: asked here, they cost no call.
            if not isinstance(key, str) or (type(item) not in _AS_IS and not _is_plain(item)):
                return False
    elif isinstance(value, (list, tuple)):
        for item in value:
            if type(item) not in _AS_IS and not _is_plain(item):
                return False
    return True


def plain(value: Any, finite: bool = False) -> Any:
    """Return a value as another server reads it: dictionaries, lists, bytes and scalars.

    Args:
        value: What JSON can carry, and bytes.
        finite: Refuse NaN and infinities; otherwise they become ``None``, as in JavaScript.

    Raises:
        TypeError: It holds something else.
        ValueError: A number is NaN or infinite.
    """
    if value is None or isinstance(value, (str, int, bytes)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        if finite:
            raise ValueError(_NOT_A_NUMBER)
        return None
    if isinstance(value, dict):
        return {_key(key, finite): plain(item, finite) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, finite) for item in value]
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return plain(plain_default(value), finite)


def _key(key: Any, finite: bool) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (int, float)):
        return json.dumps(key, allow_nan=not finite)
    raise TypeError(f"keys must be text or numbers, not {type(key).__name__}")


def to_json(value: Any) -> bytes | None:
    """Return a value as JSON; ``None`` when it holds bytes.

    Raises:
        TypeError, ValueError: It holds something else that JSON cannot carry.
    """
    text, attachments = _JSON.encode(value)
    return None if attachments else text


def dump_json(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError, ValueError: It holds something that JSON cannot carry.
    """
    text = to_json(value)
    if text is None:
        raise TypeError("bytes cannot be sent to other servers here")
    return text


def load(data: bytes) -> Any:
    """Return the value of a message: JSON when it begins with a brace, MessagePack otherwise.

    Raises:
        ValueError: It is malformed.
    """
    return _JSON.decode(data.decode()) if data[:1] == b"{" else unpack(data)


# Targets


def options_of(target: Target) -> dict[str, Any]:
    """Return a target as the map that Node calls ``opts``."""
    flags: dict[str, Any] = {}
    if target.flags.volatile:
        flags["volatile"] = True
    if not target.flags.compress:
        flags["compress"] = False
    if target.flags.timeout is not None:
        # Not 0: no timeout at all.
        flags["timeout"] = max(1, round(min(target.flags.timeout, _LONGEST) * 1000))
    return {"rooms": list(target.rooms), "except": list(target.except_), "flags": flags}


def target_from(options: Any) -> Target:
    """Return the target that a map of ``opts`` stands for.

    Raises:
        ValueError: It is malformed.
    """
    if not isinstance(options, Mapping):
        raise ValueError("opts must be a map")
    flags = options.get("flags")
    if flags is None:
        flags = {}
    if not isinstance(flags, Mapping):
        raise ValueError("flags must be a map")
    return Target(
        frozenset(_optional_strings(options.get("rooms"))),
        frozenset(_optional_strings(options.get("except"))),
        Flags(
            volatile=bool(flags.get("volatile")),
            compress=flags.get("compress") is not False,
            timeout=_seconds(flags.get("timeout")),
        ),
    )


def _seconds(milliseconds: Any) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    # Compared before it is divided: an integer may be too large for that.
    if not milliseconds > 0:
        return None
    return min(milliseconds, _LONGEST * 1000) / 1000


def _optional_strings(value: Any) -> list[str]:
    return [] if value is None else strings(value)


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
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("a room must be a string")


# Packets and sockets


def packet_map(packet: Packet) -> dict[str, Any]:
    """Return a packet as the map that Node's adapters send: binary or not, it is an event."""
    return {"type": _EVENT, "data": list(packet.data), "nsp": packet.namespace}


def packet_from(value: Any, namespace: str) -> Packet:
    """Return the packet of such a map.

    Raises:
        ValueError: It is not an event with a name.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a packet must be a map")
    data = value.get("data")
    if value.get("type") not in (_EVENT, int(PacketType.BINARY_EVENT)):
        raise ValueError("a packet must be an event")
    return Packet(PacketType.EVENT, namespace, event_args(data))


def event_args(value: Any) -> list[Any]:
    """Return the name and the arguments of an event.

    Raises:
        ValueError: It is not a list, or has no name.
    """
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise ValueError("an event must have a name")
    return value


def count_from(value: Any) -> int:
    """Return a number of clients.

    Raises:
        ValueError: It is not a count.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a count must be a number")
    return value


def state_map(state: RemoteState, binary: bool) -> dict[str, Any]:
    """Return the state of a socket as the map that other servers are sent.

    What the application keeps in its data and cannot be carried is left out, so that one
    socket does not keep the others from being found.

    Args:
        state: The socket.
        binary: Whether bytes can be carried.
    """
    data = state.data
    if not _can_be_carried(data, binary):
        data = {key: item for key, item in data.items() if _can_be_carried({key: item}, binary)}
    return {**state._asdict(), "data": data}


def _can_be_carried(value: Any, binary: bool) -> bool:
    try:
        return to_json(value) is not None or binary
    except (TypeError, ValueError):
        return False


def remote_state_from(value: Any) -> RemoteState:
    """Return the state of a socket from the map of another server.

    Raises:
        ValueError: It is malformed.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise ValueError("a socket must have an id")
    handshake, data = value.get("handshake"), value.get("data")
    return RemoteState(
        value["id"],
        dict(handshake) if isinstance(handshake, Mapping) else {},
        _optional_strings(value.get("rooms")),
        dict(data) if isinstance(data, Mapping) else {},
    )
