"""The states of an inbox, and the moves between them."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["INBOX_MOVES", "InboxState"]


class InboxState(Enum):
    """Which greenlet runs the tasks of an inbox."""

    #: None: the next task takes one from the pool.
    IDLE = auto()
    #: The host, which waits for a task.
    PARKED = auto()
    #: The one that the hub is about to switch to, the host or one of the pool.
    WAKING = auto()
    #: The runner; a host that was lent meanwhile waits for its end.
    RUNNING = auto()


_IDLE, _PARKED, _WAKING, _RUNNING = InboxState
INBOX_MOVES: Final[dict[InboxState, tuple[InboxState, ...]]] = {
    _IDLE: (_RUNNING, _WAKING),
    _PARKED: (_RUNNING, _WAKING, _IDLE),
    _WAKING: (_RUNNING, _IDLE),
    _RUNNING: (_PARKED, _WAKING, _IDLE),
}
