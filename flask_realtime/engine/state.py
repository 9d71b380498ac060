"""The states of a session and of its upgrade, with the moves between them.

Rule: a state changes only through :func:`check_move`, in one method of its owner.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["SessionState", "UpgradeState", "check_move"]


class SessionState(Enum):
    """Where a session is in its life."""

    #: Packets flow.
    OPEN = auto()
    #: The server closed it; what is buffered is still delivered.
    CLOSING = auto()
    #: Gone; nothing is sent or received any more.
    CLOSED = auto()


class UpgradeState(Enum):
    """Where the way from polling to WebSocket is."""

    #: Polling, no WebSocket in sight; or WebSocket from the start.
    NONE = auto()
    #: A WebSocket is open and has not sent its probe yet.
    PROBING = auto()
    #: The probe was answered; the client finishes its polling.
    PROBED = auto()
    #: The WebSocket is the transport.
    DONE = auto()


# Tuples: the hash of a member of an enumeration is a function in Python.
_MOVES: Final[dict[Enum, tuple[Enum, ...]]] = {
    SessionState.OPEN: (SessionState.CLOSING, SessionState.CLOSED),
    SessionState.CLOSING: (SessionState.CLOSED,),
    SessionState.CLOSED: (),
    UpgradeState.NONE: (UpgradeState.PROBING,),
    UpgradeState.PROBING: (UpgradeState.PROBED, UpgradeState.NONE),
    UpgradeState.PROBED: (UpgradeState.DONE, UpgradeState.NONE),
    UpgradeState.DONE: (),
}


def check_move(old: Enum, new: Enum) -> None:
    """Raise ``RuntimeError`` when there is no way from ``old`` to ``new``."""
    if new not in _MOVES[old]:
        raise RuntimeError(f"{old.name} -> {new.name}")
