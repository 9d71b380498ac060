"""Commands leave in order and never hold up who emits; what is lost is counted."""

from __future__ import annotations

import io
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.os import fork

from flask_realtime.adapters.redis import publisher as redis_publisher
from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.publisher import Command, Publisher, PublisherState
from flask_realtime.adapters.redis.stream_history import StreamHistory
from flask_realtime.adapters.wire.streams import entry_command
from tests.adapters.redis_world import wait_for
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")

STREAM = "stream"
MakePublisher = Callable[..., Publisher]


@pytest.fixture
def make_publisher(redis_server: RedisServer) -> Iterator[MakePublisher]:
    made: list[Publisher] = []
    links: list[RedisLink] = []

    def make(keeps: bool = False, **options: Any) -> Publisher:
        link = RedisLink(redis_server.url)
        history = StreamHistory(link, STREAM) if keeps else None
        made.append(Publisher(link, history, **options))
        links.append(link)
        return made[-1]

    yield make
    if not redis_server.is_running:
        redis_server.start()
    redis_server.resume()
    for publisher in made:
        publisher.close()
    for link in links:
        link.close()


def push(number: int, key: str = "list", size: int = 0) -> Command:
    return Command(("RPUSH", key, f"{number}".rjust(size)))


def entry(number: int, on_answer: Callable[[Any], None] | None = None) -> Command:
    fields = ["uid", "me", "number", str(number)]
    return Command(entry_command(STREAM, 100_000, fields), on_answer)


def pushed(server: RedisServer) -> list[int]:
    return [int(item) for item in server.client.lrange("list", 0, -1)]


def entries(server: RedisServer) -> list[int]:
    return [int(fields[b"number"]) for _, fields in server.client.xrange(STREAM)]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]


