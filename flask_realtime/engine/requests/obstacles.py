"""What keeps clients of a server from WebSockets, logged once each.

The clients stay on long-polling, and report no error. Pure functions find the cause, the host
names the remedy, :class:`Obstacles` remembers what has been logged.
"""

from __future__ import annotations

import logging
from enum import Enum

from ...quoting import shown
from .host import Host
from .request import Request

__all__ = ["Obstacle", "Obstacles", "handshake_obstacle", "request_obstacle"]

logger = logging.getLogger(__name__)

_EFFECT = "clients stay on HTTP long-polling"


class Obstacle(Enum):
    """A cause, as the log states it."""

    NO_SOCKET = "this WSGI server does not give its sockets to applications"
    HTTP_2 = "requests over HTTP/2 have no connection of their own at this WSGI server"
    OLD_HTTP = "a proxy sends requests over HTTP/1.0, which has no WebSockets"
    NO_UPGRADE = (
        "a request for a WebSocket came without its Upgrade and Connection headers, as through "
        "a proxy that leaves them out"
    )
    WRITE_KEPT = (
        "a WSGI middleware around the application keeps its responses until they are complete "
        "(as werkzeug's ProfilerMiddleware does)"
    )


def handshake_obstacle(request: Request) -> Obstacle | None:
    """Return why a client that begins with long-polling could not upgrade.

    Args:
        request: Its first request.
    """
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return Obstacle.OLD_HTTP
    if request.host_socket is not None:
        return None
    is_http_2 = request.environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
    return Obstacle.HTTP_2 if is_http_2 else Obstacle.NO_SOCKET


def request_obstacle(request: Request) -> Obstacle | None:
    """Return what a proxy has done to a request for a WebSocket that was refused."""
    # In the text: a query that is too long to be read may name the transport as well.
    if "transport=websocket" not in request.environ.get("QUERY_STRING", ""):
        return None
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return Obstacle.OLD_HTTP
    return None if request.is_upgrade else Obstacle.NO_UPGRADE


class Obstacles:
    """The obstacles that one server has logged.

    Args:
        host: Names the remedies.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._told: set[Obstacle] = set()

    def tell(self, obstacle: Obstacle) -> None:
        """Log an obstacle and its remedy, the first time that it is met."""
        if obstacle not in self._told:
            self._told.add(obstacle)
            remedy = self._host.remedy(obstacle)
            if remedy:
                logger.warning("%s: %s; %s", obstacle.value, _EFFECT, shown(remedy, 1_000))
            else:
                logger.warning("%s: %s", obstacle.value, _EFFECT)
