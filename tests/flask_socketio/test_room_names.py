"""Names of rooms, as the engine has them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.flask_socketio.room_names import is_several, name_of, names_of, room_of

_LEAF = st.integers() | st.text() | st.binary() | st.uuids()
_ROOMS = _LEAF | st.tuples(st.integers(), st.text())


@given(_ROOMS)
def test_a_room_comes_back_as_it_was_named(room: Any) -> None:
    if isinstance(room, str) and room.startswith("\x00"):
        return
    assert room_of(name_of(room)) == room


@given(_ROOMS, _ROOMS)
def test_two_rooms_have_two_names(one: Any, two: Any) -> None:
    assert (name_of(one) == name_of(two)) == (one == two)


def test_text_is_its_own_name() -> None:
    assert name_of("lobby") == "lobby"


def test_zero_is_a_room() -> None:
    assert name_of(0) not in ("", "0")


@pytest.mark.parametrize("same", [1, 1.0, True])
def test_numbers_that_are_equal_are_one_room(same: Any) -> None:
    assert name_of(same) == name_of(1)


def test_a_list_names_several_rooms_and_a_tuple_one() -> None:
    assert is_several(["a", 1])
    assert not is_several(("a", 1))
    assert names_of(["a", "b"]) == ["a", "b"]
    assert len(names_of(("a", 1))) == 1
    assert names_of([]) == []


@pytest.mark.parametrize("wrong", [object(), None, {"a": 1}, (1, None)])
def test_what_looks_different_on_each_server_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a room must be"):
        name_of(wrong)


def test_a_uuid_is_a_room() -> None:
    room = UUID(int=7)
    assert room_of(name_of(room)) == room
