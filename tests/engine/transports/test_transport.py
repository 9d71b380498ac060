"""What a session may expect of every transport."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from gevent import socket

from flask_realtime.codec.message import Message
from flask_realtime.engine.traffic import Traffic
from flask_realtime.engine.transports.polling import PollingTransport
from flask_realtime.engine.transports.transport import SlowClient, Transport
from flask_realtime.engine.transports.websocket import WebSocketTransport
from tests.engine.transports.test_websocket import RecordingOwner
from tests.fakes import settle

LIMIT = 300_000


class World:
    """A transport whose client reads nothing."""

    def __init__(self, name: str) -> None:
        self.owner = RecordingOwner()
        self.server, self.client = socket.socketpair()
        self.transport: Transport
        if name == "polling":
            self.transport = PollingTransport(self.owner, LIMIT)
        else:
            websocket = WebSocketTransport(self.server, 1000, LIMIT, Traffic())
            websocket.start(self.owner)
            self.transport = websocket

    def fill(self) -> None:
        """Send until packets wait for the client."""
        while not self.transport.buffered_bytes:
            self.transport.send(Message(b"x" * 50_000))


@pytest.fixture(params=["polling", "websocket"])
def world(request: pytest.FixtureRequest, quiet_hub: io.StringIO) -> Iterator[World]:
    world = World(request.param)
    yield world
    world.transport.abort()
    world.server.close()
    world.client.close()


def test_it_has_the_name_that_clients_use(world: World, request: pytest.FixtureRequest) -> None:
    assert f"[{world.transport.name}]" in request.node.name


def test_it_is_not_writable_while_packets_wait(world: World) -> None:
    world.fill()
    assert world.transport.buffered_bytes > 0
    assert not world.transport.writable


def test_more_than_the_bound_ends_it_in_the_hub(world: World) -> None:
    for _ in range(40):
        world.transport.send(Message(b"x" * 50_000))
    assert world.owner.losses == []
    settle()
    ((reason, error),) = world.owner.losses
    assert reason == "transport error"
    assert isinstance(error, SlowClient)


def test_an_abort_tells_nobody_and_twice_is_harmless(world: World) -> None:
    world.fill()
    world.transport.abort()
    world.transport.abort()
    settle()
    assert world.owner.losses == []


@pytest.mark.parametrize(
    "use",
    [
        lambda transport: transport.send(Message(b"x", [b"y"])),
        lambda transport: transport.send_control("2"),
        lambda transport: transport.pause(),
        lambda transport: transport.resume(),
        lambda transport: transport.close(),
    ],
    ids=["send", "send_control", "pause", "resume", "close"],
)
def test_after_an_abort_every_use_is_harmless(world: World, use: Any) -> None:
    world.transport.abort()
    use(world.transport)
    settle()
    assert world.owner.losses == []
    assert world.transport.buffered_bytes == 0


def test_a_second_close_is_harmless(world: World) -> None:
    world.transport.close()
    world.transport.close(1001)
    settle()
    assert world.owner.losses == []
