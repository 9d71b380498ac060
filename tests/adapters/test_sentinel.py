"""Behind a Sentinel: the master dies, a replica takes over, and the servers follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
from redis.sentinel import Sentinel

from flask_realtime.adapters.redis.classic import RedisAdapter
from flask_realtime.adapters.redis.sharded import ShardedRedisAdapter
from flask_realtime.adapters.redis.streams import RedisStreamsAdapter
from tests.adapters.redis_world import Cluster, numbers, to, wait_for
from tests.processes import free_port
from tests.redis_server import RedisProcess, RedisServer, redis_server

pytestmark = pytest.mark.usefixtures("quiet_hub")

KINDS = (RedisAdapter, ShardedRedisAdapter, RedisStreamsAdapter)


class Watched:
    """A master with a replica, and a Sentinel that decides soon."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.master = stack.enter_context(RedisServer())
        options = (
            "--replicaof",
            f"127.0.0.1 {self.master.port}",
            "--repl-diskless-sync-delay",
            "0",
        )
        self.replica = stack.enter_context(RedisServer(*options))
        wait_for(lambda: self.replica.client.info("replication")["master_link_status"] == "up")
        port, config = free_port(), folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor main 127.0.0.1 {self.master.port} 1\n"
            "sentinel down-after-milliseconds main 300\n"
        )
        stack.enter_context(RedisProcess([redis_server(), str(config), "--sentinel"]))
        self._address: Any = ("127.0.0.1", port)
        asking = redis.Redis(port=port)
        stack.callback(asking.close)
        wait_for(lambda: self._knows_the_replica(asking))

    @staticmethod
    def _knows_the_replica(asking: Any) -> bool:
        try:
            return bool(asking.sentinel_slaves("main"))
        except redis.RedisError:
            return False

    def client(self) -> Any:
        kind: Any = Sentinel
        return kind([self._address]).master_for("main")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        yield Watched(stack, tmp_path)


def test_the_servers_follow_to_the_replica(watched: Watched) -> None:
    """All three adapters at once: they share the failover."""
    with ExitStack() as stack:
        clusters = [
            stack.enter_context(Cluster(lambda kind=kind: kind(watched.client())))  # type: ignore[misc]
            for kind in KINDS
        ]
        pairs = [cluster.add(2) for cluster in clusters]
        sockets = [(here.connect("here"), there.connect("there")) for here, there in pairs]
        watched.master.stop()
        sent = 0
        while not all(sent - 1 in numbers(there) for _, there in sockets):
            for here, _ in pairs:
                here.emit("n", sent)
            assert all(numbers(socket)[-1] == sent for socket, _ in sockets), "local is immediate"
            sent += 1
            gevent.sleep(0.02)
            assert sent < 1500, [numbers(there) for _, there in sockets]
        for kind, (here, there), (_, socket) in zip(KINDS, pairs, sockets, strict=True):
            received = numbers(socket)
            assert received == sorted(set(received)), "in order, and nothing twice"
            if kind is RedisStreamsAdapter:
                wait_for(lambda: numbers(socket) == list(range(sent)))  # noqa: B023
            else:
                assert here.adapter.stats()["unsent"] > 0
            for server in (here, there):
                wait_for(lambda: answers(server))  # noqa: B023


def answers(server: Any) -> bool:
    try:
        return len(server.adapter.fetch_sockets(to())) == 2
    except OSError:
        return False
