"""Redis is absent, stops, loses its connections, pauses; the servers go on, and heal.

A cluster of each family suffers each fault at the same time, on one Redis.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.cluster.client import Client
from tests.cluster.cluster import Cluster
from tests.cluster.matrix import MEMBERS, Family
from tests.cluster.member import Member
from tests.processes import eventually
from tests.redis_server import RedisServer

# Names of their own: the three share a Redis.
FAMILIES = (
    Family("classic", "classic", {"key": "one", "requests_timeout": 2}, waits=False),
    Family("sharded", "sharded", {"channel_prefix": "two"}, room_channels="public"),
    Family("streams", "streams", {"channel_prefix": "three", "stream_name": "three"}),
)
PROMPT = 2.0  # seconds that local traffic may take, whatever Redis does
HEALED = 15.0  # seconds that a cluster may take to be whole again
PAUSE = 10.0  # seconds


class Pair:
    """Two servers with a client each, and what passes between them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.family = cluster.family
        self.acting: Member = cluster.members[0]
        self.observing: Member = cluster.members[1]
        self.here: Client = cluster.client(self.acting)
        self.there: Client = cluster.client(self.observing)
        self._probes = itertools.count()
        self._numbers = itertools.count()
        self.sent: list[int] = []

    @property
    def is_judged(self) -> bool:
        """Whether it is ours; Node's servers prove the test, and some of them wait for Redis."""
        return self.acting.kind == "python"

    @property
    def keeps_all(self) -> bool:
        return self.family.adapter == "streams"

    def send(self) -> None:
        """One numbered event from the acting server to everybody."""
        number = next(self._numbers)
        self.acting.call("emit", event="n", args=[number], within=PROMPT)
        self.sent.append(number)

    def local_traffic_goes_on(self) -> None:
        if not self.is_judged and self.family.waits:
            return
        began = time.monotonic()
        self.send()
        self.here.expect("n", self.sent[-1], within=PROMPT)
        self.acting.call("join", flags={"local": True}, rooms=["lobby"], within=PROMPT)
        assert time.monotonic() - began < PROMPT, f"{self.family} was held up"

    def unsent(self) -> int:
        return int(self.acting.call("stats").get("adapter_unsent", 0))

    def heals(self) -> None:
        """Wait until events pass in both directions; then everything works."""
        for server, client in ((self.acting, self.there), (self.observing, self.here)):
            eventually(
                lambda: self._passes(server, client),  # noqa: B023
                within=HEALED,
                what=f"a healed {self.family}; {server.report()}",
            )
        self.cluster.wait_complete(within=HEALED)
        found = self.acting.call("fetch")
        assert {socket["id"] for socket in found} == {self.here.sid, self.there.sid}

    def _passes(self, server: Member, client: Client) -> bool:
        probe = next(self._probes)
        server.call("emit", event="probe", args=[probe], within=PROMPT)
        deadline = time.monotonic() + 0.3
        while [probe] not in client.named("probe"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def nothing_is_lost(self) -> None:
        """Every event has arrived, in order; those whose end was in doubt perhaps twice."""
        self.send()
        self.there.expect("n", self.sent[-1], within=HEALED)
        received = [number for (number,) in self.there.named("n")]
        if self.is_judged:
            assert list(dict.fromkeys(received)) == self.sent
            assert len(received) - len(self.sent) < 20, "not in doubt, but repeated"


@contextmanager
def fleet_on(redis: RedisServer, *, forms: bool = True) -> Iterator[list[Pair]]:
    with ExitStack() as stack:
        clusters = [Cluster(family, MEMBERS[:2], redis, forms=forms) for family in FAMILIES]
        for cluster in clusters:
            stack.enter_context(cluster)
        yield [Pair(cluster) for cluster in clusters]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis that keeps its streams over a restart."""
    with RedisServer(keeps=True) as server:
        yield server


@pytest.fixture(scope="module")
def running(own_redis: RedisServer) -> Iterator[list[Pair]]:
    with fleet_on(own_redis) as pairs:
        yield pairs


@pytest.fixture
def fleet(running: list[Pair]) -> list[Pair]:
    """The three clusters, whole again after what the test before has done to them."""
    for pair in running:
        pair.heals()
    return running


@contextmanager
def traffic(fleet: list[Pair], pause: float = 0.01) -> Iterator[None]:
    """Events go on while something happens."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def send() -> None:
        try:
            while not stop.wait(pause):
                for pair in fleet:
                    pair.send()
        except AssertionError as error:
            failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures, failures


def test_redis_may_be_absent_at_the_start() -> None:
    with (
        RedisServer(keeps=True, starts=False) as redis,
        fleet_on(redis, forms=False) as fleet,
    ):
        for pair in fleet:
            pair.local_traffic_goes_on()
        redis.start()
        for pair in fleet:
            if pair.is_judged:  # Node's client loses subscriptions that it was told to make then
                pair.heals()


def test_redis_stops_and_starts_again(fleet: list[Pair], own_redis: RedisServer) -> None:
    unsent = {pair: pair.unsent() for pair in fleet}
    first = {pair: len(pair.sent) for pair in fleet}
    own_redis.stop()
    for pair in fleet:
        pair.local_traffic_goes_on()
        for _ in range(10):
            pair.send()
    own_redis.start()
    for pair in fleet:
        pair.heals()
        if pair.keeps_all:
            pair.nothing_is_lost()
        elif pair.is_judged:
            during = pair.sent[first[pair] :]
            arrived = [number for (number,) in pair.there.named("n") if number in during]
            assert len(arrived) + pair.unsent() - unsent[pair] >= len(during)


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
def test_redis_closes_the_connections(fleet: list[Pair], own_redis: RedisServer, kind: str) -> None:
    with traffic(fleet):
        for _ in range(3):
            eventually(lambda: own_redis.kill_clients(kind), what="connections to close")
            time.sleep(0.1)  # for events while the servers reconnect
    for pair in fleet:
        pair.local_traffic_goes_on()
        pair.heals()
        if pair.keeps_all:
            pair.nothing_is_lost()


def test_redis_pauses_for_ten_seconds(fleet: list[Pair], own_redis: RedisServer) -> None:
    own_redis.pause()
    try:
        until = time.monotonic() + PAUSE
        while time.monotonic() < until:
            for pair in fleet:
                pair.local_traffic_goes_on()
            time.sleep(0.25)
    finally:
        own_redis.resume()
    for pair in fleet:
        pair.heals()
        if pair.keeps_all:
            pair.nothing_is_lost()


def test_redis_restarts_under_traffic(fleet: list[Pair], own_redis: RedisServer) -> None:
    with traffic(fleet):
        own_redis.restart()
    for pair in fleet:
        pair.heals()
        if pair.keeps_all:
            pair.nothing_is_lost()


def everything_works(pair: Pair) -> None:
    event = "after all"
    for member in pair.cluster.members:
        member.call("listen", event=event, answer=1)
    assert pair.acting.call("server_side_emit_ack", event=event, args=[]) == [1]


def test_requests_work_after_a_restart(fleet: list[Pair], own_redis: RedisServer) -> None:
    own_redis.restart()
    for pair in fleet:
        pair.heals()
        everything_works(pair)
