"""Responses as applications make them, and the bytes that they become."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.hosts import response as responses
from flask_realtime.hosts.request_body import NO_BODY
from flask_realtime.hosts.response import Head, Response, head_of


class Wire:
    """A connection that keeps what is sent."""

    def __init__(self, must_close: bool = False) -> None:
        self.close_connection = must_close
        self.body = NO_BODY
        self.segments: list[bytes] = []

    def end_with_response(self) -> None:
        self.close_connection = True

    def send(self, data: bytes) -> None:
        self.segments.append(bytes(data))


def sent(
    app: Any, method: str = "GET", version: str = "HTTP/1.1", must_close: bool = False
) -> tuple[list[str], bytes, Wire]:
    """The lines of the head without the date, the body, and the connection."""
    wire = Wire(must_close)
    Response(wire, method, version).run(app, {})
    head, _, body = b"".join(wire.segments).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert sum(line.startswith("Date: ") for line in lines) == 1
    return [line for line in lines if not line.startswith("Date: ")], body, wire


def answers(*body: bytes, status: str = "200 OK", **fields: str) -> Any:
    """An application that returns a list."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
        start_response(status, pairs)
        return list(body)

    return app


def streams(*body: bytes, **fields: str) -> Any:
    """An application that generates its body."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", list(fields.items()))
        yield from body

    return app


def test_head_and_body_are_one_segment() -> None:
    lines, body, wire = sent(answers(b"hello", Content_Length="5", X="\u00e9"))
    assert (lines, body) == (["HTTP/1.1 200 OK", "Content-Length: 5", "X: \u00e9"], b"hello")
    assert len(wire.segments) == 1
    assert not wire.close_connection


def test_the_length_of_a_list_is_counted() -> None:
    assert sent(answers(b"a", b"", b"bc"))[:2] == (["HTTP/1.1 200 OK", "Content-Length: 3"], b"abc")
    assert sent(answers())[:2] == (["HTTP/1.1 200 OK", "Content-Length: 0"], b"")


def test_a_body_of_no_known_length_comes_in_chunks() -> None:
    lines, body, _ = sent(streams(b"hello", b"", b"x" * 17))
    assert lines == ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"]
    assert body == b"5\r\nhello\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n"
    assert sent(streams())[1] == b"0\r\n\r\n"


def test_or_ends_with_an_old_connection() -> None:
    lines, body, wire = sent(streams(b"hello"), version="HTTP/1.0")
    assert (lines, body) == (["HTTP/1.1 200 OK", "Connection: close"], b"hello")
    assert wire.close_connection


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_no_body(status: str) -> None:
    assert sent(answers(status=status))[:2] == (["HTTP/1.1 " + status], b"")
    assert sent(answers(status=status, Content_Length="0"))[1] == b""
    with pytest.raises(ValueError, match="has no body"):
        sent(answers(b"a", status=status))
    with pytest.raises(ValueError, match="has no length"):
        sent(answers(status=status, Content_Length="1"))


@pytest.mark.parametrize(
    ("app", "line"),
    [
        (answers(b"hello", Content_Length="5"), "Content-Length: 5"),
        (answers(b"hello"), "Content-Length: 5"),
        (streams(b"hello"), "Transfer-Encoding: chunked"),
        (answers(Content_Length="5"), "Content-Length: 5"),
        (answers(), None),
    ],
)
def test_a_head_request_has_the_head_alone(app: Any, line: str | None) -> None:
    lines, body, wire = sent(app, "HEAD")
    assert lines[1:] == ([line] if line else [])
    assert body == b""
    assert not wire.close_connection


@pytest.mark.parametrize(
    ("version", "must_close", "given", "expected"),
    [
        ("HTTP/1.1", False, None, None),
        ("HTTP/1.1", True, None, "close"),
        ("HTTP/1.1", True, "keep-alive", "close"),
        ("HTTP/1.1", False, "close", "close"),
        ("HTTP/1.1", False, "TE, Close", "close"),
        ("HTTP/1.1", False, "keep-alive", "keep-alive"),
        ("HTTP/1.0", False, None, "keep-alive"),
        ("HTTP/1.0", True, None, "close"),
    ],
)
def test_the_end_of_the_connection_is_said_once(
    version: str, must_close: bool, given: str | None, expected: str | None
) -> None:
    fields = {"Content_Length": "0"} | ({} if given is None else {"Connection": given})
    lines, _, wire = sent(answers(**fields), "GET", version, must_close)
    found = [line for line in lines if line.startswith("Connection")]
    assert found == ([] if expected is None else ["Connection: " + expected])
    assert wire.close_connection == (expected == "close")


def test_a_switch_of_protocols_keeps_its_connection_field_and_its_frames() -> None:
    app = answers(b"frame", status="101 Switching Protocols", Connection="Upgrade")
    lines, body, _ = sent(app, must_close=True)
    assert (lines[1:], body) == (["Connection: Upgrade"], b"frame")


@pytest.mark.parametrize("body", [b"four", b"sixsix"])
def test_a_length_that_was_not_kept_ends_the_connection(body: bytes) -> None:
    assert sent(answers(body, Content_Length="5"))[2].close_connection


def test_a_date_of_the_application_is_kept() -> None:
    wire = Wire()
    Response(wire, "GET", "HTTP/1.1").run(answers(Date="yesterday"), {})
    assert wire.segments[0].count(b"Date: ") == 1


@pytest.mark.parametrize(
    ("status", "name", "value", "kind"),
    [
        ("200 OK", "X", "a\r\nY: b", ValueError),
        ("200 OK", "X", "a\nb", ValueError),
        ("200 OK", "X\r", "a", ValueError),
        ("200 OK", "Connection", "a\r\nX: b", ValueError),
        ("200 OK\r\nX: a", "Y", "b", ValueError),
        ("200 OK", "X", "\u20ac", ValueError),
        ("200 OK", "X", b"a", TypeError),
        ("200 OK", "X", 1, TypeError),
        ("OK", "X", "a", ValueError),
    ],
)
def test_a_head_that_cannot_be_sent_raises_where_it_is_given(
    status: str, name: str, value: Any, kind: type[Exception]
) -> None:
    wire = Wire()
    with pytest.raises(kind):
        Response(wire, "GET", "HTTP/1.1").start_response(status, [(name, value)])
    assert wire.segments == []


def test_what_is_written_leaves_at_once() -> None:
    wire = Wire()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "3")])
        write(b"a")
        assert wire.segments[0].endswith(b"\r\n\r\na")
        write(b"b")
        return [b"c"]

    Response(wire, "GET", "HTTP/1.1").run(app, {})
    assert wire.segments[1:] == [b"b", b"c"]


def test_an_answer_may_be_replaced_until_it_has_begun() -> None:
    wire = Wire()
    response = Response(wire, "GET", "HTTP/1.1")
    response.start_response("200 OK", [("X", "a")])
    try:
        raise KeyError("late")
    except KeyError:
        response.start_response("500 Oh", [("Y", "b")], sys.exc_info())
        response.write(b"sorry")
        assert wire.segments[0].startswith(b"HTTP/1.1 500 Oh\r\nY: b\r\n")
        with pytest.raises(KeyError, match="late"):
            response.start_response("500 Oh", [], sys.exc_info())


def test_a_body_is_closed_whatever_happens() -> None:
    class Body:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            raise KeyError("late")

        def close(self) -> None:
            self.closed += 1

    body = Body()

    def app(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [])
        return body

    with pytest.raises(KeyError):
        Response(Wire(), "GET", "HTTP/1.1").run(app, {})
    assert body.closed == 1


@pytest.mark.parametrize("kind", [list, tuple, iter], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("pair", [tuple, list], ids=lambda kind: kind.__name__)
def test_fields_come_in_any_sequence(kind: Any, pair: Any) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", kind([pair(("Content-Length", "2")), pair(("X", "a"))]))
        return [b"ab"]

    for version in ("HTTP/1.1", "HTTP/1.0"):
        lines, body, _ = sent(app, version=version)
        assert (lines[:3], body) == (["HTTP/1.1 200 OK", "Content-Length: 2", "X: a"], b"ab")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_a_body_may_be_of_any_kind_of_bytes(kind: Any) -> None:
    for app in (answers, streams):
        whole = b"".join(sent(app(kind(b"ab"), kind(b"c")))[2].segments)
        assert whole.endswith((b"\r\n\r\nabc", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"))


def test_an_application_has_to_name_a_status() -> None:
    with pytest.raises(RuntimeError, match="start_response"):
        Response(Wire(), "GET", "HTTP/1.1").run(lambda environ, start: [b"a"], {})


def test_text_is_not_a_body() -> None:
    wire = Wire()

    def app(environ: Any, start_response: Any) -> list[Any]:
        start_response("200 OK", [("Content-Length", "1")])
        return ["a"]

    with pytest.raises(TypeError):
        Response(wire, "GET", "HTTP/1.1").run(app, {})
    assert wire.segments == []


# --- heads that are equal

NAMES = ["Content-Length", "content-length", "Connection", "Date", "X-A", "Set-Cookie"]
VALUES = ["", "0", "2", "close", "keep-alive", "\u00e9", "\u20ac", "a\r\nb"]
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=4)
STATUSES = st.sampled_from(["200 OK", "204 No Content", "101 Switching Protocols", "x"])


def answer_to(status: str, fields: Any, version: str, must_close: bool) -> Any:
    """All that is sent, or the kind of the error."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, fields)
        return [b"ab"]

    wire = Wire(must_close)
    try:
        Response(wire, "GET", version).run(app, {})
    except ValueError as error:
        return str(error)
    return wire.segments, wire.close_connection


