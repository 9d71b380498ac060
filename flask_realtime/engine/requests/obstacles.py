"""What keeps clients of a server from WebSockets, told once each in its log.

The clients stay on long-polling, and report no error. Pure functions find the
cause; :class:`Obstacles` remembers what has been told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ...codec.websocket_handshake import is_upgrade

__all__ = ["Obstacle", "Obstacles", "handshake_obstacle", "request_obstacle"]

logger = logging.getLogger(__name__)

_REMEDY = (
    "nginx needs proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade"; (docs/hosts.md, "Proxies")'
)


class Obstacle(Enum):
    """A cause, with the line that names it and the remedy."""

    NO_SOCKET = (
        "this WSGI server does not give its sockets to applications: clients stay on HTTP "
        "long-polling; use io.run() or gunicorn -k gevent"
    )
    OLD_HTTP = (
        "a proxy sends requests over HTTP/1.0, which has no WebSockets: clients stay on HTTP "
        f"long-polling; {_REMEDY}"
    )
    NO_UPGRADE = (
        "a request for a WebSocket came without its Upgrade and Connection headers, as through "
        f"a proxy that leaves them out: clients stay on HTTP long-polling; {_REMEDY}"
    )
    WRITE_KEPT = (
        "a WSGI middleware around the application keeps its responses until they are complete "
        "(as werkzeug's ProfilerMiddleware does): clients stay on HTTP long-polling; put it "
        "inside, by wrapping app.wsgi_app before Realtime(app)"
    )


def handshake_obstacle(environ: Mapping[str, Any], has_socket: bool) -> Obstacle | None:
    """Return why a client that begins with long-polling could not upgrade.

    Args:
        environ: Its first request.
        has_socket: Whether the WSGI server gives the socket below it.
    """
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return Obstacle.OLD_HTTP
    return None if has_socket else Obstacle.NO_SOCKET


def request_obstacle(environ: Mapping[str, Any]) -> Obstacle | None:
    """Return what a proxy has done to a request for a WebSocket that was refused."""
    if "transport=websocket" not in environ.get("QUERY_STRING", ""):
        return None
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return Obstacle.OLD_HTTP
    return None if is_upgrade(environ) else Obstacle.NO_UPGRADE


class Obstacles:
    """What one server has told of."""

    def __init__(self) -> None:
        self._told: set[Obstacle] = set()

    def tell(self, obstacle: Obstacle) -> None:
        """Log an obstacle, the first time that it is met."""
        if obstacle not in self._told:
            self._told.add(obstacle)
            logger.warning(obstacle.value)
