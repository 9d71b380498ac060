"""The streams of a server: one reader and one publisher each, and entries by namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from gevent.event import Event

from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.publisher import Command
from flask_realtime.adapters.redis.shared_streams import SharedStreams
from flask_realtime.adapters.redis.stream_reader import Fields
from flask_realtime.adapters.wire.streams import StreamOptions
from tests.adapters.redis_world import wait_for
from tests.redis_server import RedisServer
from tests.resources import greenlets

pytestmark = pytest.mark.usefixtures("quiet_hub")

Entries = list[tuple[str, Fields]]


@pytest.fixture
def make_streams(redis_server: RedisServer) -> Iterator[Callable[[], SharedStreams]]:
    made: list[tuple[SharedStreams, RedisLink]] = []

    def make() -> SharedStreams:
        link = RedisLink(redis_server.url)
        made.append((SharedStreams(link, StreamOptions(block_time=0.1)), link))
        return made[-1][0]

    yield make
    for streams, link in made:
        streams.close()
        link.close()


def keep(entries: Entries) -> Callable[[str, Fields], None]:
    return lambda entry_id, fields: entries.append((entry_id, fields))


def test_each_stream_has_one_reader_and_one_publisher(
    make_streams: Callable[[], SharedStreams],
) -> None:
    streams = make_streams()
    assert streams.reader("a") is streams.reader("a") is not streams.reader("b")
    assert streams.publisher("a") is streams.publisher("a") is not streams.publisher("b")


def test_entries_reach_the_namespace_that_they_are_for(
    redis_server: RedisServer, make_streams: Callable[[], SharedStreams]
) -> None:
    streams, main, chat = make_streams(), Entries(), Entries()
    streams.listen("/", keep(main))
    streams.listen("/chat", keep(chat))
    reader = streams.reader("stream")
    reader.start()
    assert reader.ready.wait(5)
    add = redis_server.client.xadd
    for number, name in enumerate(["/", "/chat", "/other", "/"]):
        add("stream", {"nsp": name, "n": number})
    add("stream", {"no": "namespace"})
    wait_for(lambda: reader.received == 5)
    assert [fields[b"n"] for _, fields in main] == [b"0", b"3"]
    assert [fields[b"n"] for _, fields in chat] == [b"1"]
    streams.ignore("/")
    streams.ignore("/")
    add("stream", {"nsp": "/", "n": 5})
    wait_for(lambda: reader.received == 6)
    assert len(main) == 2


def test_the_counters_are_those_of_all_streams(
    make_streams: Callable[[], SharedStreams],
) -> None:
    streams = make_streams()
    for name in ("a", "b"):
        reader = streams.reader(name)
        reader.start()
        assert reader.ready.wait(5)
        streams.publisher(name).send(Command(("XADD", name, "*", "nsp", "/")))
    wait_for(lambda: streams.stats()["received"] == 2)
    wait_for(lambda: streams.stats()["published"] == 2)
    counts = streams.stats()
    assert counts == {
        "published": 2, "unsent": 0, "queued_bytes": 0, "received": 2, "reconnects": 0, "gaps": 0
    }  # fmt: skip


def test_closing_ends_reading_and_sends_what_is_queued(
    redis_server: RedisServer, make_streams: Callable[[], SharedStreams]
) -> None:
    before, answered = greenlets(), Event()
    streams = make_streams()
    streams.reader("a").start()
    command = Command(("XADD", "a", "*", "nsp", "/"), lambda _: answered.set())
    streams.publisher("a").send(command)
    streams.close()
    assert answered.is_set()
    assert redis_server.client.xlen("a") == 1
    wait_for(lambda: greenlets() <= before)
