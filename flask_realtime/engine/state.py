"""The states of a server, of a session and of its upgrade, with the moves between them.

Rule: a state changes only in one method of its owner, which calls
:func:`~flask_realtime.transitions.check_move` with the table of that state.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["LIFE_MOVES", "SESSION_MOVES", "Life", "SessionState", "UPGRADE_MOVES", "UpgradeState"]


class Life(Enum):
    """Where an engine, and the server above it, is in its life; it never goes back."""

    #: No request has come: the options may change.
    NEW = 1
    #: The options are settled, and whatever needs them is built.
    SERVING = 2
    #: New sessions are refused with 503; the present ones go on.
    DRAINING = 3
    #: The present sessions are closed as well, and deliver what is buffered.
    CLOSING = 4
    #: Handlers have returned, and adapters have given back what they held.
    CLOSED = 5


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


LIFE_MOVES: Final[dict[Life, tuple[Life, ...]]] = {
    Life.NEW: (Life.SERVING, Life.DRAINING, Life.CLOSING),
    Life.SERVING: (Life.DRAINING, Life.CLOSING),
    Life.DRAINING: (Life.CLOSING,),
    Life.CLOSING: (Life.CLOSED,),
    Life.CLOSED: (),
}
SESSION_MOVES: Final[dict[SessionState, tuple[SessionState, ...]]] = {
    SessionState.OPEN: (SessionState.CLOSING, SessionState.CLOSED),
    SessionState.CLOSING: (SessionState.CLOSED,),
    SessionState.CLOSED: (),
}
UPGRADE_MOVES: Final[dict[UpgradeState, tuple[UpgradeState, ...]]] = {
    UpgradeState.NONE: (UpgradeState.PROBING,),
    UpgradeState.PROBING: (UpgradeState.PROBED, UpgradeState.NONE),
    UpgradeState.PROBED: (UpgradeState.DONE, UpgradeState.NONE),
    UpgradeState.DONE: (),
}
