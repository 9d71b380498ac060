"""Checks of the rooms that applications name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

__all__ = ["check_room", "no_room", "room_set", "rooms_to_join"]


def room_set(rooms: Iterable[Any]) -> frozenset[str]:
    """Return the rooms of a call: strings, and lists of strings.

    Raises:
        TypeError: Something else was given.
    """
    names: set[str] = set()
    for room in rooms:
        if isinstance(room, str):
            names.add(room)
        elif isinstance(room, (list, tuple, set, frozenset)):
            names |= room_set(room)
        else:
            raise TypeError(f"a room must be a string, not {type(room).__name__}")
    return frozenset(names)


def rooms_to_join(rooms: Any) -> frozenset[str]:
    """Return the rooms of ``join``: a string, or any iterable of strings.

    Raises:
        TypeError: Something else was given.
    """
    if isinstance(rooms, str):
        return frozenset((rooms,))
    return room_set(rooms if isinstance(rooms, Iterable) else (rooms,))


def check_room(room: Any) -> str:
    """Return a room; raises ``TypeError`` when it is not a string."""
    if not isinstance(room, str):
        raise TypeError(f"a room must be a string, not {type(room).__name__}")
    return room


def no_room(method: str) -> NoReturn:
    """Raise ``TypeError``: a method that takes rooms was called without any.

    Args:
        method: The name of the method.
    """
    raise TypeError(f"{method}() needs a room, several rooms or a list of rooms")
