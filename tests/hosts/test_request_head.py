"""Request heads: the request line, the target and the fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.hosts import request_head
from flask_realtime.hosts.request_head import (
    BadHead,
    Fields,
    parse_fields,
    parse_request_line,
    parse_target,
)


def head(fields: bytes, version: str = "HTTP/1.0") -> Fields:
    return parse_fields(fields, version)


def test_a_request_line_has_three_words() -> None:
    assert parse_request_line("GET /a?b HTTP/1.1\r\n") == ("GET", "/a?b", "HTTP/1.1")
    assert parse_request_line("x-y! * HTTP/1.0\r\n") == ("x-y!", "*", "HTTP/1.0")


REQUEST_LINES = st.tuples(
    st.sampled_from(["GET", "POST", "HEAD", "CONNECT", "get", ""]),
    st.sampled_from(["", " ", "  ", "\t"]),
    st.text(st.characters(max_codepoint=255), max_size=5),
    st.sampled_from(["", " ", "  "]),
    st.sampled_from(
        ["HTTP/1.1\r\n", "HTTP/1.0\r\n", "HTTP/1.1\n", "HTTP/1.1\r\n\r\n", "HTTP/2.0\r\n"]
    ),
).map("".join)


def parsed(line: str) -> tuple[str, str, str] | int:
    try:
        return parse_request_line(line)
    except BadHead as error:
        return error.status


@given(REQUEST_LINES)
def test_the_usual_request_lines_are_read_as_all_others_are(line: str) -> None:
    found = parsed(line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_head, "_USUAL", frozenset())
        assert parsed(line) == found


def test_a_later_minor_version_is_read_as_the_latest_that_is_known() -> None:
    assert parse_request_line("GET / HTTP/1.2\r\n")[2] == "HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1\r\n", 400),
        ("GET / HTTP/1.10\r\n", 400),
        ("GET / HTTP/1.1\n", 400),
        ("GET / http/1.1\r\n", 400),
        ("GET / HTTP/\u00b2.1\r\n", 400),
        ("GET /\r\n", 400),
        ("GET\r\n", 400),
        ("\r\n", 400),
        ("", 400),
        (" GET / HTTP/1.1\r\n", 400),
        ("GET  / HTTP/1.1\r\n", 400),
        ("GET /  HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1 \r\n", 400),
        ("GET\t/ HTTP/1.1\r\n", 400),
        ("GET /a b HTTP/1.1\r\n", 400),
        ("GET /\x00 HTTP/1.1\r\n", 400),
        ("GET /\x7f HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\r\n", 400),
        ("G(T / HTTP/1.1\r\n", 400),
        ("G\u00e9T / HTTP/1.1\r\n", 400),
        ("GET / HTTP/0.9\r\n", 505),
        ("GET / HTTP/2.0\r\n", 505),
        ("PRI * HTTP/2.0\r\n", 505),
        ("CONNECT a:80 HTTP/1.1\r\n", 501),
    ],
)
def test_a_malformed_request_line_is_refused(line: str, status: int) -> None:
    with pytest.raises(BadHead) as refused:
        parse_request_line(line)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("target", "path", "authority"),
    [
        ("/a?b", "/a?b", None),
        ("//a/b", "//a/b", None),
        ("http://a", "/", "a"),
        ("http://a?b", "/?b", "a"),
        ("HTTP://a:80/b?c=/?d", "/b?c=/?d", "a:80"),
        ("https://[::1]:5000/", "/", "[::1]:5000"),
    ],
)
def test_a_target_in_absolute_form_names_the_host(
    target: str, path: str, authority: str | None
) -> None:
    assert parse_target("GET", target) == (path, authority)


def test_options_may_ask_for_the_server() -> None:
    assert parse_target("OPTIONS", "*") == ("*", None)


@pytest.mark.parametrize(
    "target", ["*", "a", "a:80", "?b", "http:///b", "http://me@a/", "http://a#b", "ftp://a/"]
)
def test_another_target_is_refused(target: str) -> None:
    with pytest.raises(BadHead):
        parse_target("GET", target)


@pytest.mark.parametrize("host", ["a", "my_app:5000", "[::1]:80", "127.0.0.1", "a.", ""])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    environ = head(b"Host: %s\r\n" % host.encode(), "HTTP/1.1").environ
    assert environ["HTTP_HOST"] == host


@pytest.mark.parametrize("host", ["a b", "a/b", "me@a", "a:b", "[::1", "a#b", "a\\b", "a\u00e9"])
def test_a_malformed_host_is_refused(host: str) -> None:
    with pytest.raises(BadHead):
        head(b"Host: %s\r\n" % host.encode("latin-1"))


def test_http_1_1_needs_a_host() -> None:
    with pytest.raises(BadHead):
        head(b"", "HTTP/1.1")
    assert head(b"", "HTTP/1.0").environ == {}


def test_a_repeated_field_is_one_list() -> None:
    found = head(b"Cookie: a=1\r\nCookie: b=2\r\nX: 1\r\nx: 2\r\nX_Y: 3\r\n")
    assert found.environ["HTTP_COOKIE"] == "a=1; b=2"
    assert found.environ["HTTP_X"] == "1,2"
    assert "HTTP_X_Y" not in found.environ


def test_the_length_of_a_body_is_a_number() -> None:
    assert head(b"Content-Length: 12\r\n").content_length == 12
    assert head(b"").content_length is None


@pytest.mark.parametrize(
    ("connection", "version", "again"),
    [
        (None, "HTTP/1.1", True),
        (None, "HTTP/1.0", False),
        (b"Keep-Alive", "HTTP/1.0", True),
        (b"x, keep-alive", "HTTP/1.0", True),
        (b"Upgrade", "HTTP/1.1", True),
        (b"Close", "HTTP/1.1", False),
        (b"TE, close", "HTTP/1.1", False),
        (b"keep-alive\r\nConnection: close", "HTTP/1.1", False),
    ],
)
def test_a_client_says_whether_it_uses_the_connection_again(
    connection: bytes | None, version: str, again: bool
) -> None:
    fields = b"" if connection is None else b"Connection: " + connection + b"\r\n"
    assert head(b"Host: a\r\n" + fields, version).keeps_alive is again


@pytest.mark.parametrize(
    "fields",
    [b"X: a\r\n" * 201, b"X: %s\r\n" % (b"a" * 70_000), (b"X: %s\r\n" % (b"a" * 60_000)) * 5],
    ids=["fields", "line", "bytes"],
)
def test_a_head_has_bounds(fields: bytes) -> None:
    with pytest.raises(BadHead) as refused:
        head(fields)
    assert refused.value.status == 431


def test_made_up_names_do_not_stay_in_memory() -> None:
    for number in range(2000):
        head(b"X-%d: a\r\n%s: b\r\n" % (number, b"y" * 1000))
    known = request_head._KNOWN
    assert len(known) <= 200
    assert max(map(len, known)) <= 40


def test_the_lines_that_clients_share_have_bounds() -> None:
    lines = request_head._LINES
    for number in range(request_head._MAX_LINES + 10):
        assert head(f"User-Agent: {number}\r\n".encode()).environ == {
            "HTTP_USER_AGENT": str(number)
        }
    assert 0 < len(lines) <= request_head._MAX_LINES
    long = "x" * request_head._MAX_LINE_LENGTH
    for line in (f"User-Agent: {long}", "Cookie: a=1", "X: 1"):
        head(line.encode() + b"\r\n")
        assert line not in lines


def test_a_line_that_is_known_is_one_field_of_several() -> None:
    for _ in range(2):
        fields = head(b"Accept: a\r\nAccept: b\r\nCookie: c\r\nHost: d\r\n").environ
        assert fields == {"HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "c", "HTTP_HOST": "d"}
        with pytest.raises(BadHead):
            head(b"Host: d\r\nHost: d\r\n")