def test_commands_arrive_in_order_and_many_at_a_time(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher()
    reads = redis_server.client.info("stats")["total_reads_processed"]
    for number in range(1000):
        publisher.send(push(number))
    wait_for(lambda: publisher.published == 1000)
    assert pushed(redis_server) == list(range(1000))
    assert redis_server.client.info("stats")["total_reads_processed"] - reads < 40
    assert (publisher.queued, publisher.unsent) == (0, 0)


def test_large_commands_go_in_smaller_batches(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher()
    for number in range(30):
        publisher.send(push(number, size=300_000))
    wait_for(lambda: publisher.published == 30)
    assert pushed(redis_server) == list(range(30))


def test_what_is_emitted_for_events_that_have_come_together_goes_out_together(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher()
    publisher.send(push(0))
    wait_for(lambda: publisher.published == 1)
    here, there = socket.socketpair()

    def emit_once_it_has_come() -> None:
        there.recv(1)
        publisher.send(push(2))

    def reads() -> int:
        found: int = redis_server.client.info("stats")["total_reads_processed"]
        return found

    def go_together() -> bool:
        other = gevent.spawn(emit_once_it_has_come)
        gevent.sleep(0)
        before, published = reads(), publisher.published
        publisher.send(push(1))
        here.send(b"x")
        wait_for(lambda: publisher.published == published + 2)
        other.join()
        return reads() - before == 2  # one of them is the question

    with here, there:
        # Not on a machine that takes a millisecond for this.
        wait_for(go_together)


def test_a_server_that_is_never_idle_sends_as_well(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    def work() -> None:
        while True:
            gevent.sleep(0)

    publisher = make_publisher()
    publisher.send(push(0))
    # Connecting takes many turns of the loop, each of them a long one then.
    wait_for(lambda: publisher.published == 1)
    busy = gevent.spawn(work)
    try:
        for number in range(1, 4):
            publisher.send(push(number))
            wait_for(lambda: publisher.published == number + 1)  # noqa: B023
    finally:
        busy.kill()
    assert pushed(redis_server) == [0, 1, 2, 3]


def test_answers_are_passed_on(make_publisher: MakePublisher) -> None:
    publisher, answers = make_publisher(), list[Any]()
    publisher.send(Command(("INCR", "a"), answers.append))
    publisher.send(Command(("LPUSH", "a", "x"), answers.append))
    publisher.send(Command(("INCR", "a"), answers.append))
    wait_for(lambda: len(answers) == 3)
    assert answers == [1, None, 2]


def test_the_queue_has_a_bound_in_bytes(
    redis_server: RedisServer,
    make_publisher: MakePublisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = make_publisher(keeps=True, max_queued=10_000)
    redis_server.stop()
    for number in range(1000):
        publisher.send(entry(number))
        assert publisher.queued <= 10_000
    kept = 1000 - publisher.unsent
    assert 0 < kept < 100
    redis_server.start()
    wait_for(lambda: publisher.published == kept)
    assert entries(redis_server) == list(range(kept))
    assert publisher.queued == 0
    lost = [line for line in told(caplog) if "messages" in line]
    assert lost == [
        "! messages cannot be sent to other servers: the queue is full",
        f"! {1000 - kept} messages were not sent to other servers",
    ]


def test_refused_commands_are_counted_and_told_once(
    redis_server: RedisServer,
    make_publisher: MakePublisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = make_publisher(keeps=True)
    redis_server.client.set(STREAM, "not a stream")
    for number in range(5):
        publisher.send(entry(number))
        wait_for(lambda: publisher.unsent == number + 1)  # noqa: B023
    redis_server.client.delete(STREAM)
    publisher.send(entry(5))
    wait_for(lambda: publisher.published == 1)
    assert entries(redis_server) == [5]
    first, last = told(caplog)
    assert "WRONGTYPE" in first
    assert last == "! 5 messages were not sent to other servers"


def test_a_redis_without_memory_costs_the_messages_and_nothing_else(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    publisher, answers = make_publisher(keeps=True), list[Any]()
    redis_server.client.config_set("maxmemory", 1)
    publisher.send(entry(1, answers.append))
    wait_for(lambda: publisher.unsent == 1)
    redis_server.client.config_set("maxmemory", 0)
    publisher.send(entry(2, answers.append))
    wait_for(lambda: publisher.published == 1)
    assert answers[0] is None
    assert entries(redis_server) == [2]


# --- without a history -------------------------------------------------------


def test_a_connection_that_was_closed_while_it_was_idle_costs_nothing(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher()
    for number in range(5):
        publisher.send(push(number))
        wait_for(lambda: publisher.published == number + 1)  # noqa: B023
        redis_server.kill_clients("normal")
    assert pushed(redis_server) == list(range(5))
    assert publisher.unsent == 0


def test_what_is_sent_during_an_outage_is_counted_and_told_in_two_lines(
    redis_server: RedisServer,
    make_publisher: MakePublisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = make_publisher()
    publisher.send(push(0))
    wait_for(lambda: publisher.published == 1)
    redis_server.stop()
    for number in range(1, 51):
        publisher.send(push(number))
        gevent.sleep(0.002)
    assert (publisher.unsent, publisher.queued, publisher.is_up) == (50, 0, False)
    redis_server.start()
    wait_for(lambda: publisher.is_up)
    publisher.send(push(51))
    wait_for(lambda: publisher.published == 2)
    assert publisher.unsent == 50
    first, second, third, fourth = told(caplog)
    assert first.startswith("! Redis is out of reach")
    assert second.startswith("! messages cannot be sent to other servers")
    assert (third, fourth) == ("= Redis is back", "! 50 messages were not sent to other servers")


def test_a_pause_loses_nothing(redis_server: RedisServer, make_publisher: MakePublisher) -> None:
    publisher = make_publisher()
    publisher.send(push(0))
    wait_for(lambda: publisher.published == 1)
    redis_server.pause()
    for number in range(1, 500):
        publisher.send(push(number))
    gevent.sleep(0.3)
    redis_server.resume()
    wait_for(lambda: publisher.published == 500)
    assert pushed(redis_server) == list(range(500))


@pytest.mark.parametrize("keeps", [False, True])
def test_who_sends_never_waits(
    redis_server: RedisServer, make_publisher: MakePublisher, keeps: bool
) -> None:
    publisher = make_publisher(keeps)
    publisher.send(entry(0))
    wait_for(lambda: publisher.published == 1)
    redis_server.pause()
    switched: list[bool] = []
    watcher = gevent.spawn(lambda: switched.append(True))
    for number in range(5000):
        publisher.send(entry(number))
    assert not switched, "sending let others run"
    watcher.join()
    redis_server.resume()


# --- with a history ----------------------------------------------------------


def disturb_by_kills(server: RedisServer, publisher: Publisher, chance: random.Random) -> None:
    server.kill_clients("normal")
    gevent.sleep(chance.uniform(0, 0.03))


def disturb_by_restarts(server: RedisServer, publisher: Publisher, chance: random.Random) -> None:
    server.restart()
    gevent.sleep(chance.uniform(0, 0.2))


def disturb_by_pauses(server: RedisServer, publisher: Publisher, chance: random.Random) -> None:
    server.pause()
    gevent.sleep(chance.uniform(0.2, 0.4))  # the publisher gives up after 0.15 s
    server.resume()
    gevent.sleep(chance.uniform(0, 0.1))


@pytest.mark.parametrize(
    ("disturb", "times"), [(disturb_by_kills, 40), (disturb_by_restarts, 5), (disturb_by_pauses, 5)]
)
def test_every_entry_is_there_once_and_in_order_whatever_happens(
    redis_server: RedisServer, make_publisher: MakePublisher, disturb: Any, times: int
) -> None:
    publisher, chance = make_publisher(keeps=True, timeout=0.15), random.Random(1)
    ids: dict[int, Any] = {}
    over = False

    def send() -> int:
        number = 0
        while not over:
            for _ in range(chance.randrange(60)):
                publisher.send(entry(number, partial(ids.__setitem__, number)))
                number += 1
            gevent.sleep(0.001)
        return number

    sender = gevent.spawn(send)
    for _ in range(times):
        disturb(redis_server, publisher, chance)
    over = True
    count = sender.get(timeout=5)
    wait_for(lambda: publisher.published == count)
    assert entries(redis_server) == list(range(count))
    assert [entry_id for entry_id, _ in redis_server.client.xrange(STREAM)] == list(ids.values())
    assert list(ids) == list(range(count))
    assert (publisher.unsent, publisher.queued) == (0, 0)


def test_what_was_sent_before_redis_was_there_arrives_later(
    redis_server: RedisServer,
    make_publisher: MakePublisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis_server.stop()
    publisher = make_publisher(keeps=True)
    for number in range(300):
        publisher.send(entry(number))
    gevent.sleep(0.2)
    assert publisher.unsent == 0
    redis_server.start()
    wait_for(lambda: publisher.published == 300)
    assert entries(redis_server) == list(range(300))
    first, last = told(caplog)
    assert first.startswith("! Redis is out of reach")
    assert last == "= Redis is back"


def test_a_command_that_redis_never_takes_costs_itself_and_not_those_behind_it(
    redis_server: RedisServer, make_publisher: MakePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher, answers = make_publisher(keeps=True), list[Any]()
    redis_server.client.config_set("proto-max-bulk-len", 2**20)
    try:
        publisher.send(entry(1))
        publisher.send(Command(("XADD", STREAM, "*", "number", b"x" * 20_000_000), answers.append))
        for number in range(2, 50):
            publisher.send(entry(number))
        wait_for(lambda: publisher.published == 49)
    finally:
        redis_server.client.config_set("proto-max-bulk-len", 512_000_000)
    assert entries(redis_server) == list(range(1, 50))
    assert (answers, publisher.unsent, publisher.queued) == ([None], 1, 0)
    assert "! 1 messages were not sent to other servers" in told(caplog)


@pytest.mark.parametrize("keeps", [False, True])
def test_what_is_queued_at_a_fork_is_sent_by_the_parent_alone(
    redis_server: RedisServer, make_publisher: MakePublisher, keeps: bool
) -> None:
    publisher = make_publisher(keeps=keeps)
    publisher.send(push(1))
    pid = fork()
    if pid == 0:
        status = 1
        try:
            gevent.sleep(0.1)
            publisher.send(push(2))
            wait_for(lambda: publisher.published == 1)
            gevent.sleep(0.1)
            status = publisher.published - 1
        finally:
            os._exit(status)
    wait_for(lambda: publisher.published == 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sorted(pushed(redis_server)) == [1, 2]


def test_a_fork_in_the_middle_of_an_outage_leaves_the_attempts_of_the_parent_to_the_parent(
    redis_server: RedisServer, make_publisher: MakePublisher, quiet_hub: io.StringIO
) -> None:
    publisher = make_publisher(keeps=True)
    redis_server.stop()
    publisher.send(entry(1))
    wait_for(lambda: publisher.state is PublisherState.DOWN)
    pid = fork()
    if pid == 0:
        status = 1
        try:
            publisher.send(entry(2))
            wait_for(lambda: publisher.published == 1)
            gevent.sleep(1)  # longer than the pause of the copied greenlet
            publisher.send(entry(3))
            wait_for(lambda: publisher.published == 2)
            status = len(quiet_hub.getvalue()) > 0
        finally:
            os._exit(status)
    redis_server.start()
    wait_for(lambda: publisher.published == 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sorted(entries(redis_server)) == [1, 2, 3]


def state_of(publisher: Publisher) -> PublisherState:
    return publisher.state


@pytest.mark.parametrize("keeps", [False, True])
def test_its_state_says_whether_redis_takes_commands(
    redis_server: RedisServer, make_publisher: MakePublisher, keeps: bool
) -> None:
    publisher = make_publisher(keeps)
    assert state_of(publisher) is PublisherState.UP
    publisher.send(Command(("LPUSH", "list", "1")))
    publisher.send(Command(("INCR", "list")))
    wait_for(lambda: publisher.state is PublisherState.REFUSING)
    publisher.send(push(2))
    wait_for(lambda: publisher.state is PublisherState.UP)
    redis_server.stop()
    publisher.send(push(3))
    wait_for(lambda: publisher.state is PublisherState.DOWN)
    redis_server.start()
    wait_for(lambda: publisher.is_up)
    publisher.send(push(4))
    wait_for(lambda: publisher.state is PublisherState.UP)
    publisher.close()
    assert state_of(publisher) is PublisherState.CLOSED
    assert not publisher.is_up


# --- the end -----------------------------------------------------------------


def test_closing_sends_what_is_queued(
    redis_server: RedisServer, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher()
    for number in range(1000):
        publisher.send(push(number))
    publisher.close()
    assert pushed(redis_server) == list(range(1000))
    publisher.send(push(1000))
    assert publisher.unsent == 1
    publisher.close()


@pytest.mark.parametrize("keeps", [False, True])
def test_closing_takes_a_bounded_time_and_counts_what_is_left(
    redis_server: RedisServer,
    make_publisher: MakePublisher,
    monkeypatch: pytest.MonkeyPatch,
    keeps: bool,
) -> None:
    monkeypatch.setattr(redis_publisher, "FLUSH", 0.2)
    publisher = make_publisher(keeps)
    publisher.send(entry(0))
    wait_for(lambda: publisher.published == 1)
    redis_server.pause()
    for number in range(1, 1000):
        publisher.send(entry(number))
    began = time.monotonic()
    publisher.close()
    assert time.monotonic() - began < 4
    assert (publisher.published, publisher.unsent, publisher.queued) == (1, 999, 0)


def test_a_publisher_that_was_never_used_closes() -> None:
    Publisher(RedisLink("redis://localhost:1")).close()
