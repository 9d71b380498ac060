"""Where each WSGI server keeps the socket of a request; the real ones are in tests/hosts."""

from __future__ import annotations

from typing import Any

import gevent.socket
import pytest
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from flask_realtime import Middleware, Server
from flask_realtime.engine.requests.obstacles import Obstacle
from flask_realtime.hosts.embedded import RealtimeHandler
from flask_realtime.hosts.finder import HOST_SOCKET_KEY, SocketFinder
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
    found: Any = SocketFinder().find(environ, answer.start_response)
    assert found == [answer.start_response]


def test_a_host_that_gives_nothing_is_no_host() -> None:
    assert SocketFinder().find(request(), Answer().start_response) is None


def test_http_2_has_no_socket_for_a_request() -> None:
    environ = request(SERVER_PROTOCOL="HTTP/2", wsgi={"gunicorn.socket": CountedSocket()})
    assert SocketFinder().find(environ, Answer().start_response) is None


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_the_worker_of_gunicorn_shows_its_socket(version: str) -> None:
    one, other = gevent.socket.socketpair()
    with one, other:
        environ = request(SERVER_PROTOCOL=version, connection=one)
        found = SocketFinder().find(environ, Answer().start_response)
        assert found is not None
        assert found.socket is one


class CountedSocket:
    """Counts what is set on it."""

    def __init__(self) -> None:
        self.options = 0

    def setsockopt(self, *args: int) -> None:
        self.options += 1


def test_a_connection_is_set_up_once_however_many_requests_it_has() -> None:
    finder, one, other = SocketFinder(), CountedSocket(), CountedSocket()
    for sock in (one, one, other, one):
        finder.find(request(wsgi={"gunicorn.socket": sock}), Answer().start_response)
    assert (one.options, other.options) == (1, 1)


@pytest.mark.parametrize("obstacle", Obstacle)
def test_each_obstacle_has_a_remedy(obstacle: Obstacle) -> None:
    assert SocketFinder().remedy(obstacle)
