"""The rule of states: one enum, one table of allowed moves, one method of the owner that moves.

A table maps each state to the states that may follow it. Tables hold tuples and not sets: the
hash of a member of an enumeration is a function in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

__all__ = ["check_move"]

S = TypeVar("S", bound=Enum)


def check_move(table: Mapping[S, tuple[S, ...]], before: S, after: S) -> None:
    """Check that a table allows a move.

    Args:
        table: Each state, with those that may follow it.
        before: The present state.
        after: The next one.

    Raises:
        RuntimeError: It does not; the message names both states.
    """
    if after not in table[before]:
        raise RuntimeError(f"{before.name} -> {after.name}")
