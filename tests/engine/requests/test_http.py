"""Answers and bodies of the HTTP side."""

from __future__ import annotations

import gzip
import io
import itertools
import zlib
from types import MappingProxyType
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.pywsgi import Input
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize
from werkzeug.datastructures import Headers

from flask_realtime.engine.requests.http import (
    BodyTooLarge,
    BrokenBody,
    affinity_cookie,
    begin,
    compress,
    encode,
    error_body,
    read_body,
    reply,
)
from flask_realtime.errors import Forbidden, UnknownSession
from tests.fakes import Answer, request, value_of

LIMIT, TIMEOUT = 100_000, 0.5


def read(body: bytes, **headers: str) -> bytes:
    return read_body(request("POST", body=body, headers=headers), LIMIT, TIMEOUT)


def chunked(body: bytes, limit: int = LIMIT) -> bytes:
    """A body without a stated length: the host decodes the chunks."""
    environ = request("POST", body=body, headers={"Transfer-Encoding": "chunked"})
    del environ["CONTENT_LENGTH"]
    return read_body(environ, limit, TIMEOUT)


class Dripping(io.RawIOBase):
    """A stream that gives one byte at a time, and then what comes next."""

    def __init__(self, data: bytes, then: Any = b"") -> None:
        self._data, self._then = data, then

    def read(self, size: int = -1) -> bytes:
        if self._data:
            found, self._data = self._data[:1], self._data[1:]
            return found
        if isinstance(self._then, Exception):
            raise self._then
        if self._then is None:
            gevent.sleep(60)
        return b""


def test_an_answer_states_its_length() -> None:
    answer = Answer()
    assert reply(value_of({}, answer.start_response), 200, [("X-A", "b")], b"abc") == [b"abc"]
    assert answer.status == 200
    assert list(answer.headers) == [("X-A", "b"), ("Content-Length", "3")]


@pytest.mark.parametrize("sent", ["close", "Close"])
def test_an_answer_echoes_connection_close(sent: str) -> None:
    answer = Answer()
    reply(value_of({"HTTP_CONNECTION": sent}, answer.start_response), 200)
    assert answer.headers["Connection"] == "close"
    reply(value_of({"HTTP_CONNECTION": "keep-alive"}, answer.start_response), 200)
    assert "Connection" not in answer.headers


def test_an_answer_may_replace_one_that_has_begun() -> None:
    seen: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen.append(exc_info)

    error = ValueError("kept")
    request = value_of({}, start_response)
    begin(request, 400, [], 0)
    begin(request, 400, [], 0, error)
    assert seen == [None, (ValueError, error, error.__traceback__)]


def test_an_answer_begins_with_the_write_of_its_host() -> None:
    answer = Answer()
    assert begin(value_of({}, answer.start_response), 200, [], 3) == answer.write
    assert answer.headers["Content-Length"] == "3"


