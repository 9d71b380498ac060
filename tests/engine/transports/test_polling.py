"""The polling transport: packets wait for a GET, and POSTs bring some."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime.codec.message import Message
from flask_realtime.engine.transports.backlog import STALL
from flask_realtime.engine.transports.polling import Overlap, PollingTransport, Response
from flask_realtime.errors import PacketError, SlowClient
from flask_realtime.testing import ManualTime
from tests.engine.transports.test_websocket import RecordingOwner
from tests.fakes import DEADLINE, settle

pytestmark = pytest.mark.usefixtures("quiet_hub")


class World:
    def __init__(self, limit: int = 1000) -> None:
        self.owner = RecordingOwner()
        self.time = ManualTime()
        self.transport = PollingTransport(self.owner, limit, clock=self.time)

    def poll_later(self) -> Any:
        greenlet = gevent.spawn(self.transport.poll)
        settle()
        return greenlet


def body(answer: Any) -> list[bytes]:
    response = answer if isinstance(answer, Response) else answer.get(timeout=DEADLINE)
    return response.body.split(b"\x1e")


@pytest.fixture
def world(quiet_hub: io.StringIO) -> World:
    return World()


@pytest.fixture
def make(quiet_hub: io.StringIO) -> Callable[[int], World]:
    """Worlds with a bound of their own."""
    return World


def test_packets_wait_for_a_get(world: World) -> None:
    world.transport.send(Message(b'2["a"]'))
    world.transport.send_control("2")
    assert world.transport.buffered_bytes == 8
    assert body(world.transport.poll()) == [b'42["a"]', b"2"]
    assert world.transport.buffered_bytes == 0


def test_a_get_waits_for_packets(world: World) -> None:
    get = world.poll_later()
    assert world.transport.writable
    assert not get.ready()
    world.transport.send(Message(b'2["a"]'))
    assert body(get) == [b'42["a"]']
    assert not world.transport.writable


def test_it_says_whether_a_get_would_wait(world: World) -> None:
    assert not world.transport.has_answer
    world.transport.send_control("2")
    assert world.transport.has_answer
    world.transport.poll()
    assert not world.transport.has_answer
    world.poll_later()
    assert world.transport.has_answer  # a second GET is refused
    world.transport.send_control("2")
    settle()
    assert not world.transport.has_answer
    world.transport.close()
    assert world.transport.has_answer


def test_packets_that_are_sent_together_share_a_response(world: World) -> None:
    get = world.poll_later()
    for number in range(3):
        world.transport.send(Message(b"2[%d]" % number))
    assert body(get) == [b"42[0]", b"42[1]", b"42[2]"]


def test_a_binary_group_is_base64_and_stays_together(world: World) -> None:
    world.transport.send(Message(b"51-[]", [b"\x00\xff"]))
    assert body(world.transport.poll()) == [b"451-[]", b"bAP8="]


def test_it_is_writable_while_a_get_waits_and_nothing_else_does(world: World) -> None:
    assert not world.transport.writable
    get = world.poll_later()
    assert world.transport.writable
    world.transport.send(Message(b"2[]"))
    assert not world.transport.writable
    get.get(timeout=DEADLINE)
    assert not world.transport.writable


def test_the_owner_hears_that_everything_has_left(world: World) -> None:
    world.transport.send(Message(b"2[]"))
    assert world.owner.drains == 0
    world.transport.poll()
    assert world.owner.drains == 1


@pytest.mark.parametrize(
    ("flags", "expected"), [((False,), False), ((True,), True), ((False, True), True)]
)
def test_a_response_may_be_compressed_if_any_of_its_messages_may(
    world: World, flags: tuple[bool, ...], expected: bool
) -> None:
    for flag in flags:
        world.transport.send(Message(b"2[]", compress=flag))
    assert world.transport.poll().compress is expected
    world.transport.send_control("2")
    assert world.transport.poll().compress is False


def test_a_second_get_ends_the_session_and_answers_the_first(world: World) -> None:
    get = world.poll_later()
    with pytest.raises(Overlap):
        world.transport.poll()
    assert body(get) == [b"1"]
    assert world.owner.losses == [("transport error", "overlap from client")]


def test_a_second_post_ends_the_session(world: World) -> None:
    world.transport.begin_post()
    with pytest.raises(Overlap):
        world.transport.begin_post()
    assert world.owner.losses == [("transport error", "data request overlap from client")]
    world.transport.post(b"4late")
    assert world.owner.packets == []


def test_posts_one_after_the_other_are_fine(world: World) -> None:
    for _ in range(2):
        world.transport.begin_post()
        world.transport.post(b"4a\x1ebAAE=")
        world.transport.end_post()
    assert world.owner.packets == ["4a", b"\x00\x01"] * 2
    assert world.owner.losses == []


def test_a_post_of_a_great_many_packets_lets_others_have_their_turn(world: World) -> None:
    seen: list[int] = []
    ours, theirs = socket.socketpair()

    def look() -> None:
        while len(world.owner.packets) < 2000:
            socket.wait_read(ours.fileno())
            seen.append(len(world.owner.packets))

    with ours, theirs:
        theirs.sendall(b"always something to read")
        other = gevent.spawn(look)
        world.transport.post(b"\x1e".join([b"4a"] * 2000))
        other.join(DEADLINE)
    assert world.owner.packets == ["4a"] * 2000
    # Sockets have their turn as well as greenlets.
    assert {1000, 1500} <= set(seen)


def test_a_session_that_ends_during_a_post_takes_no_more_of_it(world: World) -> None:
    gevent.spawn(world.transport.abort)
    world.transport.post(b"\x1e".join([b"4a"] * 2000))
    assert world.owner.packets == ["4a"] * 500


@pytest.mark.parametrize("bad", [b"", b"4a\x1e", b"\x1e4a", b"b!", b"\xff"])
def test_a_packet_that_cannot_be_read_ends_the_session(world: World, bad: bytes) -> None:
    with pytest.raises(PacketError):
        world.transport.post(bad)
    ((reason, error),) = world.owner.losses
    assert reason == "parse error"
    assert isinstance(error, PacketError)


def test_the_packets_before_the_broken_one_count(world: World) -> None:
    with pytest.raises(PacketError):
        world.transport.post(b"4a\x1e\x1e4b")
    assert world.owner.packets == ["4a"]


def test_the_packets_behind_the_one_that_ends_it_are_ignored(world: World) -> None:
    world.owner.on_packet = lambda packet: world.transport.abort()
    world.transport.post(b"4a\x1e4b")
    assert world.owner.packets == ["4a"]


def test_a_client_that_does_not_poll_is_given_up_at_four_times_the_bound(world: World) -> None:
    for _ in range(39):
        world.transport.send(Message(b"x" * 100))
    assert world.owner.losses == []
    world.transport.send(Message(b"x" * 100))
    assert world.owner.losses == []  # not on the stack of the emitter
    settle()
    ((reason, error),) = world.owner.losses
    assert reason == "transport error"
    assert isinstance(error, SlowClient)
    assert str(error) == "4,040 bytes wait, over 4 times max_buffered_bytes (1,000)"


def test_a_client_that_has_not_polled_for_a_while_is_given_up_above_the_bound(
    world: World,
) -> None:
    for _ in range(9):
        world.transport.send(Message(b"x" * 100))
    world.time.now += 3600
    for _ in range(2):
        world.transport.send(Message(b"x" * 100))
    world.time.now += STALL + 1
    world.transport.send(Message(b"x" * 100))
    settle()
    ((_, error),) = world.owner.losses
    assert "max_buffered_bytes (1,000), and the client has stopped reading" in str(error)


def test_a_client_that_polls_may_be_behind_for_as_long_as_it_likes(
    make: Callable[[int], World],
) -> None:
    world = make(2_000_000)
    message = Message(b"x" * 500_000)
    for _ in range(12):
        world.transport.send(message)
    for _ in range(20):
        world.time.now += STALL
        world.transport.poll()
        world.transport.send(message)
        world.transport.send(message)
    assert world.transport.buffered_bytes > 2_000_000
    settle()
    assert world.owner.losses == []


def test_many_messages_above_the_bound_end_the_session_once(world: World) -> None:
    for _ in range(100):
        world.transport.send(Message(b"x" * 100))
    settle()
    assert len(world.owner.losses) == 1
    assert world.transport.buffered_bytes <= 4000


def test_nothing_follows_what_a_slow_client_was_not_sent(world: World) -> None:
    get = world.poll_later()
    for text in (b"first", b"x" * 4000, b"last"):
        world.transport.send(Message(text))
    assert body(get) == [b"4first"]
    settle()
    assert body(world.transport.poll()) == [b"1"]


# --- the size of a response


def test_a_great_deal_is_split_over_several_responses(make: Callable[[int], World]) -> None:
    world = make(100_000_000)
    sent = [b"%d" % number + b"x" * 300_000 for number in range(10)]
    get = world.poll_later()
    for text in sent:
        world.transport.send(Message(text))
    world.transport.close()
    parts = [body(get)]
    while parts[-1][-1] != b"1":
        assert world.owner.losses == []
        parts.append(body(world.transport.poll()))
    assert [len(part) for part in parts] == [3, 3, 3, 1, 2]
    assert [packet[1:] for part in parts[:-1] for packet in part] == sent
    assert world.owner.drains == 1
    assert world.transport.buffered_bytes == 0


def test_a_packet_larger_than_a_response_has_one_of_its_own(
    make: Callable[[int], World],
) -> None:
    world = make(100_000_000)
    for size in (1, 5_000_000, 1, 1):
        world.transport.send(Message(b"x" * size))
    sizes = [[len(packet) for packet in body(world.transport.poll())] for _ in range(3)]
    assert sizes == [[2], [5_000_001], [2, 2]]


def test_the_parts_of_a_response_may_be_compressed_if_any_of_their_messages_may(
    make: Callable[[int], World],
) -> None:
    world = make(100_000_000)
    for compress in (True, False, False):
        world.transport.send(Message(b"x" * 1_000_000, compress=compress))
    assert [world.transport.poll().compress for _ in range(3)] == [True] * 3
    world.transport.send(Message(b"x", compress=False))
    assert not world.transport.poll().compress


def test_a_close_answers_the_waiting_get_with_a_noop_and_a_close(world: World) -> None:
    get = world.poll_later()
    world.transport.close()
    assert body(get) == [b"6", b"1"]
    assert [reason for reason, _ in world.owner.losses] == ["forced close"]


def test_what_is_buffered_at_a_close_has_a_response_of_its_own(world: World) -> None:
    # The official client handles a close packet before the messages in front of it.
    world.transport.send(Message(b"2[]"))
    world.transport.close()
    settle()
    assert body(world.transport.poll()) == [b"42[]"]
    assert world.owner.losses == []
    assert body(world.transport.poll()) == [b"6", b"1"]
    assert len(world.owner.losses) == 1


def test_an_abort_answers_the_waiting_get(world: World) -> None:
    get = world.poll_later()
    world.transport.abort()
    assert body(get) == [b"1"]
    assert world.owner.losses == []


def test_after_the_end_nothing_is_buffered(world: World) -> None:
    world.transport.abort()
    world.transport.send(Message(b"2[]"))
    assert world.transport.buffered_bytes == 0
    assert body(world.transport.poll()) == [b"1"]


def test_a_noop_answers_only_a_get_that_waits(world: World) -> None:
    world.transport.answer_noop()
    assert world.transport.buffered_bytes == 0
    get = world.poll_later()
    world.transport.answer_noop()
    world.transport.answer_noop()
    assert body(get) == [b"6"]


def test_what_is_discarded_for_an_upgrade_is_returned_in_order(world: World) -> None:
    world.transport.send(Message(b"51-[]", [b"\x00"]))
    world.transport.send(Message(b"2[]"))
    assert world.transport.discard() == [b"451-[]", b"bAA==", b"42[]"]
    assert world.transport.buffered_bytes == 0
    assert world.owner.losses == []


def test_a_get_under_way_gets_a_noop_when_the_upgrade_is_done(world: World) -> None:
    get = world.poll_later()
    world.transport.send(Message(b"2[]"))  # in the same round of the hub
    assert world.transport.discard() == [b"42[]"]
    assert body(get) == [b"6"]


def test_a_get_that_is_killed_leaves_room_for_the_next(world: World) -> None:
    get = world.poll_later()
    get.kill()
    assert not world.transport.writable
    world.transport.send(Message(b"2[]"))
    assert body(world.transport.poll()) == [b"42[]"]
    assert world.owner.losses == []


def test_a_get_that_is_killed_at_the_moment_of_its_answer_loses_nothing(world: World) -> None:
    get = world.poll_later()
    world.transport.send(Message(b"2[]"))
    get.kill(block=False)
    settle()
    if get.successful() and isinstance(get.value, Response):
        assert body(get) == [b"42[]"]
    else:
        assert body(world.transport.poll()) == [b"42[]"]
