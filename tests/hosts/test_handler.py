"""What the handler does with the requests of a connection, on a real port."""

from __future__ import annotations

import io
import re
from typing import Any

import gevent
import pytest

from flask_realtime.engine.requests.host import HANDLER_KEY
from flask_realtime.hosts.embedded import EmbeddedServer, QuietHandler, RealtimeHandler
from tests.fakes import deadline, wait_until
from tests.hosts.test_embedded import Connection, Serve, serve

__all__ = ["serve"]

HOST = b"Host: a\r\n"


def tells(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Say what the request was, with its body."""
    keys = ("REQUEST_METHOD", "PATH_INFO", "CONTENT_LENGTH", "HTTP_X")
    body = " ".join(environ.get(key, "-") for key in keys).encode()
    body += b" " + environ["wsgi.input"].read() + b"."
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    requests = [
        b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /2 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
        b"POST /3 HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi",
        b"GET /4 HTTP/1.1\r\n" + HOST + b"X: y\r\n\r\n",
        b"GET /5 HTTP/1.1\r\n" + HOST + b"\r\n",
    ]
    answers = [b"GET /1 - - .", b"POST /2 5 - hello.", b"POST /3 2 - hi.", b"GET /4 - y .", b"/5"]
    for pieces in ([b"".join(requests)], requests):
        with Connection(serve(tells)) as connection:
            for piece in pieces:
                connection.send(piece)
            for answer in answers:
                connection.until(answer)


def test_a_request_may_come_byte_by_byte(serve: Serve) -> None:
    with Connection(serve(tells)) as connection:
        data = b"POST /1 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
        for index in range(len(data)):
            connection.send(data[index : index + 1])
            gevent.sleep(0)
        connection.until(b"POST /1 5 - hello.")


def test_the_body_of_an_upgrade_request_is_the_stream(serve: Serve) -> None:
    """Other WebSocket libraries find the socket there under gevent."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        assert stream.raw._sock is environ["flask_realtime.handler"].socket
        start_response("101 Switching Protocols", [("Upgrade", "websocket")])(b"")
        stream.raw._sock.sendall(stream.read(5))
        return []

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\n\r\nhel")
        connection.until(b"\r\n\r\n")
        connection.send(b"lo")
        connection.until(b"hello")


def test_the_environ_is_a_plain_dictionary_and_whole(serve: Serve) -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return tells(environ, start_response)

    with Connection(serve(app)) as connection:
        connection.send(b"GET /a?b HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.until(b".")
        address = connection.socket.getsockname()
    (environ,) = seen
    assert type(environ) is dict
    assert environ["SERVER_PORT"].isdigit()
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == (address[0], str(address[1]))
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.errors"].write
    assert environ["wsgi.input_terminated"] is True
    assert [environ[f"wsgi.{name}"] for name in ("multithread", "multiprocess", "run_once")] == [
        *(False, False, False),
    ]
    assert (environ["SCRIPT_NAME"], environ["GATEWAY_INTERFACE"]) == ("", "CGI/1.1")


def test_the_access_log_has_a_line_for_each_request(quiet_hub: Any) -> None:
    log = io.StringIO()
    server = EmbeddedServer(("127.0.0.1", 0), tells, handler_class=RealtimeHandler, log=log)
    server.start()
    with Connection(int(server.address[1])) as connection:
        connection.send(b"GET /\xc3?b HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.until(b".")
        connection.send(b"G")
        gevent.sleep(0.01)
        connection.send(b"@T / HTTP/1.1\r\nX: y")
        connection.rest()
    server.stop(timeout=1)
    first, second = log.getvalue().splitlines()
    form = r'127\.0\.0\.1 - - \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] "%s" %d \d+ \d+\.\d{6}'
    assert re.fullmatch(form % (re.escape("GET /\u00c3?b HTTP/1.1"), 200), first)
    assert re.fullmatch(form % (re.escape("G@T / HTTP/1.1"), 400), second)


def test_the_quiet_handler_writes_no_line(quiet_hub: Any) -> None:
    log = io.StringIO()
    server = EmbeddedServer(("127.0.0.1", 0), tells, handler_class=QuietHandler, log=log)
    server.start()
    with Connection(int(server.address[1])) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.until(b".")
    server.stop(timeout=1)
    assert log.getvalue() == ""


def fails_first(environ: dict[str, Any], start_response: Any) -> Any:
    raise KeyError("the first")


def fails_with_text(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "1")])
    return ["text"]


def fails_without_a_status(environ: dict[str, Any], start_response: Any) -> Any:
    return []


def times_out(environ: dict[str, Any], start_response: Any) -> Any:
    raise gevent.Timeout(5)


@pytest.mark.parametrize("app", [fails_first, fails_with_text, fails_without_a_status, times_out])
def test_an_application_that_fails_gets_a_500_and_a_traceback(
    serve: Serve, quiet_hub: Any, app: Any
) -> None:
    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n" * 2)
        answer = connection.rest()
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"Internal Server Error")
    assert "Traceback" in quiet_hub.getvalue()
    assert "HTTP_X" not in quiet_hub.getvalue()
    quiet_hub.truncate(0)


def test_an_application_that_fails_late_ends_the_connection(serve: Serve, quiet_hub: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"hello"
        raise KeyError("late")

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.rest().endswith(b"5\r\nhello\r\n")
    assert "late" in quiet_hub.getvalue()
    quiet_hub.truncate(0)


def test_a_response_waits_for_a_client_that_takes_it_late(serve: Serve) -> None:
    deadlines: list[float | None] = []
    body = bytes(8_000_000)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        handler = environ[HANDLER_KEY]
        start_response("200 OK", [("Content-Length", str(len(body)))])
        gevent.spawn_later(0.05, lambda: deadlines.append(handler.waits_until))
        yield body
        deadlines.append(handler.waits_until)

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: deadlines)
        connection.until(b"\r\n\r\n")
        with deadline("the body"):
            while len(connection.buffer) < len(body):
                connection.buffer += connection.socket.recv(1 << 20)
        wait_until(lambda: len(deadlines) == 2)
        assert connection.buffer == body
    waiting, after = deadlines
    assert waiting is not None
    assert after is None


def test_a_handler_that_has_ended_holds_no_head(serve: Serve) -> None:
    handlers: list[RealtimeHandler] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        handlers.append(environ["flask_realtime.handler"])
        return tells(environ, start_response)

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n\r\n")
        connection.until(b".")
        (handler,) = handlers
        assert b"X: y" in handler.head()
    wait_until(lambda: not hasattr(handler, "socket"))
    assert b"X: y" not in handler.head()
