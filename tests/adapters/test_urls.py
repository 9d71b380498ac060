"""Adapters by address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.adapters.base import Adapter, AdapterFactory
from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.adapters.memory import MemoryAdapter
from flask_realtime.adapters.redis.classic import RedisAdapter
from flask_realtime.adapters.redis.sharded import ShardedRedisAdapter
from flask_realtime.adapters.redis.streams import RedisStreamsAdapter
from flask_realtime.adapters.urls import adapter_factory
from flask_realtime.testing.fakes import FakeNamespace


def test_nothing_means_memory() -> None:
    assert adapter_factory(None) is MemoryAdapter


def test_a_factory_is_what_it_is() -> None:
    def factory(namespace: Any) -> Any:
        return MemoryAdapter(namespace)

    assert adapter_factory(factory) is factory


@pytest.mark.parametrize("kind", [RedisAdapter, ShardedRedisAdapter, RedisStreamsAdapter])
def test_what_is_named_after_redis_is_a_factory_of_adapters(
    kind: Callable[[str], AdapterFactory],
) -> None:
    factory = kind("redis://localhost:1")
    assert not isinstance(factory, Adapter)
    assert adapter_factory(factory) is factory
    one, other = (factory(FakeNamespace(name)) for name in ("/", "/chat"))
    assert isinstance(one, ClusterAdapter)
    assert one is not other
    for adapter in (one, other):
        adapter.close()


def test_an_address_names_its_adapter() -> None:
    """In a process of its own: these adapters need gevent's sockets."""
    source = """
from gevent import monkey; monkey.patch_all()
from flask_realtime.adapters.urls import adapter_factory
for scheme in ("redis", "rediss", "unix"):
    rest = "/run/redis.sock" if scheme == "unix" else "user:secret@localhost:6390/2"
    for variant in ("", "+sharded", "+streams"):
        print(scheme + variant, type(adapter_factory(f"{scheme}{variant}://{rest}")).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{scheme}{variant} {name}"
        for scheme in ("redis", "rediss", "unix")
        for variant, name in (
            ("", "RedisAdapter"),
            ("+sharded", "ShardedRedisAdapter"),
            ("+streams", "RedisStreamsAdapter"),
        )
    ]


@pytest.mark.parametrize(
    "url",
    ["", "redis", "localhost:6379", "http://localhost", "redis+queue://localhost",
     "amqp+streams://localhost", "REDIS://localhost"],
)  # fmt: skip
def test_what_names_no_adapter_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use redis://"):
        adapter_factory(url)


@pytest.mark.parametrize("url", ["amqp://user:secret@host/", "user:secret@host"])
def test_an_error_keeps_the_password_to_itself(url: str) -> None:
    with pytest.raises(ValueError, match="no adapter") as caught:
        adapter_factory(url)
    assert "secret" not in str(caught.value)
