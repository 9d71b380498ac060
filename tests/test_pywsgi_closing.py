"""Answers that end a connection arrive, and responses that are not taken leave no trace."""

from __future__ import annotations

import struct
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime import Middleware, Server
from flask_realtime.hosts import connections
from flask_realtime.hosts import handler as pywsgi
from tests.fakes import deadline, reset, wait_until
from tests.hosts.test_embedded import Connection, Serve, serve
from tests.test_pywsgi_requests import CHUNKED, HEAD, HOST, OPEN

__all__ = ["serve"]

LONG = b"x" * 3_000_000


def refuses(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("413 Too Large", [("Content-Length", "2"), ("Connection", "close")])
    return [b"no"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"Content-Length: 3000000\r\n\r\n", 413),
        (HEAD + CHUNKED + b"2dc6c0\r\n", 413),
        (HEAD + b"Content-Length: 3000000\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"no colon\r\n", 400),
        (b"GET /" + b"x" * 8192, 414),
    ],
    ids=["length", "chunks", "doubt", "field", "target"],
)
def test_an_answer_arrives_at_a_client_that_sends_all_before_it_reads(
    serve: Serve, head: bytes, status: int
) -> None:
    port = serve(refuses)
    for _ in range(20):
        with Connection(port) as connection:
            connection.send(head + LONG)
            assert connection.rest().startswith(b"HTTP/1.1 %d " % status)


def test_the_413_of_a_polling_post_arrives(serve: Serve) -> None:
    port = serve(Middleware(Server(max_http_buffer_size=1000)))
    for _ in range(20):
        with Connection(port) as connection:
            connection.send(OPEN)
            connection.until(b'"sid":"')
            sid = connection.until(b'"')
            connection.until(b"}")
            target = b"/socket.io/?EIO=4&transport=polling&sid=" + sid
            connection.send(b"POST " + target + b" HTTP/1.1\r\n" + HOST)
            connection.send(b"Content-Length: 3000000\r\n\r\n" + LONG)
            assert connection.rest().startswith(b"HTTP/1.1 413 ")


def test_the_503_of_a_server_that_ends_arrives(serve: Serve) -> None:
    io = Server()
    port = serve(Middleware(io))
    io.close()
    for _ in range(20):
        with Connection(port) as connection:
            connection.send(OPEN[:-2] + b"Content-Length: 3000000\r\n\r\n" + LONG)
            assert connection.rest().startswith(b"HTTP/1.1 503 ")


def test_an_answer_without_a_body_that_was_read_arrives(serve: Serve) -> None:
    def ignores(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [("Content-Length", "0")])
        return [b""]

    port = serve(ignores)
    for _ in range(20):
        with Connection(port) as connection:
            connection.send(HEAD + b"Content-Length: 3000000\r\n\r\n" + LONG)
            assert connection.rest().startswith(b"HTTP/1.1 404 ")


def test_what_is_behind_a_refused_body_is_read_to_a_bound(serve: Serve) -> None:
    with Connection(serve(refuses)) as connection:
        connection.send(HEAD + b"Content-Length: 1000000000\r\n\r\nhello")
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 413")
        with pytest.raises(ConnectionError):
            connection.send(b"x" * 100_000_000)


def test_a_client_that_does_not_end_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_TIMEOUT", 0.05)
    handlers: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        handlers.append(environ["flask_realtime.handler"])
        return refuses(environ, start_response)

    with Connection(serve(app)) as connection:
        connection.send(HEAD + b"Content-Length: 1000\r\n\r\nhello")
        (handler,) = wait_until(lambda: handlers)
        server = handler.server
        wait_until(lambda: not server.connections)
        assert connection.rest().startswith(b"HTTP/1.1 413 ")


def test_a_server_that_stops_does_not_wait_for_the_rest(serve: Serve) -> None:
    handlers: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        handlers.append(environ["flask_realtime.handler"])
        return refuses(environ, start_response)

    with Connection(serve(app)) as connection:
        connection.send(HEAD + b"Content-Length: 1000\r\n\r\nhello")
        connection.rest()
        with deadline("the end of the server", 1):
            handlers[0].server.stop(5)
        assert not handlers[0].server.connections


class Streaming:
    """An application that sends more than buffers hold."""

    def __init__(self, counted: bool) -> None:
        self.is_closed = False
        self._fields = [("Content-Length", "100000000")] if counted else []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", self._fields)
        return self

    def __iter__(self) -> Any:
        for _ in range(100):
            yield b"x" * 1_000_000

    def close(self) -> None:
        self.is_closed = True


def small_window(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.connect(("127.0.0.1", port))
    return sock


@pytest.mark.parametrize("counted", [True, False])
def test_a_client_that_goes_away_during_a_response_leaves_no_traceback(
    serve: Serve, capfd: pytest.CaptureFixture[str], counted: bool
) -> None:
    app = Streaming(counted)
    client = small_window(serve(app))
    client.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    client.recv(100)
    reset(client)
    wait_until(lambda: app.is_closed)
    gevent.sleep(0.01)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("counted", [True, False])
def test_a_client_that_does_not_read_a_response_leaves_no_traceback(
    serve: Serve,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    counted: bool,
) -> None:
    monkeypatch.setattr(pywsgi, "IDLE_TIMEOUT", 0.05)
    app = Streaming(counted)
    with small_window(serve(app)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: app.is_closed)
        gevent.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_a_client_that_reads_slowly_gets_a_long_response(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pywsgi, "IDLE_TIMEOUT", 0.2)
    body = b"x" * 1_000_000

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        ours = environ["flask_realtime.handler"].socket
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with small_window(serve(app)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        received = 0
        with deadline("the response", 20):
            while data := client.recv(10_000):
                received += len(data)
                if received < 400_000:
                    gevent.sleep(0.01)
        assert received > len(body)


def test_an_error_of_the_application_leaves_its_traceback(serve: Serve, quiet_hub: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise OSError("the disk is full")

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.until(b"\r\n").startswith(b"HTTP/1.1 500 ")
    assert "the disk is full" in quiet_hub.getvalue()
    quiet_hub.truncate(0)


def test_a_reset_before_the_answer_leaves_no_traceback(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        started.append(1)
        gevent.sleep(0.05)
        return refuses(environ, start_response)

    with Connection(serve(app)) as connection:
        connection.send(HEAD + b"Content-Length: 5\r\n\r\nhello")
        wait_until(lambda: started)
        linger = struct.pack("ii", 1, 0)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    gevent.sleep(0.1)
    assert capfd.readouterr().err == ""
