"""The WebSocket transport of protocol 3, over a WebSocket that keeps what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.engine.transports.revision3 import WebSocketTransport3
from flask_realtime.engine.transports.transport import TransportOwner
from flask_realtime.errors import PacketError
from tests.engine.transports.test_websocket import RecordingOwner


class RecordingWebSocket:
    """A transport that keeps what it is told."""

    name = "websocket"
    writable = True
    buffered_bytes = 7

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.owner: TransportOwner | None = None

    def start(self, owner: TransportOwner, leftover: bytes = b"") -> None:
        self.owner = owner
        self.calls.append(("start", leftover))

    def hand_over(self, owner: TransportOwner) -> None:
        self.owner = owner

    def send(self, message: Message) -> None:
        self.calls.append((message.text, *message.attachments))

    def send_packet(self, packet: bytes) -> None:
        self.calls.append(("packet", packet))

    def send_control(self, packet: str) -> None:
        self.calls.append(("control", packet))

    def pause(self) -> None:
        self.calls.append(("pause",))

    def resume(self) -> None:
        self.calls.append(("resume",))

    def close(self, code: int | None = None) -> None:
        self.calls.append(("close", code))

    def abort(self) -> None:
        self.owner = None
        self.calls.append(("abort",))


class World:
    def __init__(self, takes_binary: bool = True) -> None:
        self.websocket = RecordingWebSocket()
        self.transport = WebSocketTransport3(self.websocket, takes_binary)
        self.owner = RecordingOwner()
        self.transport.start(self.owner)
        self.websocket.calls.clear()

    def arrives(self, packet: str | bytes) -> None:
        assert self.websocket.owner is not None
        self.websocket.owner.receive(packet)


@pytest.fixture
def world() -> World:
    return World()


def test_text_goes_through_as_it_is(world: World) -> None:
    message = Message(b'2["a"]')
    world.transport.send(message)
    world.transport.send_control("3")
    world.transport.send_packet(b'42["b"]')
    assert world.websocket.calls == [(b'2["a"]',), ("control", "3"), ("control", '42["b"]')]
    world.arrives("42[]")
    world.arrives("2probe")
    assert world.owner.packets == ["42[]", "2probe"]


def test_binary_has_its_type_in_front(world: World) -> None:
    world.transport.send(Message(b"51-[]", [b"\x01"]))
    world.transport.send_packet(b"\x04\x02")
    assert world.websocket.calls == [(b"51-[]", b"\x04\x01"), (None, b"\x04\x02")]
    world.arrives(b"\x04\x01\x02")
    world.arrives(b"\x04")
    world.arrives("b4AQID")
    assert world.owner.packets == [b"\x01\x02", b"", b"\x01\x02\x03"]


def test_who_cannot_take_binary_gets_base64() -> None:
    world = World(takes_binary=False)
    world.transport.send(Message(b'2["a"]'))
    world.transport.send(Message(b"51-[]", [b"\x01\x02\x03"]))
    world.transport.send_packet(b"\x04\x01\x02\x03")
    assert world.websocket.calls == [
        (b'2["a"]',),
        ("control", "451-[]"),
        ("control", "b4AQID"),
        ("control", "b4AQID"),
    ]


@pytest.mark.parametrize("packet", ["", "7", "x", "b", "b4!", "b2AQID", b"", b"4a", b"\x02"])
def test_what_cannot_be_read_ends_the_transport(world: World, packet: str | bytes) -> None:
    world.arrives(packet)
    assert world.websocket.calls == [("abort",)]
    assert [reason for reason, _ in world.owner.losses] == ["parse error"]
    assert isinstance(world.owner.losses[0][1], PacketError)
    assert world.owner.packets == []


def test_the_rest_is_passed_on(world: World) -> None:
    transport = world.transport
    transport.pause()
    transport.resume()
    transport.close(1001)
    assert world.websocket.calls == [("pause",), ("resume",), ("close", 1001)]
    assert (transport.name, transport.writable, transport.buffered_bytes) == ("websocket", True, 7)
    transport.drained()
    assert world.owner.drains == 1


def test_another_owner_takes_over(world: World) -> None:
    second = RecordingOwner()
    world.transport.hand_over(second)
    world.arrives("4a")
    world.transport.lost("transport close")
    assert (world.owner.packets, world.owner.losses) == ([], [])
    assert (second.packets, second.losses) == (["4a"], [("transport close", None)])


def test_the_owner_hears_of_the_end_once_and_not_of_its_own(world: World) -> None:
    world.transport.lost("transport close")
    world.transport.lost("transport error")
    world.transport.drained()
    assert world.owner.losses == [("transport close", None)]
    other = World()
    other.transport.abort()
    other.transport.lost("transport close")
    assert other.owner.losses == []
    assert other.websocket.calls == [("abort",)]
