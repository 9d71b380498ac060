"""Channels of many namespaces on one publisher and one subscriber for each node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from redis.cluster import RedisCluster as ClusterClient

from flask_realtime.adapters.redis.channels import Handler, RedisChannels
from flask_realtime.adapters.redis.link import RedisLink
from tests.adapters.redis_world import wait_for
from tests.redis_server import RedisCluster, RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")

MakeChannels = Callable[..., RedisChannels]
Heard = list[tuple[str, bytes]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def make_channels(redis_server: RedisServer) -> Iterator[MakeChannels]:
    made: list[RedisChannels] = []

    def make(client: Any = None, sharded: bool = False) -> RedisChannels:
        made.append(RedisChannels(RedisLink(client or redis_server.url), sharded))
        return made[-1]

    yield make
    redis_server.resume()
    if not redis_server.is_running:
        redis_server.start()
    for channels in made:
        channels.close()


def listen(channels: RedisChannels, heard: Heard, *names: str) -> Handler:
    def handler(*message: Any) -> None:
        heard.append(message)

    channels.listen(handler, *names)
    return handler


@pytest.mark.parametrize("sharded", [False, True])
def test_a_message_reaches_the_handler_of_its_channel_until_it_is_ignored(
    make_channels: MakeChannels, heard: Heard, sharded: bool
) -> None:
    channels, other = make_channels(sharded=sharded), list[Any]()
    handler = listen(channels, heard, "a", "é")
    listen(channels, other, "b")
    assert channels.count("a") == channels.count("é") == 1
    assert channels.count("unheard") == 0
    for number, name in enumerate(("a", "é", "b", "unheard")):
        channels.publish(name, b"%d" % number)
    wait_for(lambda: heard == [("a", b"0"), ("é", b"1")] and other == [("b", b"2")])
    channels.ignore(handler, "a", "b", "unknown")
    wait_for(lambda: channels.count("a") == 0)
    channels.publish("a", b"no")
    channels.publish("é", b"last")
    wait_for(lambda: heard[-1] == ("é", b"last"))
    assert len(heard) == 3
    assert channels.stats() == {
        "published": 6,
        "unsent": 0,
        "queued_bytes": 0,
        "received": 4,
        "malformed": 0,
        "reconnects": 0,
    }


@pytest.mark.parametrize("sharded", [False, True])
def test_a_channel_with_two_handlers_is_heard_until_both_ignore_it(
    make_channels: MakeChannels, heard: Heard, sharded: bool
) -> None:
    channels, other = make_channels(sharded=sharded), list[Any]()
    first, second = listen(channels, heard, "a"), listen(channels, other, "a")
    assert channels.count("a") == 1
    channels.publish("a", b"1")
    wait_for(lambda: heard == other == [("a", b"1")])
    channels.ignore(second, "a")
    channels.publish("a", b"2")
    wait_for(lambda: len(heard) == 2)
    assert other == [("a", b"1")]
    channels.ignore(first, "a")
    wait_for(lambda: channels.count("a") == 0)


def test_all_channels_below_a_prefix_are_heard_though_it_holds_wildcards(
    make_channels: MakeChannels, heard: Heard
) -> None:
    channels = make_channels()
    channels.listen_below(lambda *message: heard.append(message), r"a*[b]?\#")
    listen(channels, heard, "ready")
    assert channels.count("ready") == 1
    for name in (r"a*[b]?\#", r"a*[b]?\#room#", "ab", r"axb?\#", "ready"):
        channels.publish(name, b"")
    wait_for(lambda: ("ready", b"") in heard)
    assert [name for name, _ in heard] == [r"a*[b]?\#", r"a*[b]?\#room#", "ready"]
    channels.ignore_below(r"a*[b]?\#")
    channels.ignore_below("unknown")
    assert channels.count("ready") == 1
    gevent.sleep(0.02)
    channels.publish(r"a*[b]?\#", b"")
    channels.publish("ready", b"last")
    wait_for(lambda: ("ready", b"last") in heard)
    assert len(heard) == 4


def test_a_channel_below_two_prefixes_reaches_both_handlers_once(
    make_channels: MakeChannels, heard: Heard
) -> None:
    channels, other = make_channels(), list[Any]()
    channels.listen_below(lambda *message: heard.append(message), "a#")
    channels.listen_below(lambda *message: other.append(message), "a#b#")
    listen(channels, [], "ready")
    assert channels.count("ready") == 1
    channels.publish("a#b#", b"1")
    channels.publish("a#c#", b"2")
    wait_for(lambda: len(heard) == 2)
    assert heard == [("a#b#", b"1"), ("a#c#", b"2")]
    assert other == [("a#b#", b"1")]


def test_malformed_messages_are_counted_and_others_go_on(
    make_channels: MakeChannels, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    channels = make_channels()

    def refuse(channel: str, payload: bytes) -> None:
        if payload == b"bad":
            raise ValueError("malformed")
        heard.append((channel, payload))

    channels.listen(refuse, "a")
    assert channels.count("a") == 1
    for payload in (b"bad", b"good", b"bad"):
        channels.publish("a", payload)
    wait_for(lambda: channels.malformed == 2)
    assert heard == [("a", b"good")]
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def test_counting_fails_soon_when_redis_is_gone_or_silent(
    redis_server: RedisServer, make_channels: MakeChannels, heard: Heard
) -> None:
    channels = make_channels()
    listen(channels, heard, "a")
    assert channels.count("a") == 1
    for stop, start, within in (
        (redis_server.pause, redis_server.resume, 4.0),
        (redis_server.stop, redis_server.start, 1.8),
    ):
        stop()
        began = time.monotonic()
        with pytest.raises(OSError, match=r"."):
            channels.count("a")
        assert time.monotonic() - began < within
        start()
        wait_for(lambda: counts(channels, "a"))


def counts(channels: RedisChannels, name: str) -> bool:
    try:
        return channels.count(name) == 1
    except OSError:
        return False


def test_a_redis_that_was_never_there_cannot_be_counted_on(heard: Heard) -> None:
    channels = RedisChannels(RedisLink("redis://127.0.0.1:1"))
    listen(channels, heard, "a")
    with pytest.raises(OSError, match="not connected"):
        wait_for(lambda: channels.count("a") or True)
    channels.publish("a", b"1")
    wait_for(lambda: channels.stats()["unsent"] == 1)
    channels.close()


def test_after_closing_nothing_is_heard_or_opened(
    redis_server: RedisServer, make_channels: MakeChannels, heard: Heard
) -> None:
    channels = make_channels()
    handler = listen(channels, heard, "a")
    channels.listen_below(lambda *message: heard.append(message), "b")
    assert channels.count("a") == 1
    channels.close()
    channels.close()
    channels.ignore(handler, "a")
    channels.ignore_below("b")
    wait_for(lambda: redis_server.client.pubsub_numsub("a") == [(b"a", 0)])
    assert channels.stats()["reconnects"] == 0


# --- Redis Cluster -----------------------------------------------------------


@pytest.fixture
def cluster_client(redis_nodes: RedisCluster) -> Iterator[ClusterClient]:
    with ClusterClient(host="127.0.0.1", port=redis_nodes.servers[0].port) as client:
        yield client


@pytest.mark.parametrize("sharded", [False, True])
def test_the_nodes_of_a_cluster_carry_channels_together(
    make_channels: MakeChannels, cluster_client: ClusterClient, heard: Heard, sharded: bool
) -> None:
    here, there = (make_channels(cluster_client, sharded=sharded) for _ in range(2))
    names = [f"channel {number}" for number in range(20)]
    for channels in (here, there):
        listen(channels, heard, *names)
    assert [here.count(name) for name in names] == [2] * 20

    def all_arrive() -> bool:
        # The nodes of a young cluster do not pass on everything yet.
        heard.clear()
        for name in names:
            there.publish(name, name.encode())
        gevent.sleep(0.1)
        return sorted(heard) == sorted((name, name.encode()) for name in names * 2)

    wait_for(all_arrive)


def test_sharded_channels_follow_their_slots(
    redis_nodes: RedisCluster,
    make_channels: MakeChannels,
    cluster_client: ClusterClient,
    heard: Heard,
) -> None:
    channels, name = make_channels(cluster_client, sharded=True), "a channel that moves"
    listen(channels, heard, name, "another")
    assert channels.count(name) == 1
    client: Any = cluster_client
    slot, old = client.keyslot(name), client.get_node_from_key(name)
    new, *_, giver = sorted(redis_nodes.servers, key=lambda server: server.port == old.port)
    redis_nodes.move(range(slot, slot + 1), giver, new)

    def arrives() -> bool:
        channels.publish(name, b"1")
        gevent.sleep(0.05)
        return (name, b"1") in heard

    wait_for(arrives)
    assert new.sharded_subscribers(name) == 1
