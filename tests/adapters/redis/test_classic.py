"""The classic adapter: one pattern for broadcasts, requests and responses beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_realtime.adapters.redis.classic import RedisAdapter
from flask_realtime.adapters.wire.values import pack
from flask_realtime.testing.pytest.bus_contract import BusContract
from tests.adapters.redis_contract import RedisContract, RedisVariant
from tests.adapters.redis_world import Cluster, Factory, Server, numbers, to, wait_for
from tests.redis_server import RedisServer


class TestClassic(RedisContract, BusContract):
    def factory(self, server: RedisServer, timeout: float) -> Factory:
        return RedisAdapter(server.url, requests_timeout=timeout)

    def test_what_is_for_a_room_without_members_here_is_not_decoded(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, two = pair
        before = two.adapter.stats()["malformed"]
        redis_server.client.publish("socket.io#/#empty#", b"\xc1 not MessagePack")
        two.connect("b", "full")
        redis_server.client.publish("socket.io#/#full#", b"\xc1 not MessagePack")
        wait_for(lambda: two.adapter.stats()["malformed"] > before)
        assert two.adapter.stats()["malformed"] == before + 1
        assert one.adapter.stats()["malformed"] == 0

    def test_namespaces_whose_names_begin_alike_are_apart(
        self, redis_server: RedisServer, make_server: Callable[..., Server]
    ) -> None:
        names = ["/", "/a", "/a#b", "/*"]
        here, there = (self.factory(redis_server, 5) for _ in range(2))
        servers = [make_server(here, name) for name in names]
        others = [make_server(there, name) for name in names]
        for server in (*servers, *others):
            server.adapter.start()
        for server in (*servers, *others):
            wait_for(lambda: self.answers(server, 2))  # noqa: B023
        sockets = [server.connect("x", "room") for server in servers]
        for place, other in enumerate(others):
            for target in (to(), to("room")):
                other.emit("n", place, target=target)
        for place, socket in enumerate(sockets):
            wait_for(lambda: len(numbers(socket)) == 2)  # noqa: B023
            assert numbers(socket) == [place] * 2

    def test_malformed_messages_are_counted(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, two = pair
        publish = redis_server.client.publish
        for channel in ("socket.io#/#", "socket.io-request#/#", "socket.io-response#/#"):
            for payload in (b"", b"{", b"\xc1", b'{"type":99}', pack(["x"]), pack({"type": "x"})):
                publish(channel, payload)
        there = two.connect("b")
        one.emit("n", 1)
        wait_for(lambda: numbers(there))
        assert one.adapter.stats()["malformed"] >= 5
        assert [item.id for item in one.adapter.fetch_sockets(to())] == ["b"]


class TestClassicWithAnswersOfTheirOwn(RedisVariant):
    """Answers go to the server that has asked, on its own channel."""

    def factory(self, server: RedisServer, timeout: float) -> Factory:
        return RedisAdapter(
            server.url,
            key="key",
            requests_timeout=timeout,
            publish_on_specific_response_channel=True,
        )


def test_a_client_instead_of_a_url_serves_as_well(redis_server: RedisServer) -> None:
    with Cluster(lambda: RedisAdapter(redis_server.client)) as cluster:
        one, two = cluster.add(2)
        there = two.connect("b")
        one.emit("n", 1)
        wait_for(lambda: numbers(there) == [1])


@pytest.mark.parametrize("url", ["http://x", ""])
def test_a_malformed_url_raises_where_the_adapter_is_made(url: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisAdapter(url)
