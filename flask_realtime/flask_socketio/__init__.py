"""Flask-SocketIO's interface on the engine of this package.

An application changes its import, and nothing else::

    from flask_realtime.flask_socketio import SocketIO, emit, join_room

``docs/flask-socketio.md`` says what differs, and what the native interface has in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ambient import call, close_room, disconnect, emit, join_room, leave_room, rooms, send
from .exceptions import ConnectionRefusedError, TimeoutError
from .extension import SocketIO
from .namespace import Namespace

if TYPE_CHECKING:
    from .test_client import SocketIOTestClient

__all__ = [
    "ConnectionRefusedError",
    "Namespace",
    "SocketIO",
    "SocketIOTestClient",
    "TimeoutError",
    "call",
    "close_room",
    "disconnect",
    "emit",
    "join_room",
    "leave_room",
    "rooms",
    "send",
]


def __getattr__(name: str) -> Any:
    # A server has no use for what tests need.
    if name == "SocketIOTestClient":
        from .test_client import SocketIOTestClient

        return SocketIOTestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
