"""The sharded adapter: rooms may have channels of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from redis.cluster import RedisCluster as ClusterClient

from flask_realtime.adapters.redis.sharded import ShardedRedisAdapter
from flask_realtime.testing.fakes import FakeNamespace
from flask_realtime.testing.pytest.bus_contract import BusContract
from flask_realtime.testing.pytest.crowd import C, Crowd, MakeCluster, hear_each_other
from tests.adapters.redis_contract import RedisContract, RedisVariant
from tests.adapters.redis_world import Cluster, Factory, Server, event, numbers, to, wait_for
from tests.redis_server import RedisCluster, RedisServer

SID = "a-sid-of-20-letters!"


def subscribed(server: RedisServer) -> list[str]:
    """The rooms whose channels have subscribers."""
    names = [name.decode() for name in server.client.execute_command("PUBSUB", "SHARDCHANNELS")]
    rooms = [name.removeprefix("socket.io#/#").removesuffix("#") for name in names]
    return sorted(room for room in rooms if room and len(room) != 16)


class Rooms(RedisVariant):
    """What each mode does with rooms."""

    mode: Any = "dynamic"

    def factory(self, server: RedisServer, timeout: float) -> Factory:
        return ShardedRedisAdapter(
            server.url, subscription_mode=self.mode, requests_timeout=timeout
        )

    #: Which of the rooms of a socket have channels.
    channels: tuple[str, ...] = ("a room of twenty char", "red")

    def test_rooms_have_channels_as_long_as_they_have_members(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, two = pair
        one.connect(SID, "red", "a room of twenty char")
        socket = two.connect("x" * 20, "red", "r" * 20)
        private = {"x" * 20, "r" * 20} if SID in self.channels else set()
        expected = sorted({*self.channels} | private)
        wait_for(lambda: subscribed(redis_server) == expected)
        socket.disconnect()
        wait_for(lambda: subscribed(redis_server) == sorted(self.channels))
        one.namespace.sockets[SID].disconnect()
        wait_for(lambda: subscribed(redis_server) == [])

    def test_rooms_from_before_the_start_have_them_too(
        self,
        redis_server: RedisServer,
        clusters: Callable[..., Cluster],
        make_server: Callable[..., Server],
    ) -> None:
        (other,) = clusters().add(1)
        early = make_server()
        socket = early.connect("x" * 20, "red")
        early.connect("y" * 20, "gone").disconnect()
        early.adapter.start()
        wait_for(lambda: self.reaches(other, socket, "red"))
        wait_for(lambda: self.reaches(other, socket, "x" * 20))
        assert "gone" not in subscribed(redis_server)

    @pytest.mark.parametrize("room", ["red", "x" * 20, "r" * 20, "é", "a#b", " "])
    def test_a_room_is_reached_whatever_its_name(self, pair: list[Server], room: str) -> None:
        one, two = pair
        there = two.connect("x" * 20, room)
        wait_for(lambda: self.reaches(one, there, room))
        one.emit("n", 1, target=to(room))
        one.emit("n", 2, target=to(room, "other"))
        wait_for(lambda: len(numbers(there)) == 2)
        assert sorted(numbers(there)) == [1, 2]

    def test_a_namespace_named_like_the_channel_of_a_room_keeps_its_own(
        self, redis_server: RedisServer, make_server: Callable[..., Server]
    ) -> None:
        """Clients may name both: "/#red" has the channel that the room "red" of "/" has."""
        first, second = (self.factory(redis_server, 5) for _ in range(2))
        made = [make_server(one, name) for one in (first, second) for name in ("/", "/#red")]
        here, here_too, there, there_too = made
        for server in made:
            server.adapter.start()
        for server in made:
            wait_for(lambda: self.answers(server, 2))  # noqa: B023
        member, other = there.connect("x" * 20, "red"), there_too.connect("y" * 20)
        wait_for(lambda: self.reaches(here, member, "red"))
        here_too.emit("n", 1)
        here.emit("n", 2, target=to("red"))
        wait_for(lambda: numbers(other) == [1] and numbers(member) == [2])
        member.disconnect()
        gevent.sleep(0.02)
        assert self.answers(here_too, 2)
        here_too.emit("n", 3)
        wait_for(lambda: numbers(other) == [1, 3])


class TestDynamic(Rooms, RedisContract, BusContract):
    def test_what_happens_to_sockets_and_what_is_sent_to_them_keeps_its_order(
        self, crowd: Crowd
    ) -> None:
        """But for rooms that have channels and no member yet: those are heard a moment later."""
        crowd.adapter.add_sockets(to("blue"), ["new"])
        crowd.heard()
        hear_each_other(crowd.servers)
        crowd.adapter.broadcast(event("joined"), to("new"))
        crowd.adapter.del_sockets(to(C), ["new"])
        crowd.adapter.broadcast(event("left"), to("new"))
        wait_for(lambda: "left" in crowd.sockets[1].events)
        assert crowd.sockets[1].events[-2:] == ["joined", "left"]
        assert "left" not in crowd.sockets[2].events


class TestStatic(Rooms):
    mode = "static"
    channels = ()


class TestDynamicPrivate(Rooms):
    mode = "dynamic-private"
    channels = ("a room of twenty char", SID, "red")


@pytest.mark.parametrize("mode", ["dynamic", "static"])
class TestOnARedisCluster(RedisVariant):
    """Rooms have channels on all nodes; between those there is no order."""

    @pytest.fixture
    def make_cluster(
        self, redis_nodes: RedisCluster, mode: Any, quiet_hub: object
    ) -> Iterator[MakeCluster]:
        with ExitStack() as stack:

            def make(count: int, timeout: float = 5) -> list[FakeNamespace]:
                def factory() -> Factory:
                    client = ClusterClient(host="127.0.0.1", port=redis_nodes.servers[0].port)
                    stack.callback(client.close)
                    return ShardedRedisAdapter(client, subscription_mode=mode)

                cluster = stack.enter_context(Cluster(factory))
                return [server.namespace for server in cluster.add(count)]

            yield make


def test_an_unknown_mode_is_refused() -> None:
    mode: Any = "some"
    with pytest.raises(ValueError, match="dynamic, static, dynamic-private"):
        ShardedRedisAdapter("redis://", subscription_mode=mode)
