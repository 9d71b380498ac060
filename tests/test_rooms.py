"""Rooms as applications name them."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.rooms import check_room, room_set, rooms_to_join


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


@pytest.mark.parametrize("given", ["a", ["a"], ("a",), {"a"}, iter(["a"])])
def test_a_room_or_any_iterable_of_rooms_is_joined(given: Any) -> None:
    assert rooms_to_join(given) == {"a"}


@pytest.mark.parametrize("given", [5, None, b"a", [5], object()])
def test_what_is_no_room_is_not_joined(given: Any) -> None:
    with pytest.raises(TypeError, match="a room must be a string, not"):
        rooms_to_join(given)


@pytest.mark.parametrize("given", [5, None, b"a", ["a"]])
def test_one_room_is_a_string(given: Any) -> None:
    assert check_room("a") == "a"
    with pytest.raises(TypeError, match="a room must be a string, not"):
        check_room(given)
