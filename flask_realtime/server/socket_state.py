"""The states of a socket, with the moves between them: see :mod:`flask_realtime.transitions`."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["SOCKET_MOVES", "SocketState"]


class SocketState(Enum):
    """Where a socket is in its life."""

    CONNECTING = auto()
    CONNECTED = auto()
    DISCONNECTING = auto()
    DISCONNECTED = auto()


SOCKET_MOVES: Final[dict[SocketState, tuple[SocketState, ...]]] = {
    # Refused by a middleware, or gone before it was let in: it was never connected.
    SocketState.CONNECTING: (SocketState.CONNECTED, SocketState.DISCONNECTED),
    SocketState.CONNECTED: (SocketState.DISCONNECTING,),
    SocketState.DISCONNECTING: (SocketState.DISCONNECTED,),
    SocketState.DISCONNECTED: (),
}
