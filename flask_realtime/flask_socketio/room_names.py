"""Rooms of any kind as the engine's names, which are text, and back.

A number that is a room keeps its kind: ``1`` and ``"1"`` are two rooms. Names are the same on
every server of a cluster, so only values that look the same everywhere can be rooms.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any
from uuid import UUID

__all__ = ["is_several", "name_of", "names_of", "room_of"]

# No text of an application begins so.
_MARK = "\x00room:"
_UUID = "uuid:"


def name_of(room: Any) -> str:
    """Return the name of a room.

    Raises:
        TypeError: It is not text, a number, a UUID or a tuple of these.
    """
    if isinstance(room, str):
        return str.__str__(room) if type(room) is not str else room
    if isinstance(room, UUID):
        return f"{_MARK}{_UUID}{room.hex}"
    return _MARK + repr(_plain(room))


def _plain(room: Any) -> Any:
    # As keys of a dictionary, `True`, `1` and `1.0` are one.
    if isinstance(room, int):
        return int(room)
    if isinstance(room, float):
        return int(room) if room.is_integer() else float(room)
    if isinstance(room, (str, bytes)):
        return room
    if isinstance(room, tuple):
        return tuple(_plain(item) for item in room)
    raise TypeError(
        f"a room must be text, a number, a UUID or a tuple of these, not {type(room).__name__}"
    )


def is_several(rooms: Any) -> bool:
    """Whether an argument names a list of rooms rather than one."""
    return isinstance(rooms, (list, set, frozenset))


def names_of(rooms: Any) -> list[str]:
    """Return the names for a room or a list of rooms.

    Raises:
        TypeError: One of them cannot be a room.
    """
    several: Iterable[Any] = rooms if is_several(rooms) else (rooms,)
    return [name_of(room) for room in several]


def room_of(name: str) -> Any:
    """Return the room as the application has named it."""
    if not name.startswith(_MARK):
        return name
    text = name[len(_MARK) :]
    return UUID(text[len(_UUID) :]) if text.startswith(_UUID) else ast.literal_eval(text)
