"""What one test of the matrix sees: a server that acts, one that observes, and all others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from tests.cluster.client import Client, Event
from tests.cluster.cluster import Cluster
from tests.cluster.member import Member

_tags = itertools.count(1)
MARKER = "that was all"


class Scene:
    """A cluster, and the servers of it that a test is about.

    Attributes:
        acting: The server that is told to do something.
        observing: The server on which it has to have an effect.
        bystander: A third one.
    """

    def __init__(self, cluster: Cluster, acting: int, observing: int) -> None:
        self.cluster = cluster
        self.acting: Member = cluster.members[acting]
        self.observing: Member = cluster.members[observing]
        others = set(range(len(cluster.members))) - {acting, observing}
        self.bystander: Member = cluster.members[min(others)]
        self.tag = f"t{next(_tags)}"
        self._namespaces: list[str] = []
        self._markers = itertools.count(1)

    def room(self, name: str) -> str:
        """A room that no other test uses."""
        return f"{name}-{self.tag}"

    def namespace(self, name: str = "nsp") -> str:
        """A namespace that no other test uses, on every server."""
        self._namespaces.append(self.cluster.open_namespace(f"/{name}-{self.tag}"))
        return self._namespaces[-1]

    def client(self, member: Member, *rooms: str, **more: Any) -> Client:
        """A client of one server, in these rooms."""
        return self.cluster.client(member, rooms, **more)

    def act(self, op: str, **order: Any) -> Any:
        """Let the acting server do something."""
        return self.acting.call(op, **order)

    def start(self, op: str, **order: Any) -> Future[Any]:
        return self.acting.start(op, **order)

    def emit(self, event: str, *args: Any, **order: Any) -> None:
        self.act("emit", event=event, args=list(args), **order)

    def heard(self, *clients: Client, nsp: str = "/") -> list[list[Event]]:
        """What each client has heard when all that was sent before has arrived."""
        number = next(self._markers)
        self.emit(MARKER, number, nsp=nsp)
        for client in clients:
            client.expect(MARKER, number)
        return [[event for event in client.events() if event[0] != MARKER] for client in clients]

    def close(self) -> None:
        self.cluster.release_clients(*self._namespaces)


def scene_of(cluster: Cluster, acting: int, observing: int) -> Iterator[Scene]:
    scene = Scene(cluster, acting, observing)
    yield scene
    scene.close()
