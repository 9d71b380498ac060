"""Where each WSGI server keeps the socket of a request; the real ones are in tests/hosts."""

from __future__ import annotations

import io
from typing import Any

import gevent.socket
import pytest
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from flask_realtime import Middleware, Server
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
    environ = request(wsgi={"gunicorn.socket": sock, "wsgi.input": Body()})
    found = SocketFinder().find(environ, answer.start_response)
    assert found.socket is sock
    assert not found.is_upgraded
    assert found.switch_protocols([("Upgrade", "websocket")]) == leftover
    assert (answer.status, answer.headers["Upgrade"]) == (101, "websocket")
    assert sock.timeout == 0
    found.give_back()


def test_a_body_of_gunicorn_that_says_nothing_is_no_leftover() -> None:
    environ = request(wsgi={"gunicorn.socket": FakeSocket()})
    found = SocketFinder().find(environ, Answer().start_response)
    assert found.switch_protocols([]) == b""


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
