"""Servers of a cluster in this process, each with an adapter and connections of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import gevent

from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.adapters.values import Flags, Target
from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.testing.fakes import FakeNamespace, FakeSocket
from tests.processes import Late
from tests.resources import descriptors, greenlets

DEADLINE = 10.0

#: Makes the adapters of the namespaces of one server.
Factory = Callable[[Any], ClusterAdapter]


def wait_for(probe: Callable[[], Any], within: float = DEADLINE, what: str = "") -> Any:
    """Call ``probe`` until it returns something true, and return that."""
    with gevent.Timeout(within, Late(what or "it did not happen")):
        while True:
            found = probe()
            if found:
                return found
            gevent.sleep(0.005)


def event(*args: Any) -> Packet:
    return Packet(PacketType.EVENT, "/", list(args))


def to(*rooms: str, but: Iterable[str] = (), flags: Flags | None = None) -> Target:
    return Target(frozenset(rooms), frozenset(but), flags or Flags())


class Server:
    """One server: a namespace with an adapter."""

    def __init__(self, factory: Factory, name: str = "/") -> None:
        self.namespace = FakeNamespace(name)
        self.adapter = factory(self.namespace)
        self.namespace.adapter = self.adapter

    def connect(self, sid: str, *rooms: str) -> FakeSocket:
        return self.namespace.connect(sid, *rooms)

    def emit(self, *args: Any, target: Target | None = None) -> None:
        packet = Packet(PacketType.EVENT, self.namespace.name, list(args))
        self.adapter.broadcast(packet, target or Target())

    def close(self) -> None:
        self.adapter.close()


class Cluster:
    """Servers that know each other.

    Args:
        make: Returns what makes adapters; called once for each server.
    """

    def __init__(self, make: Callable[[], Factory]) -> None:
        self._make = make
        self._open = ExitStack()
        self.servers: list[Server] = []

    def add(self, count: int = 1) -> list[Server]:
        """Start servers and wait until they all know each other."""
        for _ in range(count):
            self.start()
        self.wait_complete()
        return self.servers

    def start(self) -> Server:
        """Start a server."""
        server = Server(self._make())
        self._open.callback(server.close)
        self.servers.append(server)
        server.adapter.start()
        return server

    def wait_complete(self) -> None:
        for server in self.servers:
            wait_for(lambda: self._is_complete(server), what="a complete cluster")  # noqa: B023
        # Broadcasts may take other ways than what is counted: each is seen once by all.
        for number, server in enumerate(self.servers):
            self._probe(number, server)

    def _is_complete(self, server: Server) -> bool:
        try:
            return server.adapter.server_count() == len(self.servers)
        except OSError:
            return False

    def _probe(self, number: int, server: Server) -> None:
        sockets = [other.connect(f"probe-{number}") for other in self.servers]

        def reaches_all(name: str) -> bool:
            gevent.sleep(0.002)
            return all(name in socket.events for socket in sockets)

        def seen() -> bool:
            server.emit("probe")
            return reaches_all("probe")

        wait_for(seen, what="a broadcast that reaches all servers")
        # Those that are still under way come before the last.
        server.emit("last probe")
        wait_for(lambda: reaches_all("last probe"))
        for socket in sockets:
            socket.disconnect()

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def numbers(socket: FakeSocket, name: str = "n") -> list[int]:
    """The first argument of each event of a name that a socket got."""
    return [packet.data[1] for packet, _, _ in socket.delivered if packet.data[0] == name]


def held() -> tuple[int, int]:
    """How many greenlets and descriptors there are."""
    return greenlets(), descriptors()
