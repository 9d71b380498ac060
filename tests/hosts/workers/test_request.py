"""A request is let go of without a byte, and can be read again elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gevent import pywsgi, socket
from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.wsgi import create
from gunicorn.workers.base_async import ALREADY_HANDLED

from flask_realtime.hosts.workers.request import Grip, Release, grip

POST = (
    b"POST /socket.io/?EIO=4&sid=a%20b HTTP/1.1\r\nHost: example.org\r\nX-One: 1\r\nX-One: 2\r\n"
    b"Content-Length: 4\r\n\r\n"
)
PIPELINED = b"GET / HTTP/1.1\r\n\r\n"


class Connection:
    """A request as a host has read it; ``environ`` and ``start_response`` are gunicorn's."""

    def __init__(self, data: bytes, **settings: Any) -> None:
        self.cfg = Config()
        for name, value in settings.items():
            self.cfg.set(name, value)
        self.client, self.sock = socket.socketpair()
        self.client.sendall(data)
        self.parser = get_parser(self.cfg, self.sock, ("127.0.0.1", 1))
        request = next(self.parser)
        self.environ: Any
        self.response, self.environ = create(
            request, self.sock, ("127.0.0.1", 1), ("127.0.0.1", 80), self.cfg
        )
        self.start_response = self.response.start_response

    def grip(self, wrapped: bool = False) -> Grip:
        start: Any = self.start_response
        if wrapped:

            def start(*args: Any) -> Any:
                return self.start_response(*args)

        held = grip(self.environ, start)
        assert held is not None
        return held

    def close(self) -> None:
        self.client.close()
        self.sock.close()


def read(data: bytes, **settings: Any) -> tuple[dict[str, Any], bytes, Connection]:
    """What another worker makes of a request, and of its body."""
    again = Connection(data, **settings)
    text = {name: value for name, value in again.environ.items() if isinstance(value, str)}
    return text, again.environ["wsgi.input"].read(), again


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("body", [b"body", b"bo"], ids=["whole", "half"])
def test_a_request_reads_the_same_the_second_time(wrapped: bool, body: bytes) -> None:
    first = Connection(POST + body)
    held = first.grip(wrapped)
    moved = held.head() + held.take_rest()
    text, content, again = read(moved + b"body"[len(body) :])
    before = {name: value for name, value in first.environ.items() if isinstance(value, str)}
    assert (text, content) == (before, b"body")
    first.close()
    again.close()


@pytest.mark.parametrize("wrapped", [False, True])
def test_chunked_bodies_and_pipelined_requests_go_along(wrapped: bool) -> None:
    data = POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked")
    first = Connection(data + b"4\r\nbody\r\n0\r\n\r\n" + PIPELINED)
    held = first.grip(wrapped)
    _, content, again = read(held.head() + held.take_rest())
    assert content == b"body"
    assert next(again.parser).method == "GET"
    first.close()
    again.close()


def test_100_is_sent_once() -> None:
    first = Connection(POST.replace(b"X-One: 1", b"Expect: 100-continue"))
    assert first.client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for wrapped in (False, True):
        assert b"EXPECT" not in first.grip(wrapped).head()
    first.close()


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_a_proxy_said_goes_along(wrapped: bool) -> None:
    options = {"proxy_protocol": True, "proxy_allow_ips": "*"}
    first = Connection(b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n" + POST, **options)
    text, _, again = read(first.grip(wrapped).head() + b"body", **options)
    assert (text["REMOTE_ADDR"], text["PROXY_PORT"]) == ("1.2.3.4", "10")
    first.close()
    again.close()


def test_a_request_that_stays_has_its_rest_again() -> None:
    first = Connection(POST + b"body")
    held = first.grip()
    held.put_back(held.take_rest())
    assert first.environ["wsgi.input"].read() == b"body"
    first.close()


@pytest.fixture
def release() -> Iterator[Release]:
    made = Release()
    yield made
    made.close()


def test_a_worker_that_lets_go_reads_and_writes_nothing_more(release: Release) -> None:
    first = Connection(POST + PIPELINED)
    held = first.grip()
    held.take_rest()
    moved = first.sock.dup()
    release(first.sock)
    response = held.let_go()
    assert response == ALREADY_HANDLED
    assert list(response) == []
    assert first.response.should_close()
    # And gunicorn does not try to: neither a body nor another request.
    assert first.response.req.should_close()
    assert first.sock.recv(10) == b""
    with pytest.raises(BrokenPipeError):
        first.sock.send(b"x")
    first.sock.close()
    # The connection itself lives on.
    moved.sendall(b"answer")
    assert first.client.recv(100) == b"answer"
    moved.close()
    first.close()


def test_a_socket_that_is_waited_for_no_more_does_not_wake_the_hub(release: Release) -> None:
    client, sock = socket.socketpair()
    client.sendall(b"1")
    assert sock.recv(1) == b"1"
    moved = sock.dup()
    release(sock)
    sock.close()
    client.sendall(b"2")
    assert moved.recv(1) == b"2"
    moved.close()
    client.close()


class Handler(pywsgi.WSGIHandler):
    """gevent's handler with a server that serves nothing."""

    def __init__(self, sock: Any) -> None:
        server: Any = SimpleNamespace()
        address: Any = ("127.0.0.1", 1)
        super().__init__(sock, address, server)


def test_a_request_of_pywsgi_goes_with_its_rest() -> None:
    client, sock = socket.socketpair()
    client.sendall(POST + b"bo")
    handler = Handler(sock)
    handler.read_request(handler.read_requestline())
    body: Any = io.BytesIO()
    environ = {"wsgi.input": pywsgi.Input(body, 4)}
    answered: list[Any] = []
    held = grip(environ, SimpleNamespace(__self__=handler))
    assert held is not None
    held._start_response = lambda *args: answered.append(args)  # type: ignore[attr-defined]
    _, content, again = read(held.head() + held.take_rest() + b"dy")
    assert content == b"body"
    assert list(held.let_go()) == []
    assert (handler.headers_sent, handler.close_connection) == (True, True)
    again.close()
    client.close()
    sock.close()


def test_an_upgrade_of_pywsgi_is_found_behind_a_middleware_as_well() -> None:
    client, sock = socket.socketpair()
    client.sendall(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nframe")
    handler = Handler(sock)
    handler.read_request(handler.read_requestline())
    # Its body is the stream itself.
    environ = {"wsgi.input": handler.rfile}
    start = handler.start_response
    found = grip(environ, lambda *args: start(*args))
    hidden = grip({**environ, "gunicorn.sock": sock}, lambda *_: None)
    assert found is not None
    assert hidden is not None
    assert found.head().startswith(b"GET / HTTP/1.1\r\n")
    assert (hidden.take_rest(), found.take_rest()) == (b"frame", b"frame")
    client.close()
    sock.close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"SERVER_PROTOCOL": "HTTP/2"}, {"SERVER_PROTOCOL": "HTTP/1.1"}],
)
def test_a_host_that_does_not_give_its_socket_has_no_grip(environ: dict[str, Any]) -> None:
    assert grip(environ, lambda *_: None) is None
