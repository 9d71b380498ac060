"""A client in its namespace: its events, its claims on them, its acknowledgements."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.errors import SocketDisconnected
from flask_realtime.server.server import BaseServer
from flask_realtime.testing import settle
from flask_realtime.testing.bench import Bench
from flask_realtime.testing.member import Member


@pytest.fixture
def member() -> Member:
    return Member("/", Bench(BaseServer()))


def event(*args: Any) -> Packet:
    return Packet(PacketType.EVENT, "/", list(args))


def test_an_event_is_claimed_once_and_stays_received(member: Member) -> None:
    for packet in (event("a", 1), event("b"), event("a", 1)):
        member.on_packet(packet)
    for _ in range(2):
        found = member.first("a")
        assert found == ("a", 1)
        member.claim(found)
    assert member.first("a") is None
    assert member.received == [("a", 1), ("b",), ("a", 1)]
    member.clear()
    assert (member.received, member.first("b")) == ([], None)


def test_a_packet_says_what_becomes_of_the_client(member: Member) -> None:
    assert member.is_decided, "there is no connection to wait for"
    member.on_packet(Packet(PacketType.CONNECT_ERROR, "/", {"message": "no", "data": [1]}))
    assert member.refusal is not None
    assert (member.refusal.message, member.refusal.data) == ("no", [1])
    member.on_packet(Packet(PacketType.CONNECT, "/", {"sid": "abc"}))
    assert (member.id, member.is_connected, member.reason) == ("abc", True, "")
    member.on_packet(Packet(PacketType.DISCONNECT, "/"))
    assert (member.is_connected, member.reason) == (False, "io server disconnect")
    member.on_close("transport close")
    assert member.reason == "io server disconnect", "the first reason stays"


def test_a_client_that_is_not_connected_sends_nothing(member: Member) -> None:
    with pytest.raises(SocketDisconnected, match="it has not connected"):
        member.send("hello", ())
    member.leave()


def test_an_answer_that_was_not_asked_for_is_dropped(member: Member) -> None:
    member.on_packet(Packet(PacketType.ACK, "/", ["late"], 7))
    member.on_packet(Packet(PacketType.ACK, "/", ["odd"]))


def test_what_a_handler_raises_is_an_error_of_the_test() -> None:
    bench = Bench(BaseServer())
    member = Member("/", bench)
    member.handlers["a"] = lambda: 1 / 0
    member.on_packet(event("a"))
    settle()
    assert [type(error) for error in bench.take_errors()] == [ZeroDivisionError]
