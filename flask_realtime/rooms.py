"""Rooms as applications name them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["room_set"]


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
