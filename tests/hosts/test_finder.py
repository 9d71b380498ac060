"""Where each WSGI server keeps the socket of a request; the real ones are in tests/hosts."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import flask
import gevent.socket
import pytest
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from flask_realtime import Middleware, Server
from flask_realtime.errors import WriteKept
from flask_realtime.hosts.embedded import RealtimeHandler
from flask_realtime.hosts.finder import HOST_SOCKET_KEY, SocketFinder, read_no_more
from flask_realtime.testing.frames import text_frame
from tests.fakes import Answer, request, wait_until
from tests.hosts.test_embedded import HELLO, Connection, Serve, serve

__all__ = ["serve"]


def answers(serve: Serve, handler: type, app: Any) -> None:
    """A WebSocket client of an application gets an answer from a handler function."""
    with Connection(serve(app, handler)) as connection:
        connection.send(HELLO)
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        connection.send(text_frame("40"))
        connection.talk()


@pytest.fixture
def server() -> Server:
    server = Server()
    server.event("event")(lambda socket, text: text + "!")
    return server


def test_the_stock_handler_of_pywsgi_is_behind_start_response(serve: Serve, server: Server) -> None:
    answers(serve, WSGIHandler, Middleware(server))
    wait_until(lambda: server.engine.clients_count == 0)


def adding_headers(app: Any) -> Any:
    def wrapped(environ: Any, start_response: Any) -> Any:
        return app(environ, lambda status, headers: start_response(status, [*headers, ("A", "b")]))

    return wrapped


@pytest.mark.parametrize("handler", [WSGIHandler, RealtimeHandler, WebSocketHandler])
def test_the_handler_of_pywsgi_is_found_behind_middlewares(
    serve: Serve, server: Server, handler: type
) -> None:
    app = adding_headers(adding_headers(Middleware(server)))
    answers(serve, handler, app)
    with Connection(serve(app, handler)) as connection:
        connection.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"\r\nA: b\r\n" in connection.until(b"\r\n\r\n")
        assert b'"upgrades":["websocket"]' in connection.until(b"}")


def test_the_handler_of_gevent_websocket_has_sent_the_101(serve: Serve, server: Server) -> None:
    answers(serve, WebSocketHandler, Middleware(server))
    wait_until(lambda: server.engine.clients_count == 0)


def test_after_the_101_of_gevent_websocket_a_refusal_is_a_close_frame(serve: Serve) -> None:
    app = Middleware(Server(allow_request=lambda environ: False))
    with Connection(serve(app, WebSocketHandler)) as connection:
        connection.send(HELLO)
        connection.until(b"\r\n\r\n")
        (close,) = connection.frames(1)
        assert close[:2] == (1008).to_bytes(2, "big")


def test_polling_works_on_the_handler_of_gevent_websocket(serve: Serve) -> None:
    with Connection(serve(Middleware(Server()), WebSocketHandler)) as connection:
        connection.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.until(b"\r\n\r\n")
        assert b'"upgrades":["websocket"]' in connection.until(b"}")


def test_a_caller_may_give_its_socket_itself() -> None:
    answer = Answer()
    environ = request(wsgi={HOST_SOCKET_KEY: lambda start_response: [start_response]})
    assert SocketFinder().find(environ, answer.start_response) == [answer.start_response]


def test_a_host_that_gives_nothing_is_no_host() -> None:
    assert SocketFinder().find(request(), Answer().start_response) is None


def test_a_broken_chunk_ends_the_connection_of_the_stock_handler(
    serve: Serve, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    opening = b"/socket.io/?EIO=4&transport=polling"
    host = b" HTTP/1.1\r\nHost: a\r\n"
    with Connection(serve(Middleware(server), WSGIHandler)) as connection:
        connection.send(b"GET " + opening + host + b"\r\n")
        connection.until(b'"sid":"')
        sid = connection.until(b'"')
        connection.until(b"}")
        connection.send(b"POST " + opening + b"&sid=" + sid + host)
        # The client says nothing more; it waits for the end.
        connection.send(b"Transfer-Encoding: chunked\r\n\r\n\r\n")
        assert connection.rest().startswith(b"HTTP/1.1 400 ")
    assert server.engine.clients_count == 0
    assert capfd.readouterr().err == ""


class FakeUnreader:
    """What gunicorn has read beyond a request."""

    def __init__(self, data: bytes) -> None:
        self.unreader = self
        self._data = data

    def read(self, size: int | None = None) -> bytes:
        if not self._data:
            raise BlockingIOError
        found, self._data = self._data, b""
        return found


class FakeSocket:
    def __init__(self) -> None:
        self.timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def setsockopt(self, *args: int) -> None:
        raise OSError("a Unix socket knows no TCP")


@pytest.mark.parametrize("leftover", [b"", b"\x81\x80"])
def test_the_worker_of_gunicorn_gives_its_socket(leftover: bytes) -> None:
    class Body(io.BytesIO):
        reader = FakeUnreader(leftover)

    sock, answer = FakeSocket(), Answer()
    answer.sock = sock
    environ = request(wsgi={"gunicorn.socket": sock, "wsgi.input": Body()})
    found = SocketFinder().find(environ, answer.start_response)
    assert found.socket is sock
    assert not found.is_upgraded
    assert found.switch_protocols([("Upgrade", "websocket")]) == leftover
    assert (answer.status, answer.headers["Upgrade"]) == (101, "websocket")
    assert sock.timeout == 0
    found.give_back()


def test_a_body_of_gunicorn_that_says_nothing_is_no_leftover() -> None:
    answer = Answer()
    answer.sock = FakeSocket()
    environ = request(wsgi={"gunicorn.socket": answer.sock})
    found = SocketFinder().find(environ, answer.start_response)
    assert found.switch_protocols([]) == b""


class Wrapper:
    """A ``write`` that is an object; it knows itself as well."""

    def __init__(self, write: Any) -> None:
        self.own, self.write = self, write

    def __call__(self, data: bytes) -> Any:
        return self.write(data)

    def on_data(self, data: bytes) -> Any:
        return self.write(data)


def wrapped(write: Any) -> Any:
    @functools.wraps(write)
    def function(data: bytes) -> None:
        del data

    return function


class Thorny:
    """An object whose attributes cannot be read."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self) -> None:
        """Do nothing."""


