"""The WebSocket transport on real non-blocking sockets."""

from __future__ import annotations

import contextlib
import io
import socket as plain_socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime.codec.message import Message
from flask_realtime.engine.traffic import Traffic
from flask_realtime.engine.transports.websocket import WebSocketTransport
from flask_realtime.errors import FrameError, SlowClient
from flask_realtime.testing.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    frame,
    text_frame,
)
from tests.fakes import reset, settle, tcp_pair, wait_until

LIMIT = 100_000


class RecordingOwner:
    """Keeps what a transport reports."""

    def __init__(self) -> None:
        self.packets: list[str | bytes] = []
        self.losses: list[tuple[str, object]] = []
        self.drains = 0
        self.on_packet: Callable[[str | bytes], Any] = lambda packet: None

    def receive(self, packet: str | bytes) -> None:
        self.packets.append(packet)
        self.on_packet(packet)

    def lost(self, reason: str, description: object = None) -> None:
        self.losses.append((reason, description))

    def drained(self) -> None:
        self.drains += 1


class World:
    def __init__(self, *, tcp: bool = False, limit: int = LIMIT, max_size: int = 500_000) -> None:
        self.server, self.client = tcp_pair() if tcp else socket.socketpair()
        for sock in (self.server, self.client):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.owner = RecordingOwner()
        self.transport = WebSocketTransport(self.server, max_size, limit, Traffic())
        self.frames = FrameReader()

    def start(self, leftover: bytes = b"") -> World:
        self.transport.start(self.owner, leftover)
        return self

    def send(self, *frames: bytes) -> None:
        sender = gevent.spawn(self.client.sendall, b"".join(frames))
        wait_until(sender.ready, "the frames to be sent")
        sender.get()
        settle()

    def read_now(self, size: int = 1_000_000) -> int:
        """What has arrived already, without giving the hub a chance to run."""
        raw = plain_socket.socket(fileno=self.client.fileno())
        try:
            data = raw.recv(size, plain_socket.MSG_DONTWAIT)
        finally:
            raw.detach()
        self.frames.feed(data)
        return len(data)

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame; None at the end of the stream."""
        while (found := self.frames.next()) is None:
            data = self.client.recv(65536)
            if not data:
                return None
            self.frames.feed(data)
        return found

    def close(self) -> None:
        self.transport.abort()
        self.server.close()
        self.client.close()


@pytest.fixture
def make(quiet_hub: io.StringIO) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def build(**options: Any) -> World:
        made.append(World(**options))
        return made[-1]

    yield build
    for world in made:
        world.close()


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make().start()


# --- reading


def test_text_and_binary_messages_arrive_in_order(world: World) -> None:
    world.send(text_frame("4a"), frame(BINARY, b"\x00\xff"), text_frame("4b"))
    assert world.owner.packets == ["4a", b"\x00\xff", "4b"]


def test_a_message_of_many_reads_arrives_whole(world: World) -> None:
    text = "4" + "x" * 300_000
    world.send(text_frame(text), text_frame("4y"))
    assert world.owner.packets == [text, "4y"]


def test_a_message_of_single_bytes_arrives_whole(world: World) -> None:
    for byte in text_frame("4hello"):
        world.send(bytes((byte,)))
    assert world.owner.packets == ["4hello"]


def test_what_the_host_had_read_is_taken_first(make: Callable[..., World]) -> None:
    data = text_frame("4first")
    world = make().start(data + text_frame("4second")[:3])
    world.send(text_frame("4second")[3:], text_frame("4third"))
    assert world.owner.packets == ["4first", "4second", "4third"]


def test_while_paused_nothing_is_read(world: World) -> None:
    world.transport.pause()
    world.send(text_frame("4a"))
    assert world.owner.packets == []
    world.transport.resume()
    settle()
    assert world.owner.packets == ["4a"]


def test_a_ping_frame_is_answered_with_its_payload(world: World) -> None:
    world.send(frame(PING, b"hi"))
    assert world.receive() == (PONG, b"hi")
    assert world.owner.packets == []


def test_a_pong_frame_is_ignored(world: World) -> None:
    world.send(frame(PONG, b""), text_frame("4a"))
    assert world.owner.packets == ["4a"]


def test_the_messages_behind_the_one_that_ends_it_are_not_delivered(world: World) -> None:
    world.owner.on_packet = lambda packet: world.transport.abort()
    world.send(text_frame("4a"), text_frame("4b"))
    assert world.owner.packets == ["4a"]


def test_after_a_hand_over_the_next_owner_gets_what_follows(world: World) -> None:
    second = RecordingOwner()
    world.owner.on_packet = lambda packet: world.transport.hand_over(second)
    world.send(text_frame("5"), text_frame("4a"))
    assert (world.owner.packets, second.packets) == (["5"], ["4a"])


# --- the end


def test_fin_is_a_transport_close_and_reported_once(world: World) -> None:
    world.client.close()
    settle()
    assert world.owner.losses == [("transport close", None)]
    assert not world.transport.is_open
    world.transport.abort()
    settle()
    assert len(world.owner.losses) == 1


def test_rst_is_a_transport_error(make: Callable[..., World]) -> None:
    world = make(tcp=True).start()
    reset(world.client)
    wait_until(lambda: world.owner.losses)
    ((reason, error),) = world.owner.losses
    assert reason == "transport error"
    assert isinstance(error, ConnectionResetError)


def test_a_close_frame_is_answered_with_its_code(world: World) -> None:
    world.send(frame(CLOSE, (1001).to_bytes(2, "big") + b"bye"))
    assert world.receive() == (CLOSE, (1001).to_bytes(2, "big"))
    assert world.receive() is None
    assert world.owner.losses == [("transport close", None)]


def test_a_close_frame_without_a_code_is_answered_without_one(world: World) -> None:
    world.send(frame(CLOSE, b""))
    assert world.receive() == (CLOSE, b"")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff\xfe"), 1007),
        (bytes((0x81, 2)) + b"4a", 1002),
        (bytes((0xC1, 0x82, 0, 0, 0, 0)) + b"4a", 1002),
        (bytes((0x81, 0xFF)) + (600_000).to_bytes(8, "big"), 1009),
    ],
    ids=["no UTF-8", "unmasked", "reserved bit", "too large"],
)
def test_a_broken_frame_is_answered_with_its_close_code(
    world: World, data: bytes, code: int
) -> None:
    world.send(text_frame("4before"), data, text_frame("4after"))
    # A status and no text; the text is for the log.
    assert world.receive() == (CLOSE, code.to_bytes(2, "big"))
    assert world.receive() is None
    ((reason, error),) = world.owner.losses
    assert reason == "transport error"
    assert str(error)
    assert isinstance(error, FrameError)
    assert world.owner.packets == ["4before"]


def test_a_close_waits_for_the_answer_of_the_client(world: World) -> None:
    world.transport.close(1001)
    settle()
    assert world.receive() == (CLOSE, (1001).to_bytes(2, "big"))
    assert world.owner.losses == []
    assert not world.transport.writable
    world.send(text_frame("4late"), frame(CLOSE, (1001).to_bytes(2, "big")))
    assert world.owner.losses == [("transport close", None)]
    assert world.owner.packets == []
    assert world.receive() is None


def test_a_second_close_says_nothing(world: World) -> None:
    world.transport.close()
    world.transport.close()
    settle()
    world.transport.abort()
    assert world.receive() == (CLOSE, b"")
    assert world.receive() is None


def test_a_close_delivers_what_waits_first(world: World) -> None:
    messages = _messages(5)
    for message in messages:
        world.transport.send(message)
    world.transport.close()
    assert world.transport.buffered_bytes > 0
    received = [world.receive() for _ in messages]
    assert [payload for _, payload in received if payload] == _payloads(messages)  # type: ignore[misc]
    assert world.receive() == (CLOSE, b"")


def test_a_paused_transport_still_hears_the_answer_to_its_close(world: World) -> None:
    world.transport.pause()
    world.transport.close()
    world.send(frame(CLOSE, b""))
    assert world.owner.losses == [("transport close", None)]


# --- writing


def _messages(count: int, size: int = 10_000) -> list[Message]:
    return [Message(b'2["%d","%s"]' % (number, b"x" * size)) for number in range(count)]


def _payloads(messages: list[Message]) -> list[bytes]:
    return [b"4" + (message.text or b"") for message in messages]


def test_a_message_leaves_at_once(world: World) -> None:
    world.transport.send(Message(b'2["a"]'))
    assert world.read_now() == 9
    assert world.receive() == (TEXT, b'42["a"]')
    assert (world.transport.buffered_bytes, world.transport.writable) == (0, True)


def test_what_the_kernel_does_not_take_is_drained_in_order(world: World) -> None:
    messages = _messages(8)
    for message in messages:
        world.transport.send(message)
    assert world.transport.buffered_bytes > 0
    assert not world.transport.writable
    world.transport.send_control("2")
    received = [world.receive() for _ in range(9)]
    assert received == [(TEXT, payload) for payload in [*_payloads(messages), b"2"]]
    wait_until(lambda: world.owner.drains == 1)
    assert (world.transport.buffered_bytes, world.transport.writable) == (0, True)
    world.transport.send_control("2")
    assert world.receive() == (TEXT, b"2")


def test_the_frames_of_a_binary_packet_stay_together(world: World) -> None:
    def emit(mark: bytes) -> None:
        for _ in range(3):
            world.transport.send(Message(b"52-" + mark, [mark * 5_000, mark * 3_000]))
            gevent.sleep(0)

    emitters = [gevent.spawn(emit, mark) for mark in (b"a", b"b", b"c")]
    received = [world.receive() for _ in range(27)]
    gevent.joinall(emitters, raise_error=True)
    for start in range(0, 27, 3):
        head, *attachments = [item[1] for item in received[start : start + 3] if item]
        mark = head[-1:]
        assert head == b"452-" + mark
        assert attachments == [mark * 5_000, mark * 3_000]


def test_a_client_that_does_not_read_is_given_up_at_the_bound(world: World) -> None:
    sent = 0
    while not world.owner.losses and sent < 100:
        world.transport.send(_messages(1)[0])  # never blocks, never raises
        sent += 1
        if sent % 5 == 0:
            settle()
    ((reason, error),) = world.owner.losses
    assert reason == "transport error"
    assert isinstance(error, SlowClient)
    assert 40 <= sent <= 50
    world.transport.send(_messages(1)[0])
    settle()
    assert len(world.owner.losses) == 1


def test_the_loss_is_not_reported_on_the_stack_of_the_emitter(world: World) -> None:
    for message in _messages(60):
        world.transport.send(message)
    assert world.owner.losses == []
    settle()
    assert len(world.owner.losses) == 1


def test_nothing_is_sent_behind_a_frame_that_was_cut_off(world: World) -> None:
    messages = _messages(80)
    for message in messages:
        world.transport.send(message)
        # The client goes on reading, also when the bound has been passed and the hub has not
        # heard of it yet.
        with contextlib.suppress(BlockingIOError):
            world.read_now(1000)
    settle()
    with contextlib.suppress(BlockingIOError):
        world.read_now()
    received = []
    while (found := world.frames.next()) is not None:
        received.append(found[1])
    assert received == _payloads(messages)[: len(received)]
    assert [reason for reason, _ in world.owner.losses] == ["transport error"]


def test_a_peer_that_is_gone_is_not_the_problem_of_the_emitter(
    make: Callable[..., World],
) -> None:
    world = make(tcp=True).start()
    reset(world.client)
    for _ in range(3):
        world.transport.send(_messages(1)[0])
    settle()
    assert [reason for reason, _ in world.owner.losses] == ["transport error"]


def test_a_peer_that_goes_while_bytes_wait_ends_it_once(make: Callable[..., World]) -> None:
    world = make(tcp=True, limit=10_000_000).start()
    for message in _messages(600):
        world.transport.send(message)
    assert world.transport.buffered_bytes > 0
    reset(world.client)
    wait_until(lambda: world.owner.losses)
    settle()
    assert len(world.owner.losses) == 1


def test_after_the_end_nothing_is_sent_and_nothing_raises(world: World) -> None:
    world.transport.abort()
    world.transport.send(_messages(1)[0])
    world.transport.send_control("2")
    world.transport.close()
    world.transport.pause()
    world.transport.resume()
    settle()
    assert world.receive() is None
    assert world.owner.losses == []


def test_packets_of_a_polling_payload_become_frames(world: World) -> None:
    world.transport.send_packet(b'451-["a"]')
    world.transport.send_packet(b"bAAH/")
    assert world.receive() == (TEXT, b'451-["a"]')
    assert world.receive() == (BINARY, b"\x00\x01\xff")
