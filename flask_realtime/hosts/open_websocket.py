"""A WebSocket whose request has returned: no greenlet waits for its end.

In the pool of the embedded server, or of what other workers hand over, it takes the place of the
greenlet of its request: it counts against the limit of connections, a server that stops waits for
it, and one that has waited long enough cuts it. So it has what a pool asks of a greenlet.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from gevent import get_hub, getcurrent
from gevent.monkey import get_original

from ..reasons import Reason

__all__ = ["OpenWebSocket", "bare"]

logger = logging.getLogger(__name__)

_Socket = get_original("socket", "socket")

Link = Callable[[Any], object]


def bare(sock: socket.socket) -> Any:
    """Return a socket without gevent's watchers, which takes the connection over."""
    # All are streams; to ask gevent's socket for its type takes a member of an enumeration.
    return _Socket(sock.family, socket.SOCK_STREAM, sock.proto, sock.detach())


class OpenWebSocket:
    """Ends the connection when the WebSocket is over.

    Args:
        server: The server.
        sock: The connection.
        lost: Ends the session, ``fn(reason)``.
        log: Writes to the access log; ``None`` for a server that has none.

    Attributes:
        socket: As given.
    """

    __slots__ = ("_links", "_log", "_lost", "_server", "socket")

    def __init__(
        self, server: Any, sock: Any, lost: Callable[[str], None], log: Callable[[], None] | None
    ) -> None:
        self._server = server
        self.socket: Any = sock
        self._lost = lost
        self._log = log
        self._links: list[Link] = []

    @classmethod
    def in_place_of(
        cls,
        server: Any,
        sock: Any,
        lost: Callable[[str], None],
        log: Callable[[], None] | None = None,
    ) -> OpenWebSocket | None:
        """Take the place of the current greenlet in the pool of a server; see the class.

        Returns:
            ``None`` when the greenlet has to stay: the server is one that does not know of this.
        """
        current, pool = getcurrent(), getattr(server, "pool", None)
        if not hasattr(server, "websockets") or pool is None or current not in pool:
            return None
        made = cls(server, sock, lost, log)
        # In this order, for a pool that is full.
        pool.discard(current)
        pool.add(made)
        server.websockets.add(made)
        return made

    def end(self) -> None:
        """Close the connection, write to the log and leave the pool; called once."""
        self._server.websockets.discard(self)
        self.socket.close()
        links, self._links = self._links, []
        for link in links:
            get_hub().loop.run_callback(link, self)
        if self._log is not None:
            self._log()

    # What a pool asks of a greenlet

    def rawlink(self, link: Link) -> None:
        """Have ``link(self)`` called in the hub at the end; soon, if that has come."""
        if self.socket.fileno() < 0:
            get_hub().loop.run_callback(link, self)
        else:
            self._links.append(link)

    def unlink(self, link: Link) -> None:
        """Forget a link."""
        if link in self._links:
            self._links.remove(link)

    def kill(self, exception: object = None, block: bool = True) -> None:
        """Cut the WebSocket: its session ends, with handlers that still run."""
        logger.debug("a WebSocket is cut: its server has waited long enough")
        self._lost(Reason.TRANSPORT_CLOSE)