@given(STATUSES, FIELDS, st.sampled_from(["HTTP/1.0", "HTTP/1.1"]), st.booleans())
def test_a_head_that_was_kept_is_sent_as_a_new_one_is(
    status: str, fields: Any, version: str, must_close: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: 1_000.5)
        call = (status, fields, version, must_close)
        patch.setattr(responses, "_kept", {})
        first = answer_to(*call)
        assert answer_to(*call) == first
        patch.setattr(Head, "whole", lambda self, second: None)
        assert answer_to(*call) == first


def test_a_head_that_was_kept_has_the_date_of_its_second() -> None:
    found = head_of("200 OK", [("Content-Length", "2")])
    assert head_of("200 OK", [("Content-Length", "2")]) is found
    first = found.whole(1)
    assert first is not None
    assert b"\r\nDate: Thu, 01 Jan 1970 00:00:01 GMT\r\n" in first
    assert found.whole(1) is first
    assert found.whole(2) == first.replace(b"00:00:01", b"00:00:02")


def test_heads_that_are_large_or_have_a_cookie_or_lists_are_made_each_time() -> None:
    listed: Any = [["Content-Length", "2"]]
    for fields in (listed, [("Set-Cookie", "a=b")], [("X-A", "a" * 1_024)]):
        found = head_of("200 OK", fields)
        assert head_of("200 OK", fields) is not found
        assert head_of("200 OK", fields).text == found.text


def test_the_heads_that_are_kept_have_a_bound() -> None:
    for number in range(responses.KEPT_HEADS + 10):
        last = head_of("200 OK", [("X-Number", str(number))])
    assert len(responses._kept) == responses.KEPT_HEADS
    assert head_of("200 OK", [("X-Number", str(number))]) is last
