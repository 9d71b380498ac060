"""One connection between workers: frames in order, each with its own descriptor or the end."""

from __future__ import annotations

import array
import os
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from flask_realtime.hosts.workers.frames import Kind, encode_frame
from flask_realtime.hosts.workers.link import Link, LinkFull, LinkLost
from tests.fakes import wait_until


class End:
    """One end of a link, and what has happened there."""

    def __init__(self, sock: socket.socket, **options: Any) -> None:
        self.frames: list[tuple[Kind, bytes]] = []
        self.descriptors: list[int] = []
        self.lost = 0
        self.on_frame: Callable[[], Any] = lambda: None
        self.link = Link(sock, self._received, self._lost, **options)
        self.link.start()

    def _received(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        self.frames.append((kind, payload))
        if descriptor is not None:
            self.descriptors.append(descriptor)
        self.on_frame()

    def _lost(self, link: Link) -> None:
        self.lost += 1


@pytest.fixture
def opened() -> Iterator[list[int]]:
    """Descriptors that end with the test."""
    numbers: list[int] = []
    yield numbers
    for number in numbers:
        os.close(number)


@pytest.fixture
def ends(opened: list[int]) -> Iterator[tuple[End, End]]:
    one, two = map(End, socket.socketpair())
    yield one, two
    one.link.close()
    two.link.close()
    opened += [*one.descriptors, *two.descriptors]


def pipe(opened: list[int], text: bytes) -> int:
    """A descriptor from which ``text`` can be read."""
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    opened.append(reader)
    return reader


def test_frames_arrive_in_order_in_both_directions(ends: tuple[End, End]) -> None:
    one, two = ends
    for number in range(50):
        one.link.send(Kind.MESSAGE, b"%d" % number)
    two.link.send(Kind.HELLO, b"hello")
    wait_until(lambda: len(two.frames) == 50 and one.frames)
    assert two.frames == [(Kind.MESSAGE, b"%d" % number) for number in range(50)]
    assert one.frames == [(Kind.HELLO, b"hello")]


def test_each_descriptor_arrives_with_its_frame_and_not_for_other_programs(
    ends: tuple[End, End], opened: list[int]
) -> None:
    one, two = ends
    for number in range(40):
        text = b"%d" % number
        one.link.send(Kind.CONNECTION, text, pipe(opened, text))
        one.link.send(Kind.STATE, b"")
    wait_until(lambda: len(two.frames) == 80)
    payloads = [payload for kind, payload in two.frames if kind is Kind.CONNECTION]
    assert [os.read(descriptor, 9) for descriptor in two.descriptors] == payloads
    assert not any(os.get_inheritable(descriptor) for descriptor in two.descriptors)


def test_what_the_kernel_does_not_take_waits_and_the_descriptor_goes_once(
    ends: tuple[End, End], opened: list[int]
) -> None:
    one, two = ends
    large = bytes(700_000)
    for number in range(3):
        one.link.send(Kind.CONNECTION, large, pipe(opened, b"%d" % number))
    one.link.send(Kind.STATE, b"last")
    wait_until(lambda: len(two.frames) == 4)
    assert [os.read(descriptor, 9) for descriptor in two.descriptors] == [b"0", b"1", b"2"]
    assert two.frames[-1] == (Kind.STATE, b"last")


def test_a_sibling_that_does_not_read_costs_a_bounded_amount() -> None:
    here, there = socket.socketpair()
    one = End(here, max_outbox=1_000_000)
    for _ in range(10):
        one.link.send(Kind.MESSAGE, bytes(99_000))
    with pytest.raises(LinkFull):
        one.link.send(Kind.MESSAGE, bytes(1_000_000))
    assert one.link.is_open
    one.link.close()
    there.close()


def test_the_end_is_told_once_at_both_ends(ends: tuple[End, End]) -> None:
    one, two = ends
    gevent.sleep(0)
    one.link.close()
    one.link.close()
    wait_until(lambda: two.lost)
    assert (one.lost, two.lost) == (1, 1)
    with pytest.raises(LinkLost):
        two.link.send(Kind.STATE, b"")


def test_a_frame_without_its_descriptor_ends_the_link(ends: tuple[End, End]) -> None:
    one, two = ends
    one.link.send(Kind.CONNECTION, b"")
    wait_until(lambda: two.lost)
    assert two.frames == []


def test_a_receiver_without_a_free_descriptor_does_not_take_the_next_client_for_it(
    opened: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    here, there = socket.socketpair()
    texts = (b"first", b"second", b"third")
    for text in texts:
        rights = array.array("i", [pipe(opened, text)])
        here.sendmsg(
            [encode_frame(Kind.CONNECTION, text)],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
        )
    two = End(there)
    _, hard = limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    fillers = [os.dup(0) for _ in range(highest)]
    free = min(set(range(4096)) - set(map(int, os.listdir("/proc/self/fd"))))
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        wait_until(lambda: two.lost)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for filler in fillers:
            os.close(filler)
    opened += two.descriptors
    taken = [payload for _, payload in two.frames]
    assert len(taken) < len(texts)
    assert [os.read(descriptor, 9) for descriptor in two.descriptors] == taken
    assert "no free descriptor" in caplog.text
    here.close()


def test_descriptors_that_were_not_taken_are_closed(opened: list[int]) -> None:
    here, there = socket.socketpair()
    reader, writer = os.pipe()
    rights = array.array("i", [writer])
    # The frame is not complete when its sender dies.
    here.sendmsg(
        [encode_frame(Kind.CONNECTION, b"abc")[:-1]],
        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
    )
    os.close(writer)
    two = End(there)
    here.close()
    wait_until(lambda: two.lost)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_frames_behind_the_one_that_closed_the_link_are_not_delivered(
    opened: list[int],
) -> None:
    here, there = socket.socketpair()
    two = End(there)
    two.on_frame = lambda: two.link.close()
    here.sendall(encode_frame(Kind.STATE, b"1") + encode_frame(Kind.STATE, b"2"))
    wait_until(lambda: two.lost)
    assert two.frames == [(Kind.STATE, b"1")]
    here.close()
