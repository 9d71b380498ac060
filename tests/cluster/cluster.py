"""Servers that form one cluster through Redis, and their clients."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from tests.cluster.client import Client
from tests.cluster.matrix import Family
from tests.cluster.member import Member, Refused
from tests.processes import eventually
from tests.redis_server import RedisServer

COMPLETE = 20.0
SETTLING = "/settling"


class Redis(Protocol):
    """One Redis server, or several that form a Redis Cluster."""

    @property
    def urls(self) -> list[str]:
        """Where the servers connect to."""

    def sharded_subscribers(self, channel: str) -> int:
        """How many subscriptions a sharded channel has."""

    def blocked_clients(self) -> int:
        """How many connections wait for entries of a stream."""


def counted(member: Member, nsp: str) -> int:
    """How many servers a server counts; none while it is not connected to Redis."""
    try:
        found: int = member.call("server_count", nsp=nsp)
    except Refused:
        return 0
    return found


class Cluster:
    """Servers with one adapter on one Redis.

    Args:
        family: The adapter.
        kinds: A server of each of these kinds, in this order.
        redis: What they share.
        recovery: Seconds for which connections can be recovered.
        forms: Whether to wait until all servers know each other.
        settings: For each server: ``cookie``.
    """

    def __init__(
        self,
        family: Family,
        kinds: Sequence[str],
        redis: Redis,
        *,
        recovery: float | None = None,
        forms: bool = True,
        **settings: Any,
    ) -> None:
        self.family = family
        self.redis = redis
        self.recovery = recovery
        self.members: list[Member] = []
        self._settings = settings
        self._clients: list[Client] = []
        self._listeners: dict[Member, Client] = {}
        self._settled = itertools.count()
        try:
            for kind in kinds:
                self.members.append(self._start(kind))
            for member in self.members:
                member.wait_listening()
            if forms:
                self.wait_complete()
        except BaseException:
            self.reap()
            raise

    def _start(self, kind: str) -> Member:
        settings = {
            "adapter": self.family.adapter,
            "redis": self.redis.urls,
            "cluster": len(self.redis.urls) > 1,
            "options": self.family.options_for(kind),
            "recovery": self.recovery,
            **self._settings,
        }
        return Member(kind, settings)

    def add(self, kind: str) -> Member:
        """One more server, which everybody knows when this returns."""
        member = self._start(kind)
        self.members.append(member)
        member.wait_listening()
        self.wait_complete()
        return member

    def remove(self, member: Member) -> None:
        """A server has left, or is made to; returns when nobody counts it any more."""
        self.members.remove(member)
        member.reap()
        if member in self._listeners:
            self._listeners.pop(member).close()
        self.wait_complete()

    # Waiting

    def wait_complete(self, nsp: str = "/", within: float = COMPLETE) -> None:
        """Wait until every server counts every other, and listens."""
        size = len(self.members)
        for member in self.members:
            eventually(
                lambda: counted(member, nsp) == size,  # noqa: B023
                within=within,
                what=f"a cluster of {size} for {member!r} in {nsp}",
            )
        if self.family.adapter == "streams":
            # A server reads from the moment on at which it waits for the first time.
            # Node's reads all streams, ours those of its namespaces.
            streams = int(self.family.options.get("stream_count", 1))
            readers = sum(streams if item.kind == "node" else 1 for item in self.members)
            eventually(
                lambda: self.redis.blocked_clients() >= readers,
                within=within,
                what=f"{readers} readers of the stream",
            )

    def wait_rooms(self, nsp: str = "/") -> None:
        """Wait until the rooms' own channels have all their subscribers."""
        if self.family.room_channels == "no":
            return
        holders: dict[str, int] = {}
        for member in self.members:
            for room in self._channelled(member.call("rooms", nsp=nsp)):
                holders[room] = holders.get(room, 0) + 1
        for room, count in holders.items():
            channel = f"{self.family.prefix}#{nsp}#{room}#"
            eventually(
                lambda: self.redis.sharded_subscribers(channel) >= count,  # noqa: B023
                what=f"{count} subscribers of {channel}",
            )

    def _channelled(self, rooms: Mapping[str, Iterable[str]]) -> set[str]:
        found = {room for each in rooms.values() for room in each}
        if self.family.room_channels == "all":
            return found
        # Nothing is sent to the channel of a room that may be a socket's: ours have none.
        return {room for room in found - rooms.keys() if len(room) != 20}

    def open_namespace(self, nsp: str) -> str:
        """Make a namespace on every server; they know each other in it when this returns."""
        for member in self.members:
            member.call("of", nsp=nsp)
        self.wait_complete(nsp)
        return nsp

    # Clients

    def client(
        self,
        member: Member,
        rooms: Iterable[str] = (),
        nsp: str = "/",
        answers: Mapping[str, Any] | None = None,
        **auth: Any,
    ) -> Client:
        """A client of one server, in its rooms and ready to receive."""
        client = Client(member.ws_url, nsp, {"rooms": list(rooms), **auth}, answers)
        self._clients.append(client)
        client.wait_ready()
        self.wait_rooms(nsp)
        return client

    def settle(self) -> None:
        """Wait until every server has handled all that any of them has sent.

        A namespace of its own shares the connections with the others, and so the order.
        """
        if self._listeners.keys() != set(self.members):
            self.open_namespace(SETTLING)
            for member in set(self.members) - self._listeners.keys():
                self._listeners[member] = Client(member.ws_url, SETTLING)
                self._listeners[member].wait_ready()
        number = next(self._settled)
        for member in self.members:
            member.call("emit", nsp=SETTLING, event="settled", args=[number, member.port])
        for listener in (self._listeners[member] for member in self.members):
            for member in self.members:
                listener.expect("settled", number, member.port)

    def release_clients(self, *namespaces: str) -> None:
        """Drop the clients; every server has noticed, and nothing is under way any more."""
        self.settle()
        clients, self._clients = self._clients, []
        for client in clients:
            client.close()
        for member in self.members:
            for nsp in ("/", *namespaces):
                eventually(
                    lambda: not member.call("rooms", nsp=nsp),  # noqa: B023
                    what=f"an empty {nsp} on {member!r}",
                )

    # The end

    def stop(self) -> None:
        """End every server as an operator would."""
        try:
            for client in (*self._clients, *self._listeners.values()):
                client.close()
            for member in self.members:
                member.request_end()
            for member in self.members:
                member.stop()
        finally:
            self.reap()

    def reap(self) -> None:
        for member in self.members:
            member.reap()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.reap()


class Clusters:
    """One cluster at a time on one Redis; a test gets the present one if it is the right one.

    Two at a time would hear each other: their channels have the same names.
    """

    def __init__(self, kinds: Sequence[str], redis: RedisServer) -> None:
        self._kinds = kinds
        self._redis = redis
        self._key: tuple[str, float | None] | None = None
        self._cluster: Cluster | None = None

    def get(self, family: Family, recovery: float | None = None) -> Cluster:
        """The cluster of a family, in which connections can be recovered for some seconds."""
        if self._cluster is None or self._key != (family.name, recovery):
            self.stop()
            self._redis.client.flushall()
            self._cluster = Cluster(family, self._kinds, self._redis, recovery=recovery)
            self._key = (family.name, recovery)
        return self._cluster

    def stop(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.stop()

    def __enter__(self) -> Clusters:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
