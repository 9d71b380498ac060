"""The part of a value that a format can carry, and the path to the rest.

For the rare case that a value cannot be sent: the path becomes part of the error or of a line
in the log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from .plain_values import LARGEST, NOT_FINITE, TOO_LARGE, plain_default, plain_key
from .socket_packet import Packet, PacketType

__all__ = [
    "JSON",
    "JSON_TEXT",
    "MSGPACK",
    "Carried",
    "Carrier",
    "Fault",
    "carried",
    "explain",
    "unsendable",
]

#: Characters of a path, and of one key in it: clients choose some of the keys.
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
    """A value that cannot be carried: its path, and the reason."""

    path: str
    error: TypeError | ValueError

    @property
    def place(self) -> str:
        """The path, cut to fit a line of the log."""
        path = self.path
        return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"

    def __str__(self) -> str:
        return f"{self.error} ({self.place})"


#: Values that are visited: a client may send half a million of them beside one infinity.
_MOST: Final = 20_000
#: Stands for a value that cannot be carried, until its container leaves it out.
_NOTHING: Final = object()
#: The place of a value: that of its container, and its key or its index.
_Place = tuple[Any, Any]


class Carried(NamedTuple):
    """What is left of a value; the first fault, and the number of faults."""

    value: Any
    fault: Fault | None
    faults: int


class _Walk:
    """The findings of a walk through a value, and its budget."""

    __slots__ = ("carrier", "fault", "faults", "is_cut", "left", "only_first")

    def __init__(self, carrier: Carrier, only_first: bool) -> None:
        self.carrier = carrier
        self.only_first = only_first
        self.left = _MOST
        self.fault: Fault | None = None
        self.faults = 0
        self.is_cut = False

    def refuse(self, place: _Place, error: TypeError | ValueError) -> Any:
        self.faults += 1
        if self.fault is None:
            self.fault = Fault(_path(place), error)
        if self.only_first:
            self.left = 0
        return _NOTHING

    def is_over(self, place: _Place) -> bool:
        if self.left > 0:
            return False
        if not self.only_first and not self.is_cut:
            self.is_cut = True
            self.refuse(place, ValueError(f"more than {_MOST} values beside what cannot be sent"))
        return True


def _path(place: _Place) -> str:
    parts: list[str] = []
    parent, step = place
    while parent is not None:
        if isinstance(step, str):
            step = json.dumps(step if len(step) <= _LONGEST_KEY else step[:_LONGEST_KEY] + "…")
        parts.append(f"[{step}]")
        parent, step = parent
    return str(step) + "".join(reversed(parts))


def carried(value: Any, carrier: Carrier, path: str, depth: int) -> Carried:
    """Return a copy with only JSON's values, and bytes, without what cannot be carried.

    It is left out of objects; in arrays ``None`` takes its place, as with ``JSON.stringify``.

    Args:
        value: Any value.
        carrier: The format.
        path: The name of the value.
        depth: How deeply it may be nested.
    """
    walk = _Walk(carrier, only_first=False)
    found = _carried(value, walk, (None, path), depth)
    return Carried(None if found is _NOTHING else found, walk.fault, walk.faults)


def _carried(value: Any, walk: _Walk, place: _Place, depth: int) -> Any:
    walk.left -= 1
    try:
        if depth <= 0:
            raise ValueError("the value is nested too deeply")
        if value is None or isinstance(value, (str, bool)):
            return value
        if isinstance(value, (int, float)):
            return _number(value, walk.carrier)
        if isinstance(value, (bytes, bytearray, memoryview)):
            if walk.carrier.has_bytes:
                return bytes(value)
            raise TypeError("bytes cannot be carried here")
        if not isinstance(value, (dict, list, tuple)):
            return _carried(plain_default(value), walk, place, depth - 1)
    except (TypeError, ValueError) as error:
        return walk.refuse(place, error)
    if isinstance(value, dict):
        return _object(value, walk, place, depth)
    return _array(value, walk, place, depth)


def _array(value: Sequence[Any], walk: _Walk, place: _Place, depth: int) -> list[Any]:
    found = []
    for index, item in enumerate(value):
        if walk.is_over(place):
            break
        item = _carried(item, walk, (place, index), depth - 1)
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


def _object(value: Mapping[Any, Any], walk: _Walk, place: _Place, depth: int) -> dict[str, Any]:
    found = {}
    for key, item in value.items():
        if walk.is_over(place):
            break
        try:
            name = plain_key(key)
        except (TypeError, ValueError) as error:
            walk.refuse(place, error)
            continue
        item = _carried(item, walk, (place, name), depth - 1)
        if item is not _NOTHING:
            found[name] = item
    return found


def explain(error: Exception, value: Any, carrier: Carrier, path: str) -> Exception:
    """Return the error that names the path to what cannot be carried.

    Args:
        error: It is returned as it is when no such value is found.
        value: What could not be encoded.
        carrier: The format.
        path: The name of the value.
    """
    walk = _Walk(carrier, only_first=True)
    try:
        _carried(value, walk, (None, path), _ANY_DEPTH)
    except RecursionError:
        return error
    fault = walk.fault
    return error if fault is None else type(fault.error)(str(fault))


def unsendable(error: Exception, packet: Packet, carrier: Carrier) -> Exception:
    """Return the error of a packet that cannot be encoded; see :func:`explain`."""
    if packet.type is PacketType.EVENT:
        return explain(error, packet.data[1:], carrier, "args")
    return explain(error, packet.data, carrier, "args" if packet.type is _ACK else "data")
