"""Several servers of one process that form a cluster."""

from __future__ import annotations

from typing import Any

from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.adapters.cluster.loopback import LoopbackHub
from flask_realtime.server.server import BaseServer
from tests.clients import SocketClient
from tests.fakes import wait_until
from tests.worlds import MakeServer, ServerWorld


class Together:
    """Servers that have started, joined by one hub."""

    def __init__(self, make_server: MakeServer, count: int = 2, start: bool = True) -> None:
        self.hub = LoopbackHub()
        self.worlds: list[ServerWorld] = [
            make_server(adapter=self.make_adapter) for _ in range(count)
        ]
        for server in self.servers:
            if start:
                server.start()

    def make_adapter(self, namespace: Any) -> ClusterAdapter:
        return ClusterAdapter(namespace, self.hub.bus(namespace.name), timeout=0.3)

    @property
    def servers(self) -> list[BaseServer]:
        return [world.io for world in self.worlds]

    def join(self, index: int, *rooms: str, namespace: str = "/") -> tuple[SocketClient, Any]:
        """A client of a server, and its socket."""
        found = self.servers[index].of(namespace)
        before = set(found.sockets)
        client = self.worlds[index].network.joined(namespace=namespace, auth={"index": index})
        wait_until(lambda: set(found.sockets) - before)
        (sid,) = set(found.sockets) - before
        socket = found.sockets[sid]
        socket.join(rooms)
        return client, socket
