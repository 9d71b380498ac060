"""What is sent in one turn of the hub: the first at once, the rest together and in order.

The socket keeps the bounds of writes, so that each can be told from the next.
"""

from __future__ import annotations

import io
import socket as plain_socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_realtime.codec.message import Message
from flask_realtime.codec.websocket import encode_close
from flask_realtime.engine.traffic import Traffic
from flask_realtime.engine.transports.websocket import WebSocketTransport
from flask_realtime.testing.frames import CLOSE, PING, FrameReader, frame, text_frame
from tests.fakes import settle

LIMIT = 1_000_000


class Line:
    """A transport, its owner, and the other end of its socket."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        self.server, self.client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.traffic = Traffic()
        self.transport = WebSocketTransport(self.server, 500_000, limit, self.traffic)
        self.on_packet: Callable[[str | bytes], Any] = self.echo
        self.losses: list[str] = []
        self.drains = 0
        self.transport.start(self)

    # What the transport reports

    def receive(self, packet: str | bytes) -> None:
        self.on_packet(packet)

    def lost(self, reason: str, description: object = None) -> None:
        self.losses.append(reason)

    def drained(self) -> None:
        self.drains += 1

    # What tests do

    def echo(self, packet: str | bytes) -> None:
        assert isinstance(packet, str)
        self.send(packet[1:])

    def send(self, *texts: str) -> None:
        for text in texts:
            self.transport.send(Message(text.encode()))

    def arrive(self, *texts: str) -> None:
        """Let frames arrive in one read, and run the hub."""
        self.client.sendall(b"".join([text_frame("4" + text) for text in texts]))
        settle()

    def writes(self) -> list[list[str]]:
        """The messages of each write that has left already; the hub gets no turn."""
        raw = plain_socket.socket(fileno=self.client.fileno())
        found: list[list[str]] = []
        try:
            while data := raw.recv(1 << 20, plain_socket.MSG_DONTWAIT):
                reader = FrameReader()
                reader.feed(data)
                found.append([])
                while (item := reader.next()) is not None:
                    opcode, payload = item
                    text = "close" if opcode == CLOSE else payload.decode()
                    found[-1].append(text.removeprefix("4"))
        except BlockingIOError:
            pass
        finally:
            raw.detach()
        return found

    def end(self) -> None:
        self.transport.abort()
        self.server.close()
        self.client.close()


@pytest.fixture
def make(quiet_hub: io.StringIO) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def build(**options: Any) -> Line:
        made.append(Line(**options))
        gevent.sleep(0.001)  # a turn of its own
        return made[-1]

    yield build
    for line in made:
        line.end()


@pytest.fixture
def line(make: Callable[..., Line]) -> Line:
    return make()


def test_the_first_of_a_turn_leaves_at_once_and_the_others_together_at_its_end(
    line: Line,
) -> None:
    line.send("a", "b", "c")
    assert line.writes() == [["a"]]
    settle()
    assert line.writes() == [["b", "c"]]


def test_each_turn_begins_anew(line: Line) -> None:
    for text in ("a", "b", "c"):
        line.send(text)
        assert line.writes() == [[text]]
        gevent.sleep(0.001)


def test_answers_to_frames_of_one_read_leave_together_behind_the_first(line: Line) -> None:
    line.arrive(*"abcdefgh")
    assert line.writes() == [["a"], list("bcdefgh")]


def test_they_have_left_when_the_last_frame_of_the_read_has_been_handled(line: Line) -> None:
    seen = []

    def echo(packet: str | bytes) -> None:
        line.echo(packet)
        seen.append(line.writes())

    line.on_packet = echo
    line.arrive("a", "b", "c")
    assert seen == [[["a"]], [], []]
    assert line.writes() == [["b", "c"]]


def test_a_handler_that_blocks_holds_nothing_back(line: Line) -> None:
    go_on = Event()

    def handler() -> None:
        line.send("a", "b", "c")
        go_on.wait()
        line.send("d")

    greenlet = gevent.spawn(handler)
    settle()
    assert line.writes() == [["a"], ["b", "c"]]
    go_on.set()
    greenlet.join()
    settle()
    assert line.writes() == [["d"]]


def test_two_connections_are_not_joined(make: Callable[..., Line]) -> None:
    one, other = make(), make()
    for line in (one, other):
        line.send("a")
    assert one.writes() == other.writes() == [["a"]]


def test_control_packets_keep_their_place(line: Line) -> None:
    line.send("a", "b")
    line.transport.send_control("2")
    line.send("c")
    line.transport.send_packet(b"4d")
    settle()
    assert line.writes() == [["a"], ["b", "2", "c", "d"]]


def test_a_ping_among_events_is_answered_in_its_place(line: Line) -> None:
    line.client.sendall(text_frame("4a") + text_frame("4b") + frame(PING, b"?") + text_frame("4c"))
    settle()
    assert line.writes() == [["a"], ["b", "?", "c"]]


def test_a_close_sends_what_was_joined_and_waits_for_no_turn(line: Line) -> None:
    line.send("a", "b", "c")
    line.transport.close()
    assert line.writes() == [["a"], ["b", "c", "close"]]
    settle()
    assert line.writes() == []


def test_an_end_sends_what_was_joined(line: Line) -> None:
    line.send("a", "b", "c")
    line.transport.abort()
    assert line.writes() == [["a"], ["b", "c"]]
    settle()
    assert line.losses == []


def test_answers_to_events_in_front_of_a_close_frame_are_sent(line: Line) -> None:
    line.client.sendall(text_frame("4a") + text_frame("4b") + frame(CLOSE, encode_close(1000)[2:]))
    settle()
    assert line.writes() == [["a"], ["b", "close"]]
    assert line.losses == ["transport close"]


def test_what_was_joined_does_not_stop_volatile_packets(line: Line) -> None:
    line.send("a", "b")
    assert line.transport.writable
    assert line.transport.buffered_bytes == len(b"..4b")
    settle()
    assert (line.transport.writable, line.transport.buffered_bytes) == (True, 0)
    assert line.traffic.bytes_out == 2 * len(b"..4a")
    assert line.drains == 1


def test_large_messages_are_not_joined_and_pass_nothing(line: Line) -> None:
    large = "x" * 20_000
    line.send("a", "b", large, "c", "d")
    assert line.writes() == [["a"], ["b"], [large]]
    settle()
    assert line.writes() == [["c", "d"]]


def test_many_small_messages_leave_in_writes_of_bounded_size(line: Line) -> None:
    texts = [f"{number:04}" + "x" * 1000 for number in range(100)]
    line.send(*texts)
    settle()
    writes = line.writes()
    assert [text for write in writes for text in write] == texts
    assert len(writes) < 10
    assert max(sum(map(len, write)) for write in writes) < 16_384


def test_no_more_is_joined_than_may_wait(make: Callable[..., Line]) -> None:
    line = make(limit=100)
    line.send(*["x" * 40] * 5)
    assert line.writes() == [["x" * 40], ["x" * 40] * 2]
    settle()
    assert line.writes() == [["x" * 40] * 2]
    assert line.losses == []


def test_each_step_of_a_long_computation_leaves_at_once(line: Line) -> None:
    line.send("a", "b")
    until = time.monotonic() + 0.03
    while time.monotonic() < until:
        pass
    line.send("c")
    assert line.writes() == [["a"], ["b"], ["c"]]
    line.send("d")
    assert line.writes() == [["d"]]


def test_what_the_kernel_does_not_take_of_it_waits_in_order(line: Line) -> None:
    line.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
    texts = [f"{number:04}" + "x" * 1000 for number in range(120)]
    line.send(*texts)
    settle()
    assert not line.transport.writable
    found: list[str] = []
    while len(found) < len(texts):
        found += [text for write in line.writes() for text in write]
        settle()
    assert found == texts
    assert (line.transport.writable, line.transport.buffered_bytes) == (True, 0)


def test_a_peer_that_is_gone_is_noticed_once_and_raises_nothing(line: Line) -> None:
    line.transport.pause()
    line.send("a", "b")
    line.client.close()
    settle()
    line.send("c", "d")
    settle()
    assert line.losses == ["transport error"]
    assert line.drains == 0


SENT = st.lists(
    st.one_of(
        st.sampled_from(["turn", "control", "read"]),
        st.sampled_from([1, 50, 5_000, 16_000, 40_000]),
    ),
    max_size=12,
)


@given(SENT)
@settings(max_examples=60, deadline=None)
def test_whatever_is_sent_in_whatever_turn_arrives_once_and_in_order(steps: list[Any]) -> None:
    line = Line()
    expected: list[str] = []
    found: list[str] = []
    try:
        for number, step in enumerate(steps):
            if step == "turn":
                settle()
            elif step == "control":
                line.transport.send_control("2")
                expected.append("2")
            elif step == "read":
                settle()  # what waits leaves first
                line.arrive(f"{number} one", f"{number} two")
                expected += [f"{number} one", f"{number} two"]
            else:
                text = f"{number} " + "x" * step
                line.send(text)
                expected.append(text)
            found += [text for write in line.writes() for text in write]
        settle()
        found += [text for write in line.writes() for text in write]
        assert found == expected
    finally:
        line.end()
