"""The states of a server, a session and an upgrade: each pair that is allowed, and no other."""

from __future__ import annotations

from enum import Enum
from itertools import product
from typing import Any

import pytest

from flask_realtime.engine.state import (
    LIFE_MOVES,
    SESSION_MOVES,
    UPGRADE_MOVES,
    Life,
    SessionState,
    UpgradeState,
)
from flask_realtime.transitions import check_move

ALLOWED: set[tuple[Enum, Enum]] = {
    (Life.NEW, Life.SERVING),
    (Life.NEW, Life.DRAINING),
    (Life.NEW, Life.CLOSING),
    (Life.SERVING, Life.DRAINING),
    (Life.SERVING, Life.CLOSING),
    (Life.DRAINING, Life.CLOSING),
    (Life.CLOSING, Life.CLOSED),
    (SessionState.OPEN, SessionState.CLOSING),
    (SessionState.OPEN, SessionState.CLOSED),
    (SessionState.CLOSING, SessionState.CLOSED),
    (UpgradeState.NONE, UpgradeState.PROBING),
    (UpgradeState.PROBING, UpgradeState.PROBED),
    (UpgradeState.PROBING, UpgradeState.NONE),
    (UpgradeState.PROBED, UpgradeState.DONE),
    (UpgradeState.PROBED, UpgradeState.NONE),
}
TABLES: dict[type[Enum], Any] = {
    Life: LIFE_MOVES,
    SessionState: SESSION_MOVES,
    UpgradeState: UPGRADE_MOVES,
}
PAIRS = [pair for states in TABLES for pair in product(states, states)]


def name(pair: tuple[Enum, Enum]) -> str:
    return f"{pair[0].name}-{pair[1].name}"


@pytest.mark.parametrize("pair", sorted(ALLOWED, key=str), ids=name)
def test_a_state_moves_on(pair: tuple[Enum, Enum]) -> None:
    check_move(TABLES[type(pair[0])], *pair)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in ALLOWED], ids=name)
def test_a_state_never_jumps_or_goes_back(pair: tuple[Enum, Enum]) -> None:
    old, new = pair
    with pytest.raises(RuntimeError, match=f"{old.name} -> {new.name}"):
        check_move(TABLES[type(old)], old, new)


def test_a_session_does_not_move_to_a_state_of_its_upgrade() -> None:
    with pytest.raises(RuntimeError):
        check_move(TABLES[SessionState], SessionState.OPEN, UpgradeState.DONE)


@pytest.mark.parametrize(
    "last", [Life.CLOSED, SessionState.CLOSED, UpgradeState.DONE], ids=lambda state: state.name
)
def test_the_end_is_the_end(last: Enum) -> None:
    assert not [new for old, new in ALLOWED if old is last]