def test_an_error_has_a_number_and_a_text() -> None:
    assert error_body(UnknownSession()) == b'{"code":1,"message":"Session ID unknown"}'
    assert error_body(Forbidden(None, "no")) == b'{"code":4,"message":"no"}'


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, LIMIT])
def test_a_body_of_a_stated_length_is_read_whole(size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    assert read(body) == body
    assert chunked(body) == body


def test_bytes_behind_the_stated_length_are_left() -> None:
    environ = request("POST", body=b"abc")
    environ["wsgi.input"] = io.BytesIO(b"abcNEXT REQUEST")
    assert read_body(environ, LIMIT, TIMEOUT) == b"abc"
    assert environ["wsgi.input"].read() == b"NEXT REQUEST"


def test_a_body_that_is_stated_too_large_is_not_read() -> None:
    environ = request("POST", body=b"x" * 11)
    with pytest.raises(BodyTooLarge):
        read_body(environ, 10, TIMEOUT)
    assert environ["wsgi.input"].tell() == 0


def test_a_chunked_body_is_read_to_the_limit_and_no_further() -> None:
    environ = request("POST", body=b"x" * 1000, headers={"Transfer-Encoding": "chunked"})
    del environ["CONTENT_LENGTH"]
    with pytest.raises(BodyTooLarge):
        read_body(environ, 10, TIMEOUT)
    assert environ["wsgi.input"].tell() <= 11


def test_a_body_that_comes_in_pieces_is_put_together() -> None:
    environ = request("POST", body=b"hello")
    environ["wsgi.input"] = Dripping(b"hello")
    assert read_body(environ, LIMIT, TIMEOUT) == b"hello"


@pytest.mark.parametrize(
    "then", [b"", ConnectionResetError(), None], ids=["end", "reset", "silence"]
)
def test_a_body_that_stops_half_way_is_broken(then: Any) -> None:
    environ = request("POST", body=b"hello")
    environ["wsgi.input"] = Dripping(b"hel", then)
    with pytest.raises(BrokenBody):
        read_body(environ, LIMIT, 0.02)


@pytest.mark.parametrize(
    "raised", [ValueError(), InvalidChunkSize(b""), ChunkMissingTerminator(b"")]
)
def test_whatever_the_reader_of_a_host_raises_the_body_is_broken(raised: Exception) -> None:
    environ = request("POST", headers={"Transfer-Encoding": "chunked"})
    environ["wsgi.input"] = Dripping(b"hel", raised)
    with pytest.raises(BrokenBody) as broken:
        read_body(environ, LIMIT, TIMEOUT)
    assert broken.value.__cause__ is raised


def test_others_have_their_turn_while_small_chunks_are_read() -> None:
    chunks: Any = io.BytesIO(b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
    environ = request("POST", headers={"Transfer-Encoding": "chunked"})
    environ["wsgi.input"] = Input(chunks, None, chunked_input=True)
    turns: list[int] = []
    ours, theirs = socket.socketpair()
    theirs.sendall(b"always something to read")

    def take_turns() -> None:
        while True:
            socket.wait_read(ours.fileno())
            turns.append(chunks.tell())

    other = gevent.spawn(take_turns)
    assert len(read_body(environ, LIMIT, TIMEOUT * 10)) == 20_000
    other.kill()
    ours.close()
    theirs.close()
    gaps = [after - before for before, after in itertools.pairwise(turns)]
    assert 0 < max(gaps) <= 2 * 6 * 1024


@pytest.mark.parametrize("length", ["-1", "+5", "5 ", "0x5", "５", "1e1", "9" * 30, ""])
def test_a_length_that_is_no_number_means_no_body(length: str) -> None:
    environ = request("POST", body=b"hello", CONTENT_LENGTH=length)
    assert read_body(environ, LIMIT, TIMEOUT) == b""


@pytest.mark.parametrize("coding", ["gzip", "chunked, gzip", "identity"])
def test_an_unknown_transfer_coding_means_no_body(coding: str) -> None:
    assert read(b"hello", **{"Transfer-Encoding": coding}) == b""


def test_chunks_win_over_a_stated_length() -> None:
    environ = request(
        "POST", body=b"hello", headers={"Transfer-Encoding": "chunked", "Content-Length": "2"}
    )
    assert read_body(environ, LIMIT, TIMEOUT) == b"hello"


BODY = b"x" * 5000


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip;q=0.5", "deflate"),
        ("*", "gzip"),
        ("br", None),
        ("gzip;q=0", None),
        ("identity", None),
        (None, None),
    ],
)
def test_a_body_is_compressed_as_the_client_accepts_it(
    accepted: str | None, coding: str | None
) -> None:
    answer: list[tuple[str, str]] = []
    environ = request(headers={"Accept-Encoding": accepted} if accepted is not None else {})
    body = compress(BODY, environ, answer)
    headers = Headers(answer)
    assert headers.get("Content-Encoding") == coding
    assert headers["Vary"] == "Accept-Encoding"
    if coding is not None:
        body = gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)
    assert body == BODY


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (True, "io=abc; HttpOnly; Path=/; SameSite=Lax"),
        ("lb", "lb=abc; HttpOnly; Path=/; SameSite=Lax"),
        ({}, "io=abc; HttpOnly; Path=/; SameSite=Lax"),
        (MappingProxyType({"name": "lb"}), "lb=abc; HttpOnly; Path=/; SameSite=Lax"),
        (
            {"name": "lb", "path": "/rt", "secure": True, "httponly": False, "samesite": "None"},
            "lb=abc; Secure; Path=/rt; SameSite=None",
        ),
        (
            {"domain": "example.com", "max_age": 60},
            "io=abc; Domain=example.com; Max-Age=60; HttpOnly; Path=/; SameSite=Lax",
        ),
    ],
)
def test_the_cookie_has_the_defaults_of_the_documentation(option: Any, expected: str) -> None:
    def attributes(cookie: str) -> list[str]:
        return sorted(part for part in cookie.split("; ") if not part.startswith("Expires="))

    assert attributes(affinity_cookie(option, "abc")) == attributes(expected)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_others_have_their_turn_while_a_large_body_is_compressed(encoding: str) -> None:
    body = b"0123456789" * 100_000
    turns: list[int] = []

    def other() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0)

    greenlet = gevent.spawn(other)
    encoded = encode(body, encoding)
    greenlet.kill()
    assert len(turns) > 10
    assert len(encoded) < len(body) // 100
    decoded = gzip.decompress(encoded) if encoding == "gzip" else zlib.decompress(encoded)
    assert decoded == body
