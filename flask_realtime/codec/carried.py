"""What a format can carry of a value, and where in it the rest is.

For the rare case that something cannot be sent: the path to it becomes part of the error or of
a line in the log.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NamedTuple

from .plain_values import LARGEST, NOT_FINITE, TOO_LARGE, plain_default, plain_key
from .socket_packet import Packet, PacketType

__all__ = ["JSON", "JSON_TEXT", "MSGPACK", "Carrier", "Fault", "carried", "explain", "unsendable"]

#: Characters of a path, and of one key in it: clients choose some of them.
_LONGEST_PATH, _LONGEST_KEY = 300, 60
#: More than Python's own recursion allows.
_ANY_DEPTH: Final = 10**9
_ACK = PacketType.ACK


class Carrier(NamedTuple):
    """The bounds of a format.

    Attributes:
        has_bytes: Whether it carries bytes.
        integers: The integers that it carries.
        beyond: The message for an integer beyond them.
    """

    has_bytes: bool
    integers: tuple[int, int]
    beyond: str


_DOUBLES = (1 - LARGEST, LARGEST - 1)
JSON: Final = Carrier(True, _DOUBLES, TOO_LARGE)
JSON_TEXT: Final = Carrier(False, _DOUBLES, TOO_LARGE)
MSGPACK: Final = Carrier(
    True, (-(2**63), 2**64 - 1), "a packet cannot carry an integer beyond 64 bits"
)


class Fault(NamedTuple):
    """A value that cannot be carried: where it is, and why."""

    path: str
    error: TypeError | ValueError

    @property
    def place(self) -> str:
        """The path, not too long for a line."""
        path = self.path
        return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"

    def __str__(self) -> str:
        return f"{self.error} ({self.place})"


#: Stands for what cannot be carried, until its container leaves it out.
_NOTHING: Final = object()


def carried(value: Any, carrier: Carrier, path: str, depth: int) -> tuple[Any, list[Fault]]:
    """Return a copy with only JSON's values, and bytes, without what cannot be carried.

    It is left out of objects; in arrays ``None`` takes its place, as with ``JSON.stringify``.

    Args:
        value: Any value.
        carrier: The format.
        path: The name of the value.
        depth: How deeply it may be nested.
    """
    faults: list[Fault] = []
    found = _carried(value, carrier, path, depth, faults)
    return (None if found is _NOTHING else found), faults


def _carried(value: Any, carrier: Carrier, path: str, depth: int, faults: list[Fault]) -> Any:
    try:
        if depth <= 0:
            raise ValueError("the value is nested too deeply")
        if value is None or isinstance(value, (str, bool)):
            return value
        if isinstance(value, (int, float)):
            return _number(value, carrier)
        if isinstance(value, (bytes, bytearray, memoryview)):
            if carrier.has_bytes:
                return bytes(value)
            raise TypeError("bytes cannot be carried here")
        if not isinstance(value, (dict, list, tuple)):
            return _carried(plain_default(value), carrier, path, depth - 1, faults)
    except (TypeError, ValueError) as error:
        faults.append(Fault(path, error))
        return _NOTHING
    if isinstance(value, dict):
        return _object(value, carrier, path, depth, faults)
    found = []
    for place, item in enumerate(value):
        item = _carried(item, carrier, f"{path}[{place}]", depth - 1, faults)
        found.append(None if item is _NOTHING else item)
    return found


def _number(value: float, carrier: Carrier) -> float:
    if isinstance(value, int):
        smallest, largest = carrier.integers
        if not smallest <= value <= largest:
            raise ValueError(carrier.beyond)
    elif not math.isfinite(value):
        raise ValueError(NOT_FINITE)
    return value


def _object(
    value: dict[Any, Any], carrier: Carrier, path: str, depth: int, faults: list[Fault]
) -> dict[str, Any]:
    found = {}
    for key, item in value.items():
        try:
            name = plain_key(key)
        except (TypeError, ValueError) as error:
            faults.append(Fault(path, error))
            continue
        shown = name if len(name) <= _LONGEST_KEY else name[:_LONGEST_KEY] + "…"
        item = _carried(item, carrier, f"{path}[{json.dumps(shown)}]", depth - 1, faults)
        if item is not _NOTHING:
            found[name] = item
    return found


def explain(error: Exception, value: Any, carrier: Carrier, path: str) -> Exception:
    """Return the error that names the path to what cannot be carried.

    Args:
        error: It is returned as it is when there is no such value.
        value: What could not be encoded.
        carrier: The format.
        path: The name of the value.
    """
    try:
        _, faults = carried(value, carrier, path, depth=_ANY_DEPTH)
    except RecursionError:
        return error
    return type(faults[0].error)(str(faults[0])) if faults else error


def unsendable(error: Exception, packet: Packet, carrier: Carrier) -> Exception:
    """Return the error of a packet that cannot be encoded; see :func:`explain`."""
    if packet.type is PacketType.EVENT:
        return explain(error, packet.data[1:], carrier, "args")
    return explain(error, packet.data, carrier, "args" if packet.type is _ACK else "data")
