"""A worker of ``run(workers=…)``, as its siblings see it."""

from __future__ import annotations

from typing import Any

from ...engine.shutdown import GRACE
from ..embedded import EmbeddedServer
from ..fleet import Lifeline
from .siblings import Siblings

__all__ = ["EmbeddedWorker", "listen"]


def listen(http_server: EmbeddedServer) -> Any:
    """Return the listening socket of a server, which each fork may start.

    Raises:
        OSError: The address cannot be used.
    """
    listener = http_server.get_listener(
        http_server.address, http_server.backlog, http_server.family
    )
    http_server.set_listener(listener)
    return listener


class EmbeddedWorker:
    """See :class:`~flask_realtime.hosts.workers.worker.Worker`.

    Args:
        http_server: Serves the connections of this process.
        listener: The listening socket, which all workers share.
        lifeline: Tells of the parent.
    """

    folder: str | None = None
    by_address = False
    capacity: int | None = None

    def __init__(self, http_server: EmbeddedServer, listener: Any, lifeline: Lifeline) -> None:
        self.listeners: list[Any] = [listener]
        self._http_server = http_server
        #: What it has joined by, ``None`` where it has found none.
        self.siblings: list[Siblings | None] = []
        self.lifeline = lifeline

    def wait_for_siblings(self, timeout: float) -> None:
        """Block until the sessions of siblings are over as well, when all end.

        Their clients need new connections until then, which come to any worker.
        """
        if self.lifeline.is_cut:
            for siblings in filter(None, self.siblings):
                siblings.wait_for_all(timeout)

    @property
    def patience(self) -> float:
        """Seconds that requests may wait for a sibling while this worker ends."""
        return GRACE

    @property
    def is_last(self) -> bool:
        """Whether all workers end: the parent has said so, or is gone."""
        return self.lifeline.is_cut

    @property
    def is_ending(self) -> bool:
        """Whether the worker takes no more requests by itself: the engine knows that."""
        return False

    def serve(self, sock: Any, local: Any, peer: Any) -> None:
        """Serve a connection as if it had been accepted here; returns when it is over."""
        self._http_server.handle(sock, peer)
