"""The streams adapter: what is done to sockets is an entry, questions go by pub/sub."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.adapters.redis.streams import RedisStreamsAdapter
from flask_realtime.adapters.wire.streams import is_offset
from flask_realtime.options import RecoveryOptions
from flask_realtime.testing.pytest.bus_contract import BusContract
from tests.adapters.redis_contract import RedisContract, RedisVariant
from tests.adapters.redis_world import Cluster, Factory, Server, numbers, to, wait_for
from tests.redis_server import RedisServer


class TestStreams(RedisContract, BusContract):
    keeps = True

    def factory(self, server: RedisServer, timeout: float) -> Factory:
        return RedisStreamsAdapter(server.url, requests_timeout=timeout, block_time=0.5)

    def test_a_server_begins_at_the_end_of_the_stream(
        self, redis_server: RedisServer, clusters: Callable[..., Cluster]
    ) -> None:
        cluster = clusters()
        (one,) = cluster.add(1)
        one.emit("n", 1)
        wait_for(lambda: one.adapter.stats()["queued_bytes"] == 0)
        late = cluster.start()
        there = late.connect("b")
        cluster.wait_complete()
        one.emit("n", 2)
        wait_for(lambda: numbers(there) == [2])

    def test_nothing_is_missed_while_a_server_is_cut_off(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, two = pair
        there = two.connect("b")
        for number in range(300):
            one.emit("n", number)
            if number % 60 == 30:
                wait_for(lambda: one.adapter.stats()["queued_bytes"] == 0)
                redis_server.kill_clients("normal")
        wait_for(lambda: len(numbers(there)) == 300)
        assert numbers(there) == list(range(300))

    def test_malformed_entries_are_counted_and_the_next_are_read(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, two = pair
        there, add = two.connect("b"), redis_server.client.xadd
        for fields in (
            {"nsp": "/", "uid": "x", "type": "3", "data": "{"},
            {"nsp": "/", "uid": "x", "type": "three", "data": "{}"},
            {"nsp": "/", "uid": "x", "type": "3", "data": "not base64!"},
            {"nsp": "/", "uid": "x"},
        ):
            add("socket.io", fields)
        add("socket.io", {"nsp": "/other", "uid": "x", "type": "3", "data": "{"})
        add("socket.io", {"something": "else"})
        redis_server.client.publish("socket.io#/#", b"\xc1")
        one.emit("n", 1)
        wait_for(lambda: numbers(there) == [1])
        wait_for(lambda: two.adapter.stats()["malformed"] == 5)

    def test_a_stream_keeps_about_as_much_as_it_should(
        self, redis_server: RedisServer, make_server: Callable[..., Server]
    ) -> None:
        server = make_server(RedisStreamsAdapter(redis_server.url, max_len=100))
        server.adapter.start()
        for number in range(1000):
            server.emit("n", number)
        wait_for(lambda: server.adapter.stats()["published"] == 1000)
        # Redis trims whole nodes of its tree, of 100 entries each.
        assert 100 <= redis_server.client.xlen("socket.io") <= 200

    def recovering(self, redis_server: RedisServer) -> Factory:
        make = self.factory(redis_server, 5)

        def with_recovery(namespace: Any) -> Any:
            adapter = make(namespace)
            adapter.enable_recovery(RecoveryOptions(), time.monotonic)
            return adapter

        return with_recovery

    def test_answers_go_on_while_recovery_is_on(
        self, redis_server: RedisServer, clusters: Callable[..., Cluster]
    ) -> None:
        with Cluster(lambda: self.recovering(redis_server)) as cluster:
            one, two = cluster.add(2)
            here, there = one.connect("a"), two.connect("b")
            for number in range(100):
                (one, two)[number % 2].emit("n", number)
            wait_for(lambda: len(numbers(here)) == len(numbers(there)) == 100)
            # All servers deliver in one order.
            assert numbers(here) == numbers(there) == list(range(100))
            assert len(one.adapter.fetch_sockets(to())) == 2

    def test_what_a_listener_emits_in_the_middle_of_a_request_has_its_offset(
        self, redis_server: RedisServer, clusters: Callable[..., Cluster]
    ) -> None:
        with Cluster(lambda: self.recovering(redis_server)) as cluster:
            one, two = cluster.add(2)
            there = two.connect("b")
            two.adapter.on("join-room", lambda room, sid: two.emit("joined"))
            one.adapter.add_sockets(to("b"), ["new"])
            wait_for(lambda: "joined" in there.events)
            texts = [message.text or b"" for _, message, _ in there.delivered]
            (joined,) = (text for text in texts if text.startswith(b'2["joined"'))
            assert is_offset(json.loads(joined[1:])[1])


class TestManyStreams(RedisVariant):
    def factory(self, server: RedisServer, timeout: float) -> Factory:
        return RedisStreamsAdapter(
            server.url,
            stream_name="many",
            stream_count=4,
            use_sharded_pubsub=True,
            requests_timeout=timeout,
            block_time=0.5,
        )

    def test_namespaces_have_streams_and_share_them(
        self, redis_server: RedisServer, make_server: Callable[..., Server]
    ) -> None:
        names = ["/", "/chat", "/news", "/admin", "/a", "/b"]
        fleets = [
            [make_server(factory, name) for name in names]
            for factory in (self.factory(redis_server, 5) for _ in range(2))
        ]
        for server in (*fleets[0], *fleets[1]):
            server.adapter.start()
        for server in (*fleets[0], *fleets[1]):
            wait_for(lambda: self.answers(server, 2))  # noqa: B023
        sockets = [server.connect("x") for server in fleets[1]]
        for server, socket in zip(fleets[0], sockets, strict=True):
            wait_for(lambda: self.reaches(server, socket, "x"))  # noqa: B023
        for number, server in enumerate(fleets[0]):
            server.emit("n", number)
        for number, socket in enumerate(sockets):
            wait_for(lambda: numbers(socket))  # noqa: B023
            assert numbers(socket) == [number]
        streams = sorted(name.decode() for name in redis_server.client.keys("many-*"))
        assert set(streams) <= {"many-0", "many-1", "many-2", "many-3"}
        assert len(streams) > 1


def test_a_namespace_that_node_servers_cannot_read_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make = RedisStreamsAdapter("redis://", stream_count=4)
    for name in ("/", "/chat", "/notifications"):
        Server(make, name)
    (record,) = caplog.records
    assert "/notifications with 4 streams" in record.getMessage()
    Server(RedisStreamsAdapter("redis://"), "/notifications")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["stream_count", "max_len", "read_count", "block_time"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_number_out_of_range_is_refused(name: str, value: int) -> None:
    options: Any = {name: value}
    with pytest.raises(ValueError, match=name):
        RedisStreamsAdapter("redis://", **options)
