"""Values that applications emit, for the tests of everything that encodes them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any, NamedTuple

from hypothesis import strategies as st


class Colour(enum.Enum):
    RED = "red"
    NOTHING = None
    TWO = 2


class Level(enum.IntEnum):
    LOW = 1


class Kind(str, enum.Enum):
    PLAIN = "plain"


@dataclass
class Point:
    x: Any
    y: Any


@dataclass(frozen=True, slots=True)
class Slotted:
    value: Any


class Pair(NamedTuple):
    left: Any
    right: Any


plain = st.none() | st.booleans() | st.text(max_size=8) | st.integers(-(2**63), 2**64 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
#: Leaves that have one meaning in JSON, and survive it.
leaves = plain | finite
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
#: Integers at the edge of what a double holds, and far beyond it.
huge = st.builds(
    lambda edge, sign, near: sign * (edge + near),
    st.sampled_from([10**308, 2**1024 - 2**970, 10**309, 10**400, 10**4298]),
    st.sampled_from([1, -1]),
    st.integers(-2, 2),
)
rich_leaves = st.one_of(
    leaves,
    st.floats(),
    st.integers(),
    huge,
    st.text(st.characters(), max_size=4),
    st.sampled_from(["null", "\ud800", "\udfff!", "\x1e", "\u2028", "\x00", 'a"b\\']),
    st.sampled_from([*Colour, *Level, *Kind]),
    st.datetimes(timezones=st.none() | offsets),
    st.dates(),
    st.times(),
    st.uuids(),
    st.decimals(),
)
some_bytes = st.binary(max_size=8)
binary: st.SearchStrategy[Any] = st.one_of(
    some_bytes, some_bytes.map(bytearray), some_bytes.map(lambda data: memoryview(data))
)
#: Nothing can carry these.
strangers = st.sampled_from([object(), {1, 2}, 1j, Point, print])
keys = st.text(max_size=4)
rich_keys = st.one_of(
    keys,
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(),
    st.sampled_from([*Kind, *Colour, *Level, "\ud83d", "a\udc4d"]),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(),
    st.times(),
)


def nested(
    leaf: st.SearchStrategy[Any], key: st.SearchStrategy[Any] = keys
) -> st.SearchStrategy[Any]:
    """Lists and dictionaries of the leaves."""
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(key, inner, max_size=4),
        max_leaves=8,
    )


def rich(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The leaves in everything that may hold values."""
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(rich_keys, inner, max_size=3),
            st.builds(Point, inner, inner),
            st.builds(Slotted, inner),
            st.builds(Pair, inner, inner),
        ),
        max_leaves=12,
    )
