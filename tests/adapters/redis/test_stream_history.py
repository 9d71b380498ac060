"""The stream tells what became of entries whose answers never came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.publisher import Command
from flask_realtime.adapters.redis.stream_history import StreamHistory
from flask_realtime.adapters.wire.streams import entry_command
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")


class World:
    def __init__(self, server: RedisServer) -> None:
        self.link = RedisLink(server.url)
        self.history = StreamHistory(self.link, "stream")

    def add(self, *commands: Command) -> list[Any]:
        return [self.link.ask(*command.words) for command in commands]


@pytest.fixture
def world(redis_server: RedisServer) -> Iterator[World]:
    made = World(redis_server)
    yield made
    made.link.close()


def entry(text: str, uid: str = "me") -> Command:
    return Command(entry_command("stream", 10_000, ["uid", uid, "data", text.encode()]))


KEY = Command(("SET", "key", b"value"))


def test_those_that_were_executed_are_found_in_order(world: World) -> None:
    batch = [entry("1"), entry("2"), entry("3")]
    assert world.history.answers_to(batch) == []
    ids = world.add(*batch[:2])
    assert world.history.answers_to(batch) == ids
    ids += world.add(batch[2])
    assert world.history.answers_to(batch) == ids


def test_entries_that_are_alike_are_counted(world: World) -> None:
    batch = [entry("same")] * 3
    ids = world.add(*batch[:2])
    assert world.history.answers_to(batch) == ids


def test_what_was_answered_before_is_not_found_again(world: World) -> None:
    same = entry("same")
    (answer,) = world.add(same)
    world.history.note(same, answer)
    world.history.note(KEY, b"OK")
    assert world.history.answers_to([same]) == []
    assert world.history.answers_to([same, same]) == []


def test_entries_of_others_are_passed_over(world: World) -> None:
    batch = [entry("1"), entry("2")]
    ids = []
    for command in batch:
        world.add(entry("1", "other"), entry("2", "other"))
        ids += world.add(command)
    assert world.history.answers_to(batch) == ids


def test_other_commands_before_an_entry_were_executed_with_it_and_those_after_it_not(
    world: World,
) -> None:
    batch = [KEY, entry("1"), KEY, entry("2"), KEY]
    (first,) = world.add(batch[1])
    assert world.history.answers_to(batch) == [None, first]
    (second,) = world.add(batch[3])
    assert world.history.answers_to(batch) == [None, first, None, second]
    assert world.history.answers_to([KEY]) == []


def test_it_looks_at_more_than_one_page(world: World) -> None:
    commands = [entry(str(number), "other") for number in range(2500)]
    connection = world.link.connect(None, 5)
    connection.send_packed_command(connection.pack_commands([item.words for item in commands]))
    for _ in commands:
        connection.read_response()
    connection.disconnect()
    ids = world.add(entry("mine"))
    assert world.history.answers_to([entry("mine"), entry("more")]) == ids
