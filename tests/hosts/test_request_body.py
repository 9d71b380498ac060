"""Request bodies: stated lengths, chunks, bounds and deadlines."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime.hosts import request_body
from flask_realtime.hosts.request_body import (
    NO_BODY,
    BodyError,
    ChunkedBody,
    RequestBody,
    SizedBody,
)

NEXT = b"GET /next HTTP/1.1\r\n"


def chunks(*data: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in data) + b"0\r\n\r\n"


def sized(data: bytes) -> RequestBody:
    return SizedBody(io.BytesIO(data + NEXT), len(data))


def chunked(data: bytes) -> RequestBody:
    half = len(data) // 2
    parts = [part for part in (data[:half], data[half:]) if part]
    return ChunkedBody(io.BytesIO(chunks(*parts) + NEXT))


MAKERS = pytest.mark.parametrize("make", [sized, chunked])
Make = Callable[[bytes], RequestBody]


@MAKERS
@pytest.mark.parametrize("size", [1, 7, 65_536, 200_000])
def test_a_body_is_read_to_its_end_and_no_further(make: Make, size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    for step in (None, -1, 1000, size, size + 1):
        body = make(data)
        found = b"".join(iter(partial(body.read, step), b""))
        assert found == data
        assert body.skip_rest()
        assert body.rfile.read() == NEXT


@MAKERS
def test_a_read_has_the_size_that_is_asked_for(make: Make) -> None:
    body = make(b"abcdefgh")
    assert body.read(0) == b""
    assert [body.read(3), body.read(3), body.read(3), body.read(3)] == [b"abc", b"def", b"gh", b""]


@MAKERS
def test_a_body_has_lines(make: Make) -> None:
    text = b"one\ntwo\n\nthree"
    assert list(make(text)) == [b"one\n", b"two\n", b"\n", b"three"]
    assert make(text).readlines() == list(io.BytesIO(text))
    body = make(text)
    assert [body.readline(2), body.readline(2), body.readline(0)] == [b"on", b"e\n", b""]
    assert [body.read(2), body.readline(), body.read()] == [b"tw", b"o\n", b"\nthree"]


@MAKERS
def test_the_rest_of_a_body_is_skipped(make: Make) -> None:
    body = make(b"x" * 60_000)
    assert body.read(10) == b"x" * 10
    assert body.skip_rest()
    assert body.rfile.read() == NEXT


@MAKERS
def test_a_long_rest_of_a_body_is_not_skipped(make: Make) -> None:
    body = make(b"x" * 1_000_000)
    assert not body.skip_rest()
    assert not body.is_at_end
    assert len(body.rfile.read()) > 900_000


def test_a_request_without_a_body_has_nothing_to_read() -> None:
    assert NO_BODY.read() == NO_BODY.read(5) == NO_BODY.readline() == b""
    assert list(NO_BODY) == NO_BODY.readlines() == []
    assert NO_BODY.skip_rest()
    assert NO_BODY.is_at_end


def test_extensions_and_trailers_are_passed_over() -> None:
    stream = io.BytesIO(b'5;a=b;c="d e"\r\nhello\r\n0 ;x\r\nX-Sum: 1\r\nY:\r\n\r\n' + NEXT)
    assert ChunkedBody(stream).read() == b"hello"
    assert stream.read() == NEXT


BROKEN = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "no hexadecimal": b"g\r\nhello\r\n0\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "white space in front of the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "white space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "a bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "a bare LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;a\x00\r\nhello\r\n0\r\n\r\n",
    "data that is too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "a bare LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "a bare LF behind the last chunk": b"5\r\nhello\r\n0\n\r\n",
    "a trailer without a colon": b"5\r\nhello\r\n0\r\nX\r\n\r\n",
    "a trailer with white space": b"5\r\nhello\r\n0\r\nX : 1\r\n\r\n",
    "a trailer that goes on": b"5\r\nhello\r\n0\r\nX: 1\r\n y\r\n\r\n",
    "a bare LF in a trailer": b"5\r\nhello\r\n0\r\nX: 1\n\r\n",
    "an end in the size": b"5\r\nhello\r\n",
    "an end in the data": b"5\r\nhel",
    "an end in the trailers": b"5\r\nhello\r\n0\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_chunk_is_an_error_that_stays(data: bytes) -> None:
    body = ChunkedBody(io.BytesIO(data))
    for _ in range(2):
        with pytest.raises(BodyError) as raised:
            body.read()
        assert raised.value.code == 400
        assert body.failed
    assert not body.skip_rest()


def test_a_broken_chunk_in_the_rest_ends_the_connection() -> None:
    assert not ChunkedBody(io.BytesIO(b"5\r\nhello?\r\n")).skip_rest()


def test_a_body_of_a_stated_length_that_ends_early_is_an_error() -> None:
    body = SizedBody(io.BytesIO(b"hel"), 5)
    with pytest.raises(OSError, match="went away"):
        body.read()
    assert body.failed


BOUNDS = {
    "chunks": b"1\r\nx\r\n" * 20_000,
    "extensions": b"1;%s\r\nx\r\n" % (b"a" * 1000) * 50,
    "a line": b"1;" + b"a" * 20_000 + b"\r\nx\r\n",
    "trailers": b"0\r\n" + b"X: 1\r\n" * 10_000,
}


@pytest.mark.parametrize("data", BOUNDS.values(), ids=BOUNDS.keys())
def test_what_is_not_data_has_bounds(data: bytes) -> None:
    stream = io.BytesIO(data + b"0\r\n\r\n")
    with pytest.raises(BodyError):
        ChunkedBody(stream).read()
    assert stream.tell() < len(data)


def test_the_bounds_grow_with_what_the_chunks_bring() -> None:
    assert len(ChunkedBody(io.BytesIO(chunks(*[b"x" * 100] * 20_000))).read()) == 2_000_000
    signed = b"8000;signature=%s\r\n%s\r\n" % (b"a" * 64, b"x" * 32_768)
    assert len(ChunkedBody(io.BytesIO(signed * 400 + b"0\r\n\r\n")).read()) == 400 * 32_768


@pytest.mark.parametrize(
    "body",
    [
        ChunkedBody(io.BytesIO(chunks(*[b"x"] * 1000))),
        SizedBody(io.BytesIO(b"x" * 3_000_000), 3_000_000),
    ],
    ids=["chunks", "bytes"],
)
def test_others_have_their_turn_while_a_body_is_read(body: RequestBody) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x")
        other = gevent.spawn(socket.wait_read, ours.fileno())
        gevent.sleep(0)
        body.read()
        assert other.dead


class Clock:
    """A clock, and a stream that takes its time."""

    def __init__(self, data: bytes, seconds: float) -> None:
        self.now = 0.0
        self._data, self._seconds = io.BytesIO(data), seconds

    def __call__(self) -> float:
        return self.now

    def read1(self, size: int) -> bytes:
        self.now += self._seconds
        return self._data.read(min(size, 10))

    def readline(self, size: int) -> bytes:
        self.now += self._seconds
        return self._data.readline(size)


def slow(monkeypatch: pytest.MonkeyPatch, data: bytes, seconds: float) -> Any:
    clock = Clock(data, seconds)
    monkeypatch.setattr(request_body, "monotonic", clock)
    return clock


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_client_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch, is_chunked: bool) -> None:
    data = b"x" * 10_000
    clock = slow(monkeypatch, chunks(data) if is_chunked else data, 1.0)
    body = ChunkedBody(clock) if is_chunked else SizedBody(clock, len(data))
    with pytest.raises(BodyError) as raised:
        body.read()
    assert raised.value.code == 408
    assert 60 < clock.now < 65
    assert body.failed


def test_a_slow_and_steady_client_has_all_the_time_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = slow(monkeypatch, b"x" * 1_000_000, 0.019)
    assert len(SizedBody(clock, 1_000_000).read()) == 1_000_000
    assert clock.now > 1000


def test_the_time_of_the_application_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = slow(monkeypatch, b"x" * 100, 1.0)
    body = SizedBody(clock, 100)
    body.read(50)
    clock.now += 1000
    assert not body.waits_too_long(clock.now)
    assert len(body.read(50)) == 50


def test_a_read_that_waits_can_be_seen() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        body = SizedBody(stream, 5)
        reader = gevent.spawn(body.read)
        gevent.sleep(0)
        since = body.waiting_since
        assert since is not None
        assert not body.waits_too_long(since + 59)
        assert body.waits_too_long(since + 60)
        theirs.sendall(b"hello")
        assert reader.get(timeout=1) == b"hello"
        assert body.waiting_since is None


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_client_that_waits_is_told_to_continue_when_its_body_is_read(is_chunked: bool) -> None:
    ours, theirs = socket.socketpair()
    data = io.BytesIO(b"5\r\nhello\r\n0\r\n\r\n" if is_chunked else b"hello")
    with ours, theirs:
        body = ChunkedBody(data, ours) if is_chunked else SizedBody(data, 5, ours)
        assert body.read() == b"hello"
        assert theirs.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_waits_is_not_told_to_continue_for_the_rest() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not SizedBody(io.BytesIO(b"hello"), 5, ours).skip_rest()
        ours.close()
        assert theirs.recv(100) == b""


def test_werkzeug_makes_an_answer_of_an_error() -> None:
    error = BodyError("the body comes too slowly", 408)
    assert error.get_response().status_code == 408
    assert str(error) == "the body comes too slowly"
