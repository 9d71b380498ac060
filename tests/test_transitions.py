"""A move that the table of its state does not allow is refused, and the refusal names it."""

from __future__ import annotations

from enum import Enum, auto

import pytest

from flask_realtime.transitions import check_move


class Door(Enum):
    SHUT = auto()
    OPEN = auto()
    GONE = auto()


MOVES: dict[Door, tuple[Door, ...]] = {
    Door.SHUT: (Door.OPEN, Door.GONE),
    Door.OPEN: (Door.SHUT,),
    Door.GONE: (),
}


@pytest.mark.parametrize("before", Door)
@pytest.mark.parametrize("after", Door)
def test_a_move_passes_when_the_table_has_it_and_no_other_does(before: Door, after: Door) -> None:
    if after in MOVES[before]:
        check_move(MOVES, before, after)
    else:
        with pytest.raises(RuntimeError, match=f"^{before.name} -> {after.name}$"):
            check_move(MOVES, before, after)


def test_a_state_that_the_table_does_not_know_is_an_error() -> None:
    with pytest.raises(KeyError):
        check_move({Door.SHUT: (Door.OPEN,)}, Door.GONE, Door.SHUT)
