"""The greenlets of connections: one whose connection has become a WebSocket serves the next.

A new greenlet costs thirty times as much as a switch to one that waits. Those of other connections
end with them, as what an application keeps for each greenlet does (``threading.local``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import get_hub, getcurrent
from gevent.pool import Pool

__all__ = ["KEPT", "ConnectionGreenlets"]

#: Greenlets that wait for a connection at most: a handshake that has arrived is answered before
#: the next connection is accepted, so few are at work at a time.
KEPT = 16


class ConnectionGreenlets:
    """Lends greenlets to connections.

    Args:
        pool: Has those that serve a connection. One is free for the next when it has left the pool
            in favour of its WebSocket, and in the pool again when it serves.
        serve: Serves a connection to its end, ``fn(*connection)``.
    """

    def __init__(self, pool: Pool, serve: Callable[..., object]) -> None:
        self._pool = pool
        self._serve = serve
        self._waiting: list[Any] = []
        self._kept = KEPT

    def __len__(self) -> int:
        """Return how many greenlets wait for a connection."""
        return len(self._waiting)

    def start(self, connection: tuple[Any, ...]) -> None:
        """Have a connection served, at once if a greenlet waits and the hub is running.

        Args:
            connection: The arguments of ``serve``.
        """
        self._kept = KEPT
        if self._waiting and getcurrent() is get_hub():
            greenlet = self._waiting.pop()
            self._pool.add(greenlet)
            greenlet.switch(connection)
        else:
            # In a list, so that the arguments of the greenlet do not keep it alive.
            self._pool.spawn(self._run, [connection])

    def close(self) -> None:
        """Let the greenlets end, those that serve a connection with it; harmless when repeated."""
        self._kept = 0
        waiting, self._waiting = self._waiting, []
        for greenlet in waiting:
            get_hub().loop.run_callback(greenlet.switch, None)

    def _run(self, first: list[tuple[Any, ...]]) -> None:
        current: Any = getcurrent()
        hub = get_hub()
        connection: tuple[Any, ...] | None = first.pop()
        while connection is not None:
            self._serve(*connection)
            if current in self._pool or len(self._waiting) >= self._kept:
                return
            connection = None
            # What the application has set belongs to the connection that is over.
            current.gr_context = None
            self._waiting.append(current)
            try:
                connection = hub.switch()
            finally:
                # After a kill that was meant for the connection before.
                if current in self._waiting:
                    self._waiting.remove(current)
