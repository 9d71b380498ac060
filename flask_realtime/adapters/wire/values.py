"""Values inside the messages of a cluster: MessagePack and JSON as the Node adapters use them.

MessagePack is in ``codec/js_msgpack.py``. No gevent here: emitters use it from any process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from ...codec.js_msgpack import JavaScriptMsgpack
from ...codec.json_codec import best_codec
from ...codec.parser import Parser
from ...codec.plain_values import LARGEST, NOT_FINITE, plain_default, plain_key
from ...codec.socket_packet import Packet, PacketType
from ..values import Flags, Target

__all__ = [
    "answer_of",
    "count_from",
    "dump_json",
    "encodable",
    "event_args",
    "load",
    "options_of",
    "pack",
    "packet_from",
    "packet_map",
    "plain",
    "strings",
    "target_from",
    "to_json",
    "unpack",
    "values_from",
    "well_formed",
]

_EVENT = int(PacketType.EVENT)
#: Stateless: JSON as in packets to clients, with the same types beyond JSON's own.
_JSON: Final = best_codec()
#: Seconds that no other server can make this one wait beyond: the longest timer of Node.
_LONGEST = (2**31 - 1) / 1000


@cache  # each message of a cluster asks
def _msgpack() -> JavaScriptMsgpack:
    return JavaScriptMsgpack("redis", is_lenient=True)


def pack(value: Any) -> bytes:
    """Return a value as MessagePack.

    What JSON cannot carry is refused, but for bytes; keys become text, as in JSON.

    Raises:
        TypeError: It holds something that cannot be carried.
        ValueError: It is nested too deeply, or a number is too large, NaN or infinite.
    """
    return _msgpack().pack(value)


def unpack(data: bytes) -> Any:
    """Return the value of a MessagePack message.

    Raises:
        ValueError: It is malformed.
    """
    return _msgpack().unpack(data)


def encodable(packet: Packet, parser: Parser) -> Packet:
    """Return a packet of another server in a form that clients can receive.

    MessagePack has values that packets to clients do not: NaN, which becomes null.

    Raises:
        ValueError: There is no such form.
    """
    try:
        parser.encode(packet)
        return packet
    except (TypeError, ValueError):
        pass
    try:
        packet = packet._replace(data=plain(packet.data))
        parser.encode(packet)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a packet to clients cannot carry it: {error}") from None
    return packet


def plain(value: Any, finite: bool = False) -> Any:
    """Return a value as another server reads it: dictionaries, lists, bytes and scalars.

    Args:
        value: What JSON can carry, and bytes.
        finite: Refuse NaN and infinities; otherwise they, and integers that are one to
            JavaScript, become ``None``, as there.

    Raises:
        TypeError: It holds something else.
        ValueError: A number is NaN or infinite.
    """
    if value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, int):
        return value if finite or -LARGEST < value < LARGEST else None
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        if finite:
            raise ValueError(NOT_FINITE)
        return None
    if isinstance(value, dict):
        return {_key(key, finite): plain(item, finite) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, finite) for item in value]
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return plain(plain_default(value), finite)


def answer_of(args: Sequence[Any]) -> Sequence[Any]:
    """Return what a client has answered as other servers can have it.

    Clients may send numbers that no format of a cluster has; they become ``None``.
    """
    try:
        return [plain(item) for item in args]
    except (TypeError, ValueError, RecursionError):
        return args  # it is reported where it is encoded


def _key(key: Any, finite: bool) -> str:
    if isinstance(key, float) and not finite and not math.isfinite(key):
        return json.dumps(key)  # as JavaScript has it: a key is only a name
    return plain_key(key)


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


def well_formed(text: str) -> str:
    """Return a text as JavaScript encodes it: U+FFFD in place of each lone surrogate.

    For the names of channels, which have no other form of it.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def load(data: bytes) -> Any:
    """Return the value of a message: JSON when it begins with a brace, MessagePack otherwise.

    Args:
        data: The message.

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


# Packets


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


def values_from(value: Any) -> tuple[Any, ...]:
    """Return what an acknowledgement carries beyond its first value; nothing if that is absent."""
    return tuple(value) if isinstance(value, list) else ()
