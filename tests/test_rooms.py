"""Rooms as applications name them."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.rooms import room_set


@pytest.mark.parametrize(
    ("rooms", "expected"),
    [
        ((), set()),
        (("a",), {"a"}),
        (("a", "b", "a"), {"a", "b"}),
        ((["a", "b"],), {"a", "b"}),
        (("a", ("b",), {"c"}, frozenset({"d"}), [["e"]]), set("abcde")),
        ((room for room in "ab"), {"a", "b"}),
        (("",), {""}),
    ],
)
def test_strings_and_lists_of_strings_are_rooms(rooms: Any, expected: set[str]) -> None:
    assert room_set(rooms) == expected


@pytest.mark.parametrize("room", [None, 1, b"a", 1.5, {"a": 1}, ["a", 1]])
def test_anything_else_is_none(room: Any) -> None:
    with pytest.raises(TypeError, match="a room must be a string, not"):
        room_set((room,))
