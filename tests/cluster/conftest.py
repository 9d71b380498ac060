"""One Redis for the run, one cluster for each adapter, one scene for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster, Clusters
from tests.cluster.matrix import FAMILIES, MEMBERS, PAIRS, Family, pair_name
from tests.cluster.scene import Scene, scene_of
from tests.processes import node_package
from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis that nobody stops."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def npm_adapters() -> None:
    """The packages of Node's servers; their absence is a failure."""
    for name in ("redis", "socket.io", "@socket.io/redis-adapter"):
        node_package(name)


@pytest.fixture(scope="session", params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    """The adapter; pytest runs all tests of one before those of the next."""
    chosen: Family = request.param
    return chosen


@pytest.fixture(scope="session")
def clusters(redis: RedisServer, npm_adapters: None) -> Iterator[Clusters]:
    with Clusters(MEMBERS, redis) as running:
        yield running


@pytest.fixture
def cluster(clusters: Clusters, family: Family) -> Cluster:
    return clusters.get(family)


@pytest.fixture(params=PAIRS, ids=pair_name)
def scene(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Every ordered pair of an acting and an observing server."""
    yield from scene_of(cluster, *request.param)


@pytest.fixture
def first_acts(cluster: Cluster) -> Iterator[Scene]:
    """The first server acts and the last one observes, for what need not be tried in pairs."""
    yield from scene_of(cluster, 0, len(MEMBERS) - 1)
