"""A WebSocket whose client is behind: who reads stays, who does not is given up."""

from __future__ import annotations

import contextlib
import io
import socket as plain_socket
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from flask_realtime.codec.message import Message
from flask_realtime.engine.traffic import Traffic
from flask_realtime.engine.transports.backlog import HARD, STALL
from flask_realtime.engine.transports.websocket import WebSocketTransport
from flask_realtime.errors import SlowClient
from flask_realtime.testing import ManualTime
from flask_realtime.testing.frames import FrameReader
from tests.engine.transports.test_websocket import RecordingOwner
from tests.fakes import settle, wait_until

BOUND = 1_000_000
MESSAGE = Message(b"x" * 50_000)


class World:
    """A transport with small buffers below it, and a clock that stands still."""

    def __init__(self) -> None:
        self.server, self.client = socket.socketpair()
        self.owner = RecordingOwner()
        self.time = ManualTime()
        self.transport = WebSocketTransport(self.server, 1000, BOUND, Traffic(), clock=self.time)
        self.transport.start(self.owner)
        self.frames = FrameReader()

    def send(self, size: int) -> None:
        """Send messages of so many bytes in one turn."""
        for _ in range(size // 50_000):
            self.transport.send(MESSAGE)

    def fill(self, size: int) -> None:
        """Send until so many bytes wait."""
        while self.transport.buffered_bytes < size:
            self.transport.send(MESSAGE)

    def read(self, size: int) -> None:
        """Read in this turn, so that the hub writes nothing meanwhile."""
        raw = plain_socket.socket(fileno=self.client.fileno())
        try:
            while size > 0:
                with contextlib.suppress(BlockingIOError):
                    data = raw.recv(size, plain_socket.MSG_DONTWAIT)
                    self.frames.feed(data)
                    size -= len(data)
                    continue
                break
        finally:
            raw.detach()

    @property
    def error(self) -> str:
        """Why the client was given up; empty when it was not."""
        settle()
        for reason, error in self.owner.losses:
            assert reason == "transport error"
            assert isinstance(error, SlowClient)
            return str(error)
        return ""


@pytest.fixture
def world(quiet_hub: io.StringIO) -> Iterator[World]:
    world = World()
    yield world
    world.transport.abort()
    world.server.close()
    world.client.close()


def test_a_burst_above_the_bound_reaches_a_client_that_reads(world: World) -> None:
    received: list[int] = []

    def read() -> None:
        while sum(received) < 60 * 50_000:
            world.frames.feed(world.client.recv(262_144))
            while (found := world.frames.next()) is not None:
                received.append(len(found[1]) - 1)

    reader = gevent.spawn(read)
    gevent.sleep(0)
    world.send(60 * 50_000)
    assert world.transport.buffered_bytes > 2 * BOUND
    wait_until(reader.ready)
    assert received == [50_000] * 60
    assert world.error == ""
    wait_until(lambda: world.owner.drains == 1)
    assert world.transport.writable


def test_a_burst_in_one_turn_ends_at_the_hard_bound(world: World) -> None:
    world.send(HARD * BOUND + 1_000_000)
    assert "bytes wait, over 4 times max_buffered_bytes (1,000,000)" in world.error


def test_a_client_that_does_not_read_is_given_up_after_a_while(world: World) -> None:
    world.fill(BOUND + 1)
    world.time.now += STALL + 1
    world.send(50_000)
    assert "max_buffered_bytes (1,000,000), and the client has stopped reading" in world.error


def test_below_the_bound_it_may_stop_for_as_long_as_it_likes(world: World) -> None:
    world.fill(BOUND // 2)
    world.time.now += 3600
    world.send(100_000)
    assert world.error == ""


def test_a_client_that_reads_while_the_hub_is_busy_has_read(world: World) -> None:
    world.fill(BOUND + 1)
    # Only the emitter runs here: the watcher that writes does not have its turn.
    for _ in range(10):
        world.read(200_000)
        world.time.now += STALL - 1
        world.send(50_000)
    assert world.error == ""


def test_who_was_behind_and_caught_up_begins_anew(world: World) -> None:
    world.fill(BOUND + 1)
    while world.transport.buffered_bytes > BOUND // 2:
        world.read(100_000)
        settle()
    world.time.now += 3600
    world.fill(BOUND + 1)
    world.send(100_000)
    assert world.error == ""
    world.time.now += STALL + 1
    world.send(50_000)
    assert "has stopped reading" in world.error


def test_a_peer_that_goes_above_the_bound_is_a_loss_and_no_slow_client(world: World) -> None:
    world.fill(BOUND + 1)
    world.client.close()
    world.send(100_000)
    settle()
    ((reason, error),) = world.owner.losses
    assert reason == "transport error"
    assert isinstance(error, OSError)
