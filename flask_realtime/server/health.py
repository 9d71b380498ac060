"""Whether a server is ready for clients: what probes of a load balancer ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .server import BaseServer

__all__ = ["Health", "health_of"]


class Health(TypedDict):
    """The state of a server, as ``io.health()`` returns it."""

    #: Whether clients should come here: ``accepting`` and ``connected``.
    ready: bool
    #: Whether handshakes are accepted; not so from the signal to stop on.
    accepting: bool
    #: Whether the adapter reaches the other servers, as far as it knows.
    connected: bool
    #: How many sessions are open in this process.
    clients: int


def health_of(server: BaseServer) -> Health:
    """Return the state of a server; it asks no other one and never blocks."""
    accepting = not server.engine.is_refusing
    # Those of the other namespaces share its connections.
    connected = server.sockets.adapter.is_connected
    return Health(
        ready=accepting and connected,
        accepting=accepting,
        connected=connected,
        clients=server.engine.clients_count,
    )