def beside(*things: Any) -> Any:
    first, second, third, write = things

    def function(data: bytes) -> Any:
        assert (first, second, third) is not None
        return write(data)

    return function


class Record:
    """Not the host, although it can write."""

    def __init__(self) -> None:
        self.items = [self.write] * 1000
        self.__dict__.update({f"a{number}": partial(print, number) for number in range(1000)})

    def write(self, data: bytes) -> None:
        """Keep it."""


#: What a middleware may return from `start_response`; those of the first hand on what is written.
PASSING: dict[str, Callable[[Any], Any]] = {
    "the host's own": lambda write: write,
    "a function": lambda write: lambda data: write(data),
    "a partial": lambda write: partial(write),
    "an object": Wrapper,
    "a method": lambda write: Wrapper(write).on_data,
    "a wrapped function": wrapped,
    "beside a proxy": lambda write: beside(flask.request, flask.g, Thorny(), write),
    "three of them": lambda write: Wrapper(partial(lambda data: write(data))),
}
KEEPING: dict[str, Callable[[Any], Any]] = {
    "a list": lambda write: [].append,
    "a buffer": lambda write: io.BytesIO().write,
    "a function": lambda write: lambda data: None,
    "an object": lambda write: Wrapper(Record().write),
    "a builtin": lambda write: print,
    "nothing": lambda write: None,
}


@pytest.mark.parametrize("way", PASSING)
def test_a_write_that_calls_the_hosts_is_known(way: str) -> None:
    answer = Answer()
    answer.sock = FakeSocket()
    environ = request(wsgi={"gunicorn.socket": answer.sock})
    found = SocketFinder().find(environ, answer.start_response)
    assert found.writer_of(PASSING[way](answer.write)) is answer


@pytest.mark.parametrize("way", KEEPING)
def test_a_write_that_keeps_what_is_written_is_known(way: str) -> None:
    answer = Answer()
    answer.sock = FakeSocket()
    environ = request(wsgi={"gunicorn.socket": answer.sock})

    def start_response(*args: Any) -> Any:
        return KEEPING[way](answer.start_response(*args))

    found = SocketFinder().find(environ, start_response)
    with pytest.raises(WriteKept):
        found.switch_protocols([("Upgrade", "websocket")])


def test_a_connection_that_reads_no_more_keeps_what_has_arrived_and_answers() -> None:
    one, other = gevent.socket.socketpair()
    with one, other:
        waiting = gevent.spawn(one.recv, 100)
        gevent.sleep(0)
        read_no_more(one)
        assert waiting.get(timeout=1) == b""
        one.sendall(b"the answer")
        assert other.recv(100) == b"the answer"
    read_no_more(one)


def test_http_2_has_no_socket_for_a_request() -> None:
    environ = request(SERVER_PROTOCOL="HTTP/2", wsgi={"gunicorn.socket": FakeSocket()})
    assert SocketFinder().find(environ, Answer().start_response) is None
