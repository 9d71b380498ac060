from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisCluster, RedisServer

# The suites that adapters share have their assertions outside of test files.
for name in ("contract", "bus_contract", "redis_contract", "together"):
    pytest.register_assert_rewrite(f"tests.adapters.{name}")


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """A Redis that keeps what it holds over a restart."""
    with RedisServer(keeps=True) as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis that runs; a test may stop, restart and pause it."""
    if not shared_redis.is_running:
        shared_redis.start()
    shared_redis.resume()
    shared_redis.client.flushall()
    shared_redis.client.config_set("maxmemory", 0)
    return shared_redis


@pytest.fixture(scope="session")
def redis_nodes() -> Iterator[RedisCluster]:
    """Three servers that form a Redis Cluster."""
    with RedisCluster() as running:
        yield running
