"""gevent-websocket: its handler has sent the 101 before the application is called.

Its WebSocket object, ``wsgi.websocket`` in the environ, knows the handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .pywsgi import PywsgiSocket

__all__ = ["upgraded_socket"]


def upgraded_socket(environ: Mapping[str, Any]) -> PywsgiSocket | None:
    """Return the socket of a WebSocket that gevent-websocket has opened; ``None`` without one."""
    websocket = environ.get("wsgi.websocket")
    return None if websocket is None else PywsgiSocket(websocket.handler, None)
