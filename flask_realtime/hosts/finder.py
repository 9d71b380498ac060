"""The socket below a request, under each WSGI server that gives it.

- the embedded server: ``handler_socket.py``;
- gevent's ``pywsgi`` with any handler of its own: ``pywsgi.py``;
- gunicorn's gevent worker: ``gunicorn_socket.py``;
- gevent-websocket, its handler and its gunicorn worker: ``gevent_websocket.py``;
- a caller that knows this package, its test client or a worker that another one hands a
  connection to, gives ``fn(start_response)`` in the environ, which returns a ``HostSocket``.

A WebSocket begins with a ``write`` of the host (PEP 3333). A middleware that wraps
``start_response`` hands it on, or wraps it, or keeps what is written in a list until the
response is complete: then frames would leave before the 101, so there is no WebSocket.

Only public names of the hosts are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from ..engine.requests.host import HANDLER_KEY, HostSocket, StartResponse
from ..engine.requests.obstacles import Obstacle
from .connections import set_nodelay
from .gevent_websocket import upgraded_socket
from .gunicorn_socket import GunicornSocket
from .handler_socket import HandlerSocket
from .pywsgi import pywsgi_socket
from .remedies import REMEDIES

__all__ = ["HOST_SOCKET_KEY", "SocketFinder"]

#: Where a caller puts ``fn(start_response)``, which returns its socket.
HOST_SOCKET_KEY = "flask_realtime.host_socket"


class SocketFinder:
    """Knows the servers above; see :class:`~flask_realtime.engine.requests.host.Host`."""

    def __init__(self) -> None:
        # Connections whose segments are sent at once.
        self._prompt: WeakSet[Any] = WeakSet()

    def find(self, environ: Mapping[str, Any], start_response: StartResponse) -> HostSocket | None:
        """Return the socket below a request; ``None`` when the host does not give it.

        The first time that a connection is seen, TCP_NODELAY is set on it.

        Args:
            environ: The WSGI environ of the request.
            start_response: The function that came with it.
        """
        handler = environ.get(HANDLER_KEY)
        if handler is not None:
            # The embedded server's, which has set TCP_NODELAY.
            return HandlerSocket(handler, start_response)
        given = environ.get(HOST_SOCKET_KEY)
        if given is not None:
            made: HostSocket = given(start_response)
            return made
        sock = environ.get("gunicorn.socket")
        found: HostSocket | None
        # HTTP/2 has no socket of its own for a request.
        if sock is not None and environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1"):
            found = GunicornSocket(sock, environ["wsgi.input"], start_response)
        else:
            found = upgraded_socket(environ) or pywsgi_socket(start_response)
        if found is not None and found.socket not in self._prompt:
            self._prompt.add(found.socket)
            set_nodelay(found.socket)
        return found

    def remedy(self, obstacle: Obstacle) -> str:
        """Return what removes an obstacle, for the log."""
        return REMEDIES[obstacle]
