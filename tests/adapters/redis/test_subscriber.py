"""What is wanted is subscribed, on whatever connection there is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest

from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.subscriber import Subscriber, SubscriberState
from tests.adapters.redis_world import held, wait_for
from tests.redis_server import RedisServer
from tests.resources import is_no_more

pytestmark = pytest.mark.usefixtures("quiet_hub")

PULSE = 0.1
Received = list[tuple[bytes, bytes]]


@pytest.fixture
def received() -> Received:
    return []


@pytest.fixture
def make_subscriber(
    redis_server: RedisServer, received: Received
) -> Iterator[Callable[..., Subscriber]]:
    made: list[Subscriber] = []

    def make(**options: Any) -> Subscriber:
        take = options.pop("on_message", lambda *message: received.append(message[:2]))
        made.append(Subscriber(RedisLink(redis_server.url), take, pulse=PULSE, **options))
        made[-1].start()
        return made[-1]

    yield make
    for item in made:
        item.close()
    redis_server.resume()


@pytest.fixture
def subscriber(make_subscriber: Callable[..., Subscriber]) -> Subscriber:
    return make_subscriber()


def channels(server: RedisServer, word: str = "CHANNELS") -> list[str]:
    return sorted(name.decode() for name in server.client.execute_command("PUBSUB", word))


def test_each_kind_of_subscription_brings_its_messages(
    redis_server: RedisServer, subscriber: Subscriber, received: Received
) -> None:
    subscriber.subscribe("SUBSCRIBE", "plain", "é")
    subscriber.subscribe("PSUBSCRIBE", "below#*")
    subscriber.subscribe("SSUBSCRIBE", "shard one", "shard two")
    assert not subscriber.ready.is_set()
    assert subscriber.ready.wait(5)
    client = redis_server.client
    client.publish("plain", b"1")
    client.publish("é", b"\xff\x00")
    client.publish("below#room", b"3")
    client.execute_command("SPUBLISH", "shard one", b"4")
    client.execute_command("SPUBLISH", "shard two", b"")
    client.publish("other", b"no")
    wait_for(lambda: len(received) == 5)
    assert received == [
        (b"plain", b"1"),
        ("é".encode(), b"\xff\x00"),
        (b"below#room", b"3"),
        (b"shard one", b"4"),
        (b"shard two", b""),
    ]
    assert subscriber.received == 5


def test_without_a_wish_it_is_ready_once_it_is_connected(subscriber: Subscriber) -> None:
    assert subscriber.ready.wait(5)
    subscriber.start()
    assert subscriber.reconnects == 0


def test_what_is_wanted_changes_while_it_listens(
    redis_server: RedisServer, subscriber: Subscriber, received: Received
) -> None:
    subscriber.subscribe("SUBSCRIBE", "a", "b")
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.ready.wait(5)
    subscriber.unsubscribe("SUBSCRIBE", "a", "unknown")
    subscriber.subscribe("SUBSCRIBE", "c")
    assert subscriber.ready.wait(5)
    wait_for(lambda: channels(redis_server) == ["b", "c"])
    # Gone and wanted again before Redis was told.
    subscriber.unsubscribe("SUBSCRIBE", "b")
    subscriber.subscribe("SUBSCRIBE", "b")
    assert subscriber.ready.wait(5)
    # Wanted and gone.
    subscriber.subscribe("SUBSCRIBE", "d")
    subscriber.unsubscribe("SUBSCRIBE", "d")
    assert subscriber.ready.wait(5)
    subscriber.unsubscribe("SUBSCRIBE", "b", "c")
    wait_for(lambda: channels(redis_server) == [])
    subscriber.subscribe("SUBSCRIBE", "e")
    assert subscriber.ready.wait(5)
    redis_server.client.publish("e", b"1")
    wait_for(lambda: received == [(b"e", b"1")])


@pytest.mark.parametrize("word", ["SUBSCRIBE", "SSUBSCRIBE"])
def test_any_order_of_wishes_ends_in_what_is_wanted(
    redis_server: RedisServer, subscriber: Subscriber, word: str
) -> None:
    chance, wanted = random.Random(2), set[str]()
    for step in range(3000):
        name = f"room {chance.randrange(30)}"
        if chance.random() < 0.5:
            subscriber.subscribe(word, name)
            wanted.add(name)
        else:
            subscriber.unsubscribe(word, name)
            wanted.discard(name)
        if chance.random() < 0.1:
            gevent.sleep(0)
        if step % 500 == 250:
            redis_server.kill_clients("pubsub")
    assert subscriber.ready.wait(5)
    kind = "CHANNELS" if word == "SUBSCRIBE" else "SHARDCHANNELS"
    wait_for(lambda: channels(redis_server, kind) == sorted(wanted))


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_everything_is_subscribed_again_after_a_loss(
    redis_server: RedisServer,
    subscriber: Subscriber,
    received: Received,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    subscriber.subscribe("SUBSCRIBE", "a", "gone")
    subscriber.subscribe("PSUBSCRIBE", "b*")
    subscriber.subscribe("SSUBSCRIBE", "c")
    assert subscriber.ready.wait(5)
    if how == "killed":
        redis_server.kill_clients("pubsub")
        wait_for(lambda: not subscriber.ready.is_set())
    else:
        redis_server.stop()
        wait_for(lambda: not subscriber.ready.is_set())
        gevent.sleep(0.3)  # some attempts
        assert subscriber.state is SubscriberState.LOST
        subscriber.subscribe("SUBSCRIBE", "new")
        subscriber.unsubscribe("SUBSCRIBE", "gone")
        assert not subscriber.ready.is_set()
        redis_server.start()
    assert subscriber.ready.wait(5)
    client = redis_server.client
    assert client.publish("a", b"1") == 1
    assert client.publish("bb", b"2") == 1
    assert client.execute_command("SPUBLISH", "c", b"3") == 1
    assert client.publish("new", b"4") == (how == "restarted")
    assert client.publish("gone", b"5") == (how == "killed")
    wait_for(lambda: len(received) == 4)
    assert subscriber.reconnects == 1
    assert subscriber.state is SubscriberState.READY
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[1] == "= Redis is back"


def state_of(subscriber: Subscriber) -> SubscriberState:
    return subscriber.state


def test_its_state_says_what_the_connection_is_worth(
    redis_server: RedisServer, make_subscriber: Callable[..., Subscriber]
) -> None:
    subscriber = make_subscriber()
    assert state_of(subscriber) is SubscriberState.CONNECTING
    assert not subscriber.ready.is_set()
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.wait_ready(5)
    assert state_of(subscriber) is SubscriberState.READY
    subscriber.subscribe("SUBSCRIBE", "a room", awaited=False)
    assert state_of(subscriber) is SubscriberState.READY
    subscriber.subscribe("SUBSCRIBE", "b")
    assert state_of(subscriber) is SubscriberState.SUBSCRIBING
    assert not subscriber.ready.is_set()
    assert subscriber.wait_ready(5)
    redis_server.stop()
    wait_for(lambda: subscriber.state is SubscriberState.LOST)
    began = time.monotonic()
    assert not subscriber.wait_ready(5), "a failure is known as well"
    assert time.monotonic() - began < 3
    redis_server.start()
    wait_for(lambda: subscriber.state is SubscriberState.READY)


def test_redis_may_come_later(redis_server: RedisServer, received: Received) -> None:
    redis_server.stop()
    subscriber = Subscriber(
        RedisLink(redis_server.url), lambda *message: received.append(message[:2]), pulse=PULSE
    )
    subscriber.subscribe("SUBSCRIBE", "a")
    subscriber.start()
    wait_for(lambda: subscriber.state is SubscriberState.LOST)
    redis_server.start()
    assert subscriber.ready.wait(5)
    redis_server.client.publish("a", b"1")
    wait_for(lambda: received == [(b"a", b"1")])
    subscriber.close()


def test_silence_is_no_loss_as_long_as_redis_answers(
    redis_server: RedisServer, subscriber: Subscriber
) -> None:
    assert subscriber.ready.wait(5)
    pings = redis_server.client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]
    wait_for(lambda: redis_server.client.info("commandstats")["cmdstat_ping"]["calls"] >= pings + 8)
    assert subscriber.ready.is_set()
    assert subscriber.reconnects == 0


def test_a_short_pause_is_no_loss(
    redis_server: RedisServer, subscriber: Subscriber, received: Received
) -> None:
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.ready.wait(5)
    redis_server.pause()
    gevent.sleep(PULSE * 2)
    subscriber.subscribe("SUBSCRIBE", "b")
    redis_server.resume()
    assert subscriber.ready.wait(5)
    assert subscriber.reconnects == 0
    redis_server.client.publish("b", b"1")
    wait_for(lambda: received)


def test_a_server_that_is_silent_for_long_is_given_up(
    redis_server: RedisServer, subscriber: Subscriber
) -> None:
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.ready.wait(5)
    redis_server.pause()
    wait_for(lambda: subscriber.state is SubscriberState.LOST)
    redis_server.resume()
    assert subscriber.ready.wait(5)
    wait_for(lambda: redis_server.client.publish("a", b"1") == 1)


def test_subscribing_never_waits_for_redis(
    redis_server: RedisServer, subscriber: Subscriber
) -> None:
    """Far more than a socket takes: who joins rooms while Redis is paused goes on."""
    assert subscriber.ready.wait(5)
    redis_server.pause()
    switched: list[bool] = []
    watcher = gevent.spawn(lambda: switched.append(True))
    for number in range(20_000):
        subscriber.subscribe("SSUBSCRIBE", f"{number}".rjust(300))
    assert not switched
    watcher.join()
    subscriber.unsubscribe("SSUBSCRIBE", *(f"{number}".rjust(300) for number in range(20_000)))
    redis_server.resume()
    wait_for(lambda: channels(redis_server, "SHARDCHANNELS") == [])


def test_a_handler_that_fails_is_logged_and_called_again(
    redis_server: RedisServer,
    make_subscriber: Callable[..., Subscriber],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(channel: bytes, payload: bytes, pattern: bytes | None) -> None:
        raise RuntimeError("broken")

    subscriber = make_subscriber(on_message=fail)
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.ready.wait(5)
    for _ in range(2):
        redis_server.client.publish("a", b"1")
    wait_for(lambda: subscriber.received == 2)
    assert [record.exc_text is None for record in caplog.records] == [False, False]
    assert subscriber.ready.is_set()


def test_a_loss_is_reported_before_the_next_connection(
    redis_server: RedisServer, make_subscriber: Callable[..., Subscriber]
) -> None:
    losses: list[bool] = []
    subscriber: Subscriber
    subscriber = make_subscriber(on_loss=lambda: losses.append(subscriber.ready.is_set()))
    assert subscriber.ready.wait(5)
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.ready.wait(5)
    assert losses == []
    redis_server.kill_clients("pubsub")
    wait_for(lambda: losses)
    assert subscriber.ready.wait(5)
    assert losses == [False]


def test_a_flood_leaves_time_for_others(
    redis_server: RedisServer, subscriber: Subscriber, received: Received
) -> None:
    subscriber.subscribe("SUBSCRIBE", "a")
    assert subscriber.ready.wait(5)
    flood = RedisLink(redis_server.url).connect(None, 5)
    turns: list[int] = []

    def count() -> None:
        while True:
            turns.append(len(received))
            gevent.sleep(0)

    watcher = gevent.spawn(count)
    flood.send_packed_command(flood.pack_commands([("PUBLISH", "a", b"x")] * 5000))
    wait_for(lambda: len(received) == 5000)
    watcher.kill()
    flood.disconnect()
    steps = [after - before for before, after in pairwise(turns)]
    assert max(steps) <= 200


def test_closing_leaves_nothing_behind(redis_server: RedisServer) -> None:
    def open_and_close() -> None:
        subscriber = Subscriber(RedisLink(redis_server.url), lambda *_: None, pulse=PULSE)
        subscriber.start()
        subscriber.subscribe("SUBSCRIBE", "a")
        assert subscriber.ready.wait(5)
        subscriber.close()
        subscriber.close()

    open_and_close()
    before = held()
    open_and_close()
    assert is_no_more(held(), before)
    wait_for(lambda: channels(redis_server) == [])
