"""The states of a socket, with the moves between them."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["SocketState", "check_move"]


class SocketState(Enum):
    """Where a socket is in its life."""

    CONNECTING = auto()
    CONNECTED = auto()
    DISCONNECTING = auto()
    DISCONNECTED = auto()


# Tuples: the hash of a member of an enumeration is a function in Python.
_MOVES: Final[dict[SocketState, tuple[SocketState, ...]]] = {
    # Refused by a middleware, or gone before it was let in: it was never connected.
    SocketState.CONNECTING: (SocketState.CONNECTED, SocketState.DISCONNECTED),
    SocketState.CONNECTED: (SocketState.DISCONNECTING,),
    SocketState.DISCONNECTING: (SocketState.DISCONNECTED,),
    SocketState.DISCONNECTED: (),
}


def check_move(old: SocketState, new: SocketState) -> None:
    """Raise ``RuntimeError`` unless ``new`` may follow ``old``."""
    if new not in _MOVES[old]:
        raise RuntimeError(f"{old.name} -> {new.name}")
