"""Broadcasts: whom, how, and what becomes of the acknowledgements."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flask_realtime import BroadcastOperator
from flask_realtime.rooms import room_set
from flask_realtime.server.event_names import check_event
from tests.clients import Closed
from tests.fakes import wait_until
from tests.server.crowd import Crowd
from tests.worlds import ServerWorld

RESERVED = [
    "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
]  # fmt: skip


# --- whom


def test_without_rooms_everybody_is_meant(crowd: Crowd) -> None:
    crowd.io.emit("news")
    assert crowd.heard() == "abcd"


@pytest.mark.parametrize(
    ("rooms", "expected"),
    [
        (("r1",), "ab"),
        (("r1", "r2"), "abc"),
        ((["r1", "r2"],), "abc"),
        ((("r1",), {"r2"}), "abc"),
        (("nobody",), ""),
    ],
)
@pytest.mark.parametrize("word", ["to", "in_"])
def test_rooms_are_united_and_each_socket_is_meant_once(
    crowd: Crowd, word: str, rooms: Any, expected: str
) -> None:
    getattr(crowd.io, word)(*rooms).emit("news")
    assert crowd.heard() == expected


def test_calls_add_up(crowd: Crowd) -> None:
    crowd.io.to("r1").in_("r2").emit("news")
    assert crowd.heard() == "abc"


def test_rooms_are_left_out(crowd: Crowd) -> None:
    crowd.io.except_("r2").emit("news")
    assert crowd.heard() == "ad"
    crowd.io.to("r1").except_(["r2"]).emit("news")
    assert crowd.heard() == "a"


def test_the_id_of_a_socket_is_a_room(crowd: Crowd) -> None:
    crowd.io.to(crowd.sids["c"]).emit("news")
    assert crowd.heard() == "c"
    crowd.io.except_(crowd.sids["c"]).emit("news")
    assert crowd.heard() == "abd"


def test_a_socket_leaves_itself_out(crowd: Crowd) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["b"]]
    socket.broadcast.emit("news")
    assert crowd.heard() == "acd"
    socket.to("r1").emit("news")
    assert crowd.heard() == "a"
    socket.in_("r1", "r2").emit("news")
    assert crowd.heard() == "ac"
    socket.except_("r2").emit("news")
    assert crowd.heard() == "ad"
    socket.to(socket.id).emit("news")
    assert crowd.heard() == ""
    socket.local.emit("news")
    assert crowd.heard() == "acd"


def test_an_operator_is_a_value_that_can_be_kept(crowd: Crowd) -> None:
    room = crowd.io.to("r1")
    widened = room.to("r2")
    narrowed = room.except_("r2")
    assert len({id(room), id(widened), id(narrowed)}) == 3
    for _ in range(2):
        room.emit("news")
        assert crowd.heard() == "ab"
    narrowed.emit("news")
    assert crowd.heard() == "a"
    widened.emit("news")
    assert crowd.heard() == "abc"


@pytest.mark.parametrize(
    "modify",
    [
        lambda operator: operator.to("x"),
        lambda operator: operator.in_("x"),
        lambda operator: operator.except_("x"),
        lambda operator: operator.local,
        lambda operator: operator.volatile,
        lambda operator: operator.compress(False),
        lambda operator: operator.timeout(1),
    ],
)
def test_every_modifier_returns_another_operator(server: ServerWorld, modify: Any) -> None:
    operator = server.io.to("r1")
    changed = modify(operator)
    assert isinstance(changed, BroadcastOperator)
    assert changed is not operator


@pytest.mark.parametrize("room", [None, 5, b"r1", ["r1", None]])
def test_a_room_is_named_by_a_string(server: ServerWorld, room: Any) -> None:
    with pytest.raises(TypeError, match="room"):
        server.io.to(room)


def test_rooms_of_all_kinds_become_one_set() -> None:
    assert room_set(["a", ["b", ("c",)], {"d"}]) == frozenset("abcd")
    assert room_set([]) == frozenset()


# --- what


@pytest.mark.parametrize("event", RESERVED)
def test_reserved_names_cannot_be_emitted(crowd: Crowd, event: str) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["a"]]
    for emitter in (crowd.io, crowd.io.to("r1"), crowd.io.sockets, socket, socket.broadcast):
        for emit in (emitter.emit, emitter.emit_with_ack):
            with pytest.raises(ValueError, match=f'"{event}" is a reserved event name'):
                emit(event)
    assert crowd.heard() == ""


@pytest.mark.parametrize("event", ["error", "connection", "message", "ping", "", "é"])
def test_other_names_are_free(event: str) -> None:
    check_event(event)


@pytest.mark.parametrize("event", [None, 5, b"event"])
def test_a_name_is_a_string(event: Any) -> None:
    with pytest.raises(TypeError):
        check_event(event)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1, {"a": math.nan}]])
def test_numbers_that_json_cannot_carry_raise_at_the_emit(crowd: Crowd, value: Any) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["a"]]
    for emit in (crowd.io.emit, crowd.io.to("nobody").emit, socket.emit, socket.volatile.emit):
        with pytest.raises(ValueError):  # noqa: PT011 - the text is the JSON library's
            emit("news", value)
    assert crowd.heard() == ""


def test_values_that_json_cannot_carry_raise_at_the_emit(crowd: Crowd) -> None:
    with pytest.raises(TypeError):
        crowd.io.emit("news", object())
    with pytest.raises(TypeError):
        crowd.io.emit_with_ack("news", object())


def test_send_and_write_emit_messages(crowd: Crowd) -> None:
    client = crowd.clients["a"]
    for emitter in (crowd.io, crowd.io.to("r1"), crowd.io.sockets):
        emitter.send("x", 1)
        assert client.event() == ["message", "x", 1]
        emitter.write("y")
        assert client.event() == ["message", "y"]


def test_a_volatile_broadcast_reaches_those_who_can_take_it(crowd: Crowd) -> None:
    crowd.io.volatile.emit("news")  # no polling client has a GET under way
    assert crowd.heard() == "bd"


# --- acting


def test_sockets_are_fetched_with_what_they_know(crowd: Crowd) -> None:
    assert {socket.id for socket in crowd.io.fetch_sockets()} == set(crowd.sids.values())
    (found,) = crowd.io.in_("r1").except_("r2").fetch_sockets()
    assert found.id == crowd.sids["a"]
    assert found.rooms == {found.id, "r1"}
    assert found.handshake.auth["name"] == "a"
    assert crowd.io.to("nobody").fetch_sockets() == []
    assert crowd.io.all_sockets() == set(crowd.sids.values())
    assert crowd.io.in_("r1").except_("r2").all_sockets() == {found.id}


def test_sockets_are_made_to_join_and_to_leave(crowd: Crowd) -> None:
    crowd.io.in_("r1").sockets_join(["r3", "r4"])
    crowd.io.to("r3").emit("news")
    assert crowd.heard() == "ab"
    crowd.io.in_("r2").sockets_leave("r3")
    crowd.io.to("r3").emit("news")
    assert crowd.heard() == "a"
    crowd.io.sockets_join("all")
    crowd.io.to("all").emit("news")
    assert crowd.heard() == "abcd"
    crowd.io.sockets_leave(["all", "r1"])
    crowd.io.to("all", "r1").emit("news")
    assert crowd.heard() == ""


def test_sockets_are_disconnected(crowd: Crowd) -> None:
    crowd.io.in_("r1").disconnect_sockets()
    for name in "ab":
        assert crowd.clients.pop(name).receive() == "1"
    crowd.io.emit("news")
    assert crowd.heard() == "cd"


def test_connections_are_closed_with_their_sockets(crowd: Crowd, server: ServerWorld) -> None:
    crowd.io.disconnect_sockets(close=True)
    for client in crowd.clients.values():
        assert client.receive() == "1"
        with pytest.raises(Closed):
            client.receive()
    for client in crowd.clients.values():
        if hasattr(client.line, "ended"):
            client.line.leave()
    wait_until(lambda: server.io.engine.clients_count == 0)
