from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from gevent import monkey

from tests.redis_server import RedisCluster, RedisServer

# The suites that adapters share have their assertions outside of test files.
pytest.register_assert_rewrite("flask_realtime.testing.pytest", "tests.adapters.redis_contract")


PATCHED: dict[str, Any] = {"socket": monkey.patch_socket, "select": monkey.patch_select}


@pytest.fixture(scope="package", autouse=True)
def gevent_sockets() -> Iterator[None]:
    """The sockets of gevent, as applications with Redis have them, for these tests alone."""
    for patch in PATCHED.values():
        patch()
    yield
    saved: dict[str, dict[str, Any]] = vars(monkey)["saved"]
    for name in PATCHED:
        module = importlib.import_module(name)
        for attribute, original in saved.pop(name).items():
            setattr(module, attribute, original)
    assert not monkey.is_module_patched("socket")


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """A Redis that keeps what it holds over a restart."""
    with RedisServer(keeps=True) as server:
        yield server


@pytest.fixture(scope="session")
def calm_redis() -> Iterator[RedisServer]:
    """A Redis that no test stops, pauses or empties."""
    with RedisServer() as server:
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
