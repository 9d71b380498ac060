"""Heads and bodies as they come from a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime.hosts.request_head import BadHead
from flask_realtime.hosts.request_stream import RequestStream
from tests.fakes import deadline, settle

LINE = b"GET / HTTP/1.1\r\n"
HEAD = LINE + b"Host: a\r\n\r\n"


class Pieces:
    """A socket that receives these pieces, and then the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)
        self.received = 0

    def recv(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece, rest = self._pieces[0][:size], self._pieces[0][size:]
        self._pieces[:1] = [rest] if rest else []
        self.received += len(piece)
        return piece


def stream(*pieces: bytes) -> RequestStream:
    return RequestStream(Pieces(pieces))


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@pytest.mark.parametrize("pieces", [[HEAD], [HEAD[:20], HEAD[20:]], bytewise(HEAD)])
def test_a_head_is_its_request_line_and_the_other_lines(pieces: list[bytes]) -> None:
    found = stream(*pieces)
    assert found.head() == (LINE, b"Host: a\r\n")
    assert found.head() is None


def test_what_is_behind_a_head_stays() -> None:
    found = stream(HEAD + b"body" + HEAD + LINE)
    assert found.head() == (LINE, b"Host: a\r\n")
    assert found.peek() == b"body" + HEAD + LINE
    assert found.take(4) == b"body"
    assert found.head() == (LINE, b"Host: a\r\n")
    with pytest.raises(BadHead, match="did not arrive"):
        found.head()


@pytest.mark.parametrize("count", range(5))
def test_a_few_empty_lines_in_front_are_skipped(count: int) -> None:
    data = b"\r\n" * count + HEAD
    for pieces in ([data], bytewise(data)):
        assert stream(*pieces).head() == (LINE, b"Host: a\r\n")
    assert stream(b"\r\n" * count).head() is None


def test_many_empty_lines_are_a_request_line() -> None:
    found = stream(b"\r\n" * 5 + HEAD).head()
    assert found is not None
    assert found[0] == b"\r\n"


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"GET /\r\n", 400),
        (LINE[:-2] + b"\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (LINE + b"no colon\r\n", 400),
        (LINE + b"X: a\n", 400),
        (LINE + b"X: a\r\n b\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (LINE + b"X: a\r\n" * 201, 431),
        (LINE + b"X: " + b"a" * 70_000, 431),
        (LINE + (b"X: " + b"a" * 60_000 + b"\r\n") * 5, 431),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_wrong_line_is_refused_before_the_head_is_complete(begun: bytes, status: int) -> None:
    socket = Pieces([begun, b"the rest never matters"])
    with pytest.raises(BadHead) as refused:
        RequestStream(socket).head()
    assert refused.value.status == status
    assert socket.received <= len(begun)


def test_the_longest_request_line_has_a_bound_in_a_whole_head_as_well() -> None:
    with pytest.raises(BadHead) as refused:
        stream(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n").head()
    assert refused.value.status == 414


def test_a_refused_line_can_be_looked_at() -> None:
    found = stream(HEAD + b"G@T / HTTP/1.1\r\nX")
    found.head()
    with pytest.raises(BadHead):
        found.head()
    assert found.peek().startswith(b"G@T / HTTP/1.1\r\n")


def test_bytes_come_from_the_buffer_first() -> None:
    found = stream(HEAD + b"abcdef", b"ghij")
    found.head()
    assert [found.read1(4), found.read1(4), found.read1(4), found.read1(4)] == [
        *(b"abcd", b"ef", b"ghij", b""),
    ]


def test_lines_end_at_their_limit_and_at_the_end() -> None:
    found = stream(HEAD + b"one\ntw", b"o\nthree")
    found.head()
    assert [found.readline(10), found.readline(2), found.readline(10)] == [b"one\n", b"tw", b"o\n"]
    assert [found.readline(10), found.readline(10)] == [b"three", b""]


def test_so_many_bytes_are_taken_or_none() -> None:
    found = stream(HEAD + b"abc", b"def")
    found.head()
    assert found.take(4) is None
    assert found.read(4) == b"abcd"
    assert found.read() == b"ef"


def test_a_stream_that_is_given_up_holds_nothing() -> None:
    found = stream(HEAD + b"abc")
    found.head()
    found.close()
    assert found.closed
    assert found.peek() == b""


@pytest.fixture
def pair() -> Iterator[tuple[RequestStream, Any]]:
    """A stream on a real socket, and the client's end."""
    ours, theirs = socket.socketpair()
    found = RequestStream(ours)
    yield found, theirs
    found.close()
    ours.close()
    theirs.close()


def test_a_reader_waits_for_what_comes(pair: tuple[RequestStream, Any]) -> None:
    found, client = pair
    for pieces in ([HEAD], bytewise(HEAD), [HEAD[:10], HEAD[10:]]):
        reader = gevent.spawn(found.head)
        for piece in pieces:
            client.sendall(piece)
            gevent.sleep(0)
        with deadline():
            assert reader.get() == (LINE, b"Host: a\r\n")
    reader = gevent.spawn(found.head)
    client.close()
    with deadline():
        assert reader.get() is None


def test_what_comes_while_a_request_is_served_waits_and_costs_nothing(
    pair: tuple[RequestStream, Any],
) -> None:
    found, client = pair
    client.sendall(HEAD)
    assert found.head() is not None
    client.sendall(HEAD)
    # The hub rests although there is something to read.
    settle()
    assert found.head() is not None


@pytest.mark.parametrize("looks_again", [False, True])
def test_a_request_that_waits_may_look_at_what_comes(
    pair: tuple[RequestStream, Any], looks_again: bool
) -> None:
    found, client = pair
    looks: list[bytes] = []

    def look() -> bool:
        looks.append(found.raw.read(1) if looks_again else b"")
        return looks_again

    found.watch(look)
    client.sendall(b"abc")
    settle()
    found.watch(None)
    client.sendall(b"d")
    settle()
    assert looks == ([b"a", b"b", b"c"] if looks_again else [b""])
    assert found.read1(9) == (b"d" if looks_again else b"abcd")
    found.close()
    found.watch(look)  # a request may outlive its connection


def test_it_looks_although_something_had_come_before(pair: tuple[RequestStream, Any]) -> None:
    found, client = pair
    client.sendall(HEAD)
    assert found.head() is not None
    client.sendall(HEAD)
    settle()
    looks = iter([False])
    found.watch(lambda: next(looks))
    settle()
    assert list(looks) == []
    found.watch(None)
    assert found.head() is not None


def test_a_reader_may_give_up_and_begin_again(pair: tuple[RequestStream, Any]) -> None:
    found, client = pair
    for _ in range(2):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            found.read1(10)
    client.sendall(b"late")
    assert found.read1(10) == b"late"


def test_two_greenlets_cannot_read_at_a_time(pair: tuple[RequestStream, Any]) -> None:
    found, client = pair
    first = gevent.spawn(found.read1, 10)
    settle()
    with pytest.raises(RuntimeError, match="another greenlet"):
        found.read1(10)
    client.sendall(b"first")
    assert first.get(timeout=5) == b"first"


def test_a_stream_that_is_closed_leaves_the_socket_to_others(
    pair: tuple[RequestStream, Any],
) -> None:
    found, client = pair
    client.sendall(HEAD)
    found.head()
    raw = found.raw
    found.close()
    client.sendall(b"frame")
    assert raw.read(10) == b"frame"
    raw.close()
