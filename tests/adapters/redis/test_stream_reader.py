"""A stream is read from its end on, once, whatever happens to the connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.stream_reader import Fields, StreamReader, fields_of
from flask_realtime.adapters.wire.streams import StreamOptions
from tests.adapters.redis_world import held, wait_for
from tests.redis_server import RedisServer
from tests.resources import is_no_more

pytestmark = pytest.mark.usefixtures("quiet_hub")

STREAM = "stream"
MakeReader = Callable[..., StreamReader]


@pytest.fixture
def read() -> list[int]:
    return []


@pytest.fixture
def make_reader(redis_server: RedisServer, read: list[int]) -> Iterator[MakeReader]:
    made: list[StreamReader] = []

    def take(entry_id: str, fields: Fields) -> None:
        read.append(int(fields[b"number"]))

    def make(on_entry: Any = take, patience: float = 0.3, **options: Any) -> StreamReader:
        wanted = StreamOptions(STREAM, block_time=0.2, **options)
        made.append(StreamReader(RedisLink(redis_server.url), STREAM, wanted, on_entry, patience))
        made[-1].start()
        return made[-1]

    yield make
    redis_server.resume()
    for item in made:
        item.close()


def add(server: RedisServer, *numbers: int) -> list[str]:
    pipeline = server.client.pipeline(transaction=False)
    for number in numbers:
        pipeline.xadd(STREAM, {"number": number})
    return [entry_id.decode() for entry_id in pipeline.execute()]


def test_it_begins_at_the_end(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    *_, last = add(redis_server, 1, 2)
    reader = make_reader()
    assert reader.ready.wait(5)
    assert reader.position == last
    *_, last = add(redis_server, 3, 4)
    wait_for(lambda: read == [3, 4])
    assert (reader.position, reader.received) == (last, 2)


def test_a_stream_that_does_not_exist_yet_is_read_from_its_beginning(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    reader = make_reader()
    assert reader.ready.wait(5)
    assert reader.position == "0-0"
    add(redis_server, 1)
    wait_for(lambda: read == [1])


def test_nothing_is_missed_between_two_reads(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    assert make_reader(read_count=3).ready.wait(5)
    for number in range(0, 500, 5):
        add(redis_server, *range(number, number + 5))
        if number % 50 == 0:
            gevent.sleep(0.01)
    wait_for(lambda: len(read) == 500)
    assert read == list(range(500))


def test_it_goes_on_though_nothing_comes_for_longer_than_a_read_waits(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    reader = make_reader()
    assert reader.ready.wait(5)
    calls = redis_server.client.info("commandstats").get("cmdstat_xread", {"calls": 0})["calls"]
    wait_for(
        lambda: redis_server.client.info("commandstats")["cmdstat_xread"]["calls"] >= calls + 3
    )
    add(redis_server, 1)
    wait_for(lambda: read == [1])
    assert reader.reconnects == 0


@pytest.mark.parametrize("how", ["killed", "restarted", "paused"])
def test_after_a_loss_it_goes_on_where_it_was(
    redis_server: RedisServer,
    make_reader: MakeReader,
    read: list[int],
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    reader = make_reader()
    assert reader.ready.wait(5)
    add(redis_server, 1)
    wait_for(lambda: read == [1])
    if how == "killed":
        redis_server.kill_clients("normal")
    elif how == "restarted":
        redis_server.stop()
        wait_for(lambda: not reader.ready.is_set())
        gevent.sleep(0.3)  # some attempts
        redis_server.start()
    else:
        redis_server.pause()
        wait_for(lambda: not reader.ready.is_set())
        redis_server.resume()
    add(redis_server, 2, 3)
    wait_for(lambda: len(read) == 3)
    assert read == [1, 2, 3]
    assert reader.reconnects == 1
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[1] == "= Redis is back"


def test_redis_may_come_later(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    redis_server.stop()
    reader = make_reader()
    gevent.sleep(0.1)
    assert (reader.position, reader.ready.is_set()) == ("", False)
    redis_server.start()
    assert reader.ready.wait(5)
    add(redis_server, 1)
    wait_for(lambda: read == [1])


def test_an_entry_that_cannot_be_handled_is_logged_and_the_next_is_read(
    redis_server: RedisServer, make_reader: MakeReader, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(entry_id: str, fields: Fields) -> None:
        raise RuntimeError("broken")

    reader = make_reader(fail)
    assert reader.ready.wait(5)
    add(redis_server, 1, 2)
    wait_for(lambda: reader.received == 2)
    assert len(caplog.records) == 2


def test_something_else_under_the_name_of_the_stream_is_no_end(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    redis_server.client.set(STREAM, "a string")
    reader = make_reader()
    gevent.sleep(0.05)
    assert not reader.ready.is_set()
    redis_server.client.delete(STREAM)
    assert reader.ready.wait(5)
    add(redis_server, 1)
    wait_for(lambda: read == [1])


def test_a_long_stream_leaves_time_for_others(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    assert make_reader().ready.wait(5)
    turns: list[int] = []

    def count() -> None:
        while True:
            turns.append(len(read))
            gevent.sleep(0)

    watcher = gevent.spawn(count)
    add(redis_server, *range(3000))
    wait_for(lambda: len(read) == 3000)
    watcher.kill()
    assert max(after - before for before, after in pairwise(turns)) <= 200


def test_closing_leaves_nothing_behind(redis_server: RedisServer) -> None:
    def open_and_close() -> None:
        reader = StreamReader(
            RedisLink(redis_server.url), STREAM, StreamOptions(STREAM), lambda *_: None
        )
        reader.start()
        reader.start()
        assert reader.ready.wait(5)
        reader.close()
        reader.close()

    open_and_close()
    before = held()
    open_and_close()
    assert is_no_more(held(), before)
    wait_for(lambda: redis_server.blocked_clients() == 0)


def test_the_fields_of_an_entry_are_pairs() -> None:
    assert fields_of([b"a", b"1", b"b", b"2"]) == {b"a": b"1", b"b": b"2"}
    assert fields_of(None) == fields_of([]) == {}


@pytest.mark.parametrize(("read_count", "is_lost"), [(2, False), (100, True)])
def test_entries_that_are_gone_before_they_are_read_are_noticed(
    redis_server: RedisServer,
    make_reader: MakeReader,
    caplog: pytest.LogCaptureFixture,
    read_count: int,
    is_lost: bool,
) -> None:
    read, go_on = list[int](), Event()

    def take(entry_id: str, fields: Fields) -> None:
        read.append(int(fields[b"number"]))
        if read[-1] == 19:
            go_on.wait(5)

    add(redis_server, 0)
    reader = make_reader(take, read_count=read_count)
    assert reader.ready.wait(5)
    add(redis_server, *range(1, 20))
    wait_for(lambda: read and read[-1] == 19)
    assert reader.gaps == 0
    add(redis_server, *range(20, 40))
    redis_server.client.xtrim(STREAM, maxlen=5, approximate=False)
    if is_lost:
        redis_server.kill_clients("normal")
    go_on.set()
    wait_for(lambda: read[-1] == 39 and reader.gaps == 1)
    assert read[19:] == [35, 36, 37, 38, 39]
    assert any("were gone before" in record.getMessage() for record in caplog.records)


def test_a_young_stream_has_no_gaps(
    redis_server: RedisServer, make_reader: MakeReader, read: list[int]
) -> None:
    reader = make_reader(read_count=2)
    assert reader.ready.wait(5)
    add(redis_server, *range(10))
    wait_for(lambda: len(read) == 10)
    redis_server.kill_clients("normal")
    wait_for(lambda: reader.reconnects == 1 and reader.ready.is_set())
    add(redis_server, 10)
    wait_for(lambda: len(read) == 11)
    assert reader.gaps == 0
