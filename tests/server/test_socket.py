"""One client in one namespace: events, rooms, and what it knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import settle, wait_until
from tests.server.pair import Pair
from tests.worlds import ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


# --- events


def test_events_arrive_with_their_arguments(each: Pair) -> None:
    each.note("event")
    each.client.emit("event", 1, "é", [None, {"a": 1.5}])
    each.client.emit("event")
    each.client.emit("nobody listens")
    settle()
    assert each.seen == [("event", 1, "é", [None, {"a": 1.5}]), ("event",)]


def test_binary_arguments_arrive_and_leave(each: Pair) -> None:
    each.note("event")
    each.client.send('51-["event",{"_placeholder":true,"num":0}]', b"\x00\xff")
    settle()
    assert each.seen == [("event", b"\x00\xff")]
    each.socket.emit("event", b"\x01", {"deep": bytearray(b"\x02")})
    assert each.client.receive().startswith('52-["event",{"_placeholder":true,"num":0}')
    assert [each.client.receive(), each.client.receive()] == [b"\x01", b"\x02"]


def test_events_are_emitted_with_their_arguments(each: Pair) -> None:
    each.socket.emit("event", 1, "é", (2, None))
    each.socket.send("text")
    each.socket.write("text", 2)
    assert each.client.event() == ["event", 1, "é", [2, None]]
    assert each.client.event() == ["message", "text"]
    assert each.client.event() == ["message", "text", 2]


def test_events_of_one_client_never_run_out_of_order(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event")
    each.client.emit("slow")
    for number in range(5):
        each.client.emit("event", number)
    settle()
    assert each.seen == ["slow begins"]
    release.set()
    wait_until(lambda: len(each.seen) == 7)
    assert each.seen[1:] == ["slow ends", *[("event", number) for number in range(5)]]


def test_one_client_that_blocks_does_not_hold_up_another(server: ServerWorld) -> None:
    first = Pair(server)
    release = first.block_on("slow")
    second = server.network.joined()
    first.sockets[-1].on("event", lambda: "yes")
    first.client.emit("slow")
    assert second.call("event") == ["yes"]
    release.set()


def test_a_concurrent_handler_runs_beside_one_that_blocks(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event", concurrent=True)
    each.client.emit("slow")
    each.client.emit("event")
    settle()
    assert each.seen == ["slow begins", ("event",)]
    release.set()
    wait_until(lambda: len(each.seen) == 3)


def test_a_handler_for_once_runs_once(pair: Pair) -> None:
    pair.socket.once("event", pair.seen.append)
    for number in range(3):
        pair.client.emit("event", number)
    settle()
    assert pair.seen == [0]


def test_handlers_run_in_the_order_of_registration(pair: Pair) -> None:
    pair.socket.on("event", lambda: pair.seen.append("first"))
    pair.socket.on("event", lambda: pair.seen.append("second"))
    pair.client.emit("event")
    settle()
    assert pair.seen == ["first", "second"]


@pytest.mark.parametrize("event", ["connection", "error", "__init__", "on_close", "message", ""])
def test_an_event_of_any_name_reaches_its_handler_and_nothing_else(pair: Pair, event: str) -> None:
    pair.note(event)
    pair.client.emit(event, "from the client")
    settle()
    assert pair.seen == [(event, "from the client")]
    assert pair.socket.connected
    assert not pair.socket.disconnected


@pytest.mark.parametrize(
    "event",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
def test_a_reserved_event_from_the_client_closes_the_connection(pair: Pair, event: str) -> None:
    pair.note(event)
    pair.socket.on("disconnect", lambda reason: pair.seen.append(reason))
    pair.client.emit(event, "forged")
    wait_until(lambda: pair.seen)
    settle()
    assert [seen for seen in pair.seen if "forged" in seen] == []
    assert "forced close" in pair.seen


# --- volatile, compress


def test_a_volatile_event_is_dropped_unless_a_get_waits(server: ServerWorld) -> None:
    pair = Pair(server, "polling")
    pair.socket.volatile.emit("dropped")
    get = pair.client.line.start_get()  # type: ignore[attr-defined]
    settle()
    pair.socket.volatile.emit("first")
    pair.socket.volatile.emit("second")  # the response is on its way
    assert get.get(timeout=1).packets == ['42["first"]']


def test_a_volatile_binary_event_is_dropped_as_a_whole(server: ServerWorld) -> None:
    pair = Pair(server, "polling")
    pair.socket.volatile.emit("dropped", b"\x00", b"\x01")
    pair.socket.emit("kept")
    assert pair.client.event() == ["kept"]


# --- rooms


def test_a_socket_is_in_the_room_of_its_id(pair: Pair) -> None:
    assert pair.socket.rooms == {pair.socket.id}


def test_a_socket_joins_and_leaves_rooms(pair: Pair) -> None:
    pair.socket.join("a")
    pair.socket.join(["b", "c"])
    pair.socket.leave("b")
    pair.socket.leave("never joined")
    assert pair.socket.rooms == {pair.socket.id, "a", "c"}
    pair.socket.rooms.clear()  # a copy
    assert "a" in pair.socket.rooms


@pytest.mark.parametrize("room", [None, 5, [None], b"a"])
def test_only_strings_name_rooms(pair: Pair, room: Any) -> None:
    with pytest.raises(TypeError, match="a room must be a string, not"):
        pair.socket.join(room)
    with pytest.raises(TypeError, match="a room must be a string, not"):
        pair.socket.leave(room)


def test_a_socket_that_has_left_joins_nothing(pair: Pair) -> None:
    pair.client.disconnect()
    settle()
    pair.socket.join("a")
    assert pair.socket.rooms == set()
    assert pair.server.io.sockets.adapter.rooms == {}
    assert pair.server.io.sockets.adapter.sids == {}


# --- what a socket knows


def test_a_socket_knows_its_client(pair: Pair) -> None:
    socket = pair.socket
    assert socket.connected
    assert not socket.recovered
    assert socket.data == {}
    assert len(socket.id) == 20
    assert socket.id != socket.conn.id
    assert socket.nsp is pair.server.io.sockets
    assert socket.client.conn is socket.conn
    assert socket.conn.transport.name == "websocket"
    assert socket.request["REMOTE_ADDR"] == "127.0.0.1"
    assert socket.id in repr(socket)


def test_emitting_to_a_client_that_is_gone_is_harmless(each: Pair) -> None:
    each.client.line.leave()
    settle()
    each.socket.emit("event")
    each.socket.volatile.emit("event")
    each.socket.to("room").emit("event")
    each.socket.emit("event", ack=lambda *args: each.seen.append(args))
    settle()
    assert not each.socket.connected
    assert each.seen == []


def test_nothing_follows_the_disconnect_packet(pair: Pair) -> None:
    pair.server.io.of("/other")
    pair.client.connect("/other")
    pair.socket.disconnect()
    pair.socket.emit("too late")
    pair.server.io.of("/other").emit("event")
    assert pair.client.receive() == "1"
    assert pair.client.receive() == '2/other,["event"]'
