"""Requests whose end is in doubt, and clients that send or read too slowly."""

from __future__ import annotations

import io
from typing import Any

import pytest

from flask_realtime.hosts import embedded as pywsgi
from flask_realtime.hosts.embedded import RequestHead
from tests.hosts.test_embedded import Connection, Serve, serve  # noqa: F401 - a fixture

HEAD = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"


def reads_all(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def reads_nothing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("413 Too Large", [("Content-Length", "0"), ("Connection", "close")])
    return [b""]


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 7\r\nTransfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0_5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Host: other\r\n",
        b"Content-Length : 5\r\n",
        b"X: a\r\n b\r\n",
        b"X: a\x00b\r\n",
        b"X: a\rb\r\n",
        b"no colon\r\n",
        b": no name\r\n",
    ],
    ids=repr,
)
def test_a_request_in_doubt_is_refused_and_the_connection_ends(
    serve: Serve,  # noqa: F811
    fields: bytes,
) -> None:
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + fields + b"\r\nhelloGET /smuggled HTTP/1.1\r\n\r\n")
        assert connection.until(b"\r\n").startswith(b"HTTP/1.1 400")
        rest = b""
        while data := connection.socket.recv(65536):
            rest += data
        assert b"HTTP/1.1" not in rest


def test_a_body_with_an_upgrade_header_is_a_body(serve: Serve) -> None:  # noqa: F811
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + b"Upgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")
        assert connection.until(b"hello").startswith(b"HTTP/1.1 200")
        connection.send(HEAD + b"Content-Length: 5\r\n\r\nworld")
        assert connection.until(b"world").startswith(b"HTTP/1.1 200")


def test_chunks_are_a_body(serve: Serve) -> None:  # noqa: F811
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert connection.until(b"hello").startswith(b"HTTP/1.1 200")


def test_what_is_behind_a_refused_body_is_not_read(serve: Serve) -> None:  # noqa: F811
    with Connection(serve(reads_nothing)) as connection:
        connection.send(HEAD + b"Content-Length: 1000000000\r\n\r\nhello")
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 413")
        with pytest.raises(ConnectionError):
            connection.send(b"x" * 65_536_000)


def test_a_client_that_falls_silent_in_the_middle_of_a_head_is_cut_off(
    serve: Serve,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pywsgi, "IDLE_TIMEOUT", 0.05)
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD)
        while connection.socket.recv(65536):
            pass


def test_a_connection_without_another_request_is_closed(
    serve: Serve,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pywsgi, "IDLE_TIMEOUT", 0.05)
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + b"Content-Length: 2\r\n\r\nhi")
        assert connection.until(b"hi").startswith(b"HTTP/1.1 200")
        assert connection.socket.recv(65536) == b""


def test_names_of_strangers_do_not_stay_in_memory() -> None:
    for number in range(2000):
        RequestHead(io.BytesIO(b"X-%d: a\r\n%s: b\r\n\r\n" % (number, b"y" * 1000)))
    known = pywsgi._KNOWN
    assert len(known) <= 200
    assert max(map(len, known)) <= 40


def test_a_repeated_field_is_one_list() -> None:
    head = RequestHead(io.BytesIO(b"Cookie: a=1\r\nCookie: b=2\r\nX: 1\r\nx: 2\r\nX_Y: 3\r\n\r\n"))
    assert head.environ["HTTP_COOKIE"] == "a=1; b=2"
    assert head.environ["HTTP_X"] == "1,2"
    assert "HTTP_X_Y" not in head.environ
