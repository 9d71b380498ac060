"""A message that no client could be sent is refused where it is emitted."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.errors import MessageTooLarge
from flask_realtime.parsers import DefaultParser, MsgpackParser
from tests.clients import Later
from tests.fakes import wait_until
from tests.server.pair import Pair
from tests.worlds import MakeServer, ServerWorld

BOUND = 10_000
LARGE = "x" * 20_000
BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])

WAYS: dict[str, Callable[[Pair, Any], Any]] = {
    "socket.emit": lambda pair, value: pair.socket.emit("big", value),
    "socket.send": lambda pair, value: pair.socket.send(value),
    "a callback": lambda pair, value: pair.socket.emit("big", value, ack=print),
    "socket.emit_with_ack": lambda pair, value: pair.socket.emit_with_ack("big", value),
    "socket.volatile": lambda pair, value: pair.socket.volatile.emit("big", value),
    "socket.compress": lambda pair, value: pair.socket.compress(False).emit("big", value),
    "socket.broadcast": lambda pair, value: pair.socket.broadcast.emit("big", value),
    "io.emit": lambda pair, value: pair.server.io.emit("big", value),
    "io.to": lambda pair, value: pair.server.io.to("an empty room").emit("big", value),
    "io.local": lambda pair, value: pair.server.io.local.emit("big", value),
    "io.emit_with_ack": lambda pair, value: pair.server.io.timeout(1).emit_with_ack("big", value),
}


def small_world(make_server: MakeServer, **options: Any) -> ServerWorld:
    return make_server(max_buffered_bytes=BOUND, **options)


@BOTH
@pytest.mark.parametrize("value", [LARGE, LARGE.encode()], ids=["text", "bytes"])
@pytest.mark.parametrize("way", WAYS)
def test_it_raises_and_the_client_stays(
    make_server: MakeServer, way: str, value: Any, transport: str
) -> None:
    pair = Pair(small_world(make_server), transport)
    with pytest.raises(ValueError, match=r"20,0\d\d bytes.* max_buffered_bytes \(10,000\)"):
        WAYS[way](pair, value)
    pair.socket.emit("small")
    assert pair.client.event() == ["small"]


@BOTH
def test_what_is_as_large_as_the_bound_arrives(make_server: MakeServer, transport: str) -> None:
    pair = Pair(small_world(make_server), transport)
    head = len('2["big",""]')
    pair.socket.emit("big", "x" * (BOUND - head))
    assert pair.client.event()[0] == "big"
    with pytest.raises(MessageTooLarge):
        pair.socket.emit("big", "x" * (BOUND - head + 1))


def test_a_broadcast_is_refused_before_anybody_has_it(make_server: MakeServer) -> None:
    world = small_world(make_server)
    clients = [world.network.joined(transport) for transport in ("websocket", "polling")]
    with pytest.raises(MessageTooLarge):
        world.io.emit("big", LARGE)
    world.io.emit("small")
    assert [client.event() for client in clients] == [["small"]] * 2


def test_a_broadcast_that_is_refused_is_not_kept_for_those_who_come_back(
    make_server: MakeServer,
) -> None:
    world = small_world(make_server, connection_state_recovery={})
    adapter = world.io.of("/").adapter
    before = adapter.current_offset()
    with pytest.raises(MessageTooLarge):
        world.io.emit("big", LARGE)
    assert adapter.current_offset() == before


@BOTH
def test_an_answer_is_reported_as_what_cannot_be_sent(
    make_server: MakeServer, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    pair = Pair(small_world(make_server), transport)
    pair.socket.on("question", lambda: LARGE)
    pair.client.emit("question", ack_id=1)
    (error,) = wait_until(lambda: [record for record in caplog.records if record.exc_info])
    assert error.exc_info is not None
    assert isinstance(error.exc_info[1], MessageTooLarge)
    pair.socket.emit("small")
    assert pair.client.event() == ["small"]


def test_from_another_thread_it_raises_there(make_server: MakeServer) -> None:
    pair = Pair(small_world(make_server))
    raised: list[str] = []

    def work() -> None:
        for way in ("socket.emit", "a callback", "io.emit"):
            try:
                WAYS[way](pair, LARGE)
            except MessageTooLarge:
                raised.append(way)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: not thread.is_alive())
    assert raised == ["socket.emit", "a callback", "io.emit"]


def test_a_pattern_of_namespaces_refuses_it_without_any(make_server: MakeServer) -> None:
    world = small_world(make_server)
    with pytest.raises(MessageTooLarge):
        world.io.of(re.compile("/room-.*")).emit("big", LARGE)


@pytest.mark.parametrize("parser", [MsgpackParser, DefaultParser, DefaultParser()])
def test_every_parser_is_bounded(make_server: MakeServer, parser: Any) -> None:
    world = small_world(make_server, parser=parser)
    with pytest.raises(MessageTooLarge):
        world.io.emit("big", LARGE)


def test_events_for_other_servers_are_not_for_clients(make_server: MakeServer) -> None:
    small_world(make_server).io.server_side_emit("big", LARGE)


def test_an_option_that_changes_later_holds_for_namespaces_that_are_there(
    make_server: MakeServer,
) -> None:
    world = make_server()
    world.io.of("/chat")
    world.io.configure({"max_buffered_bytes": BOUND})
    with pytest.raises(MessageTooLarge):
        world.io.of("/chat").emit("big", LARGE)


def test_twenty_megabytes_are_delivered_by_default(server: ServerWorld) -> None:
    pair = Pair(server)
    value = "x" * 20_000_000
    Later(pair.socket.emit, "big", value)
    assert pair.client.event() == ["big", value]
