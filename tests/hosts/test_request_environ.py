"""The environs of the requests of one connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.hosts.request_body import NO_BODY
from flask_realtime.hosts.request_environ import Environs, slim
from flask_realtime.hosts.request_head import BadHead, Fields

HOST = b"Host: a\r\n"


class Standing:
    """Counts how often an environ is begun."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, fields: dict[str, str]) -> dict[str, Any]:
        self.count += 1
        return {"standing": True, **fields}


@pytest.fixture
def standing() -> Standing:
    return Standing()


def test_an_environ_has_all_of_the_request(standing: Standing) -> None:
    fields, environ = Environs(standing).make(b"GET /a%20b/%C3?c=%20 HTTP/1.1\r\n", HOST)
    assert environ == {
        "standing": True,
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/a b/\u00c3",
        "QUERY_STRING": "c=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "a",
    }
    assert fields.keeps_alive


def test_fields_that_come_again_are_not_parsed_again(standing: Standing) -> None:
    environs = Environs(standing)
    _, first = environs.make(b"GET /a HTTP/1.1\r\n", HOST)
    first["changed"] = first["HTTP_HOST"] = "by the application"
    _, second = environs.make(b"GET /b?c HTTP/1.1\r\n", HOST)
    assert standing.count == 1
    assert (second["PATH_INFO"], second["QUERY_STRING"]) == ("/b", "c")
    assert second["HTTP_HOST"] == "a"
    assert "changed" not in second


@pytest.mark.parametrize(
    ("line", "block"),
    [
        (b"POST / HTTP/1.1\r\n", HOST),
        (b"GET / HTTP/1.0\r\n", HOST),
        (b"GET / HTTP/1.1\r\n", b"Host: b\r\n"),
        (b"GET / HTTP/1.1\r\n", HOST + b"X: y\r\n"),
    ],
)
def test_another_head_is_parsed(standing: Standing, line: bytes, block: bytes) -> None:
    environs = Environs(standing)
    environs.make(b"GET / HTTP/1.1\r\n", HOST)
    _, environ = environs.make(line, block)
    assert standing.count == 2
    again = Environs(standing).make(line, block)[1]
    assert environ == again


@pytest.mark.parametrize(("length", "count"), [(b"7", 1), (b"00", 1), (b"123", 2)])
def test_a_body_of_another_length_is_not_another_head(
    standing: Standing, length: bytes, count: int
) -> None:
    environs = Environs(standing)
    for number in (b"42", length):
        block = HOST + b"content-Length:  " + number + b"\r\nX: y\r\n"
        fields, environ = environs.make(b"POST / HTTP/1.1\r\n", block)
        assert environ["CONTENT_LENGTH"] == number.decode()
        assert fields.content_length == int(number)
    assert standing.count == count


LENGTHS = st.sampled_from([b"", b"0", b"7", b"42", b"421", b"+1", b" 8", b"\xb2", b"1" * 19])
BLOCKS = st.tuples(
    st.sampled_from([HOST, b"Host: b\r\n", b"X-Content-Length: 4\r\n" + HOST]),
    st.sampled_from([b"Content-Length: ", b"content-length:", b"Content-Length : ", b"X: "]),
    LENGTHS,
    st.sampled_from(
        [b"\r\n", b"\n", b" \r\n", b"\r\nContent-Length: 42\r\n", b"\r\nExpect: 100-continue\r\n"]
    ),
    st.sampled_from(
        [b"", b"7", b"X: 42\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"]
    ),
).map(b"".join)


ATTRIBUTES = [name for name in dir(Fields) if name[0] != "_" and name not in ("of", "with_length")]


def made(environs: Environs, block: bytes) -> Any:
    try:
        fields, environ = environs.make(b"POST /a HTTP/1.1\r\n", block)
    except BadHead as error:
        return str(error), error.status
    return environ, {name: getattr(fields, name) for name in ATTRIBUTES}


@given(st.lists(BLOCKS, min_size=2, max_size=6))
def test_heads_that_are_known_are_read_as_new_ones_are(blocks: list[bytes]) -> None:
    environs = Environs(Standing())
    for block in blocks:
        assert made(environs, block) == made(Environs(Standing()), block)


def test_the_host_of_a_target_is_that_of_its_request_alone(standing: Standing) -> None:
    environs = Environs(standing)
    hosts = [
        environs.make(b"GET %s HTTP/1.1\r\n" % target, HOST)[1]["HTTP_HOST"]
        for target in (b"/", b"http://other/", b"/")
    ]
    assert hosts == ["a", "other", "a"]


def test_what_is_wrong_is_wrong_each_time(standing: Standing) -> None:
    environs = Environs(standing)
    environs.make(b"GET / HTTP/1.1\r\n", HOST)
    for line, block in ((b"GET / HTTP/1.1\r\n", b""), (b"GET a HTTP/1.1\r\n", HOST)):
        for _ in range(2):
            with pytest.raises(BadHead):
                environs.make(line, block)


def test_what_is_kept_has_bounds(standing: Standing) -> None:
    environs = Environs(standing)
    for method in (b"GET", b"POST", b"PUT", b"PUT", b"GET"):
        environs.make(method + b" / HTTP/1.1\r\n", HOST)
    assert standing.count == 4
    long = HOST + b"X: " + b"x" * 5000 + b"\r\n"
    for _ in range(2):
        environs.make(b"GET / HTTP/1.1\r\n", long)
    assert standing.count == 6
    environs.forget()
    environs.make(b"GET / HTTP/1.1\r\n", HOST)
    assert standing.count == 7


def test_websockets_share_what_their_clients_say_in_the_same_words() -> None:
    environs: list[dict[str, Any]] = []
    for number in range(2):
        fields = f"User-Agent: Mozilla/5.0 (X11)\r\nCookie: id={number}\r\n".encode()
        made = Environs(dict).make(b"GET /socket.io/?EIO=4 HTTP/1.1\r\n", HOST + fields)[1]
        slim(made, None)
        environs.append(made)
    for name in ("HTTP_USER_AGENT", "HTTP_HOST", "QUERY_STRING", "PATH_INFO"):
        assert environs[0][name] is environs[1][name]
    assert environs[0]["HTTP_USER_AGENT"] == "Mozilla/5.0 (X11)"
    assert environs[1]["HTTP_COOKIE"] == "id=1"
    assert "gunicorn.socket" not in environs[0]


def test_the_environ_of_a_websocket_has_its_own_socket() -> None:
    environ: dict[str, Any] = {"gunicorn.socket": "before", "wsgi.input": "stream"}
    slim(environ, "after")
    assert environ["gunicorn.socket"] == "after"
    assert environ["wsgi.input"] is NO_BODY
