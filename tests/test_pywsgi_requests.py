"""Requests whose end is in doubt, and clients that send too slowly, on a real port."""

from __future__ import annotations

import io
from typing import Any

import flask
import gevent
import pytest

from flask_realtime import Middleware, Server
from flask_realtime.hosts import handler as pywsgi
from flask_realtime.hosts import request_body
from flask_realtime.hosts.embedded import EmbeddedServer, RealtimeHandler
from tests.fakes import deadline, wait_until
from tests.hosts.test_embedded import Connection, Serve, serve

__all__ = ["serve"]

HOST = b"Host: localhost\r\n"
HEAD = b"POST /x HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"\r\n"


def reads_all(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def survives(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Read the body, and answer whatever becomes of it."""
    try:
        body = environ["wsgi.input"].read()
    except OSError:
        body = b"caught"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def mirror(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Say what the request was."""
    keys = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_HOST", "SERVER_PROTOCOL")
    body = " ".join(environ.get(key, "-") for key in keys).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


#: What is sent, and the status that it gets.
MALFORMED = [
    # RFC 9112 §3: the request line.
    (b"GET / HTTP/1\r\n" + HOST, 400),
    (b"GET / HTTP/1.10\r\n" + HOST, 400),
    (b"GET / HTTP/2.0\r\n" + HOST, 505),
    (b"GET / HTTP/0.9\r\n" + HOST, 505),
    (b"GET / HTTP/1.1\n" + HOST, 400),
    (b"GET / http/1.1\r\n" + HOST, 400),
    (b"GET /\r\n" + HOST, 400),
    (b"GET\t/ HTTP/1.1\r\n" + HOST, 400),
    (b"GET  / HTTP/1.1\r\n" + HOST, 400),
    (b"GET / HTTP/1.1 \r\n" + HOST, 400),
    (b" GET / HTTP/1.1\r\n" + HOST, 400),
    (b"GET /a b HTTP/1.1\r\n" + HOST, 400),
    (b"GET /\x00 HTTP/1.1\r\n" + HOST, 400),
    (b"G@T / HTTP/1.1\r\n" + HOST, 400),
    (b"\r\n" * 10 + b"GET / HTTP/1.1\r\n" + HOST, 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST, 414),
    (b"GET a HTTP/1.1\r\n" + HOST, 400),
    (b"GET * HTTP/1.1\r\n" + HOST, 400),
    (b"GET http:///a HTTP/1.1\r\n" + HOST, 400),
    (b"GET http://me@a/ HTTP/1.1\r\n" + HOST, 400),
    (b"CONNECT a:443 HTTP/1.1\r\n" + HOST, 501),
    (b"HEAD / HTTP/1.1\r\nContent-Length: 5\r\n" + HOST, 400),
    # §3.2: the host.
    (b"GET / HTTP/1.1\r\n", 400),
    (b"GET http://a/ HTTP/1.1\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n", 400),
    (HEAD + b"Host: other\r\n", 400),
    # §5: the fields.
    (HEAD + b"Content-Length : 5\r\n", 400),
    (HEAD + b"X: a\r\n b\r\n", 400),
    (b"GET / HTTP/1.1\r\n X: a\r\n" + HOST, 400),
    (HEAD + b"X: a\x00b\r\n", 400),
    (HEAD + b"X: a\rb\r\n", 400),
    (HEAD + b"X: a\n", 400),
    (HEAD + b"X: a\r\r\n", 400),
    (HEAD + b"no colon\r\n", 400),
    (HEAD + b": no name\r\n", 400),
    (HEAD + b"X: a\r\n" * 300, 431),
    (HEAD + b"X: " + b"a" * 70_000 + b"\r\n", 431),
    # §6: the length of the body.
    (HEAD + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", 400),
    (HEAD + b"Content-Length: 7\r\nTransfer-Encoding:\x0bchunked\r\n", 400),
    (HEAD + b"Transfer-Encoding: xchunked\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked, identity\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    (b"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n", 400),
    (HEAD + b"Content-Length: +5\r\n", 400),
    (HEAD + b"Content-Length: 0_5\r\n", 400),
    (HEAD + b"Content-Length: -1\r\n", 400),
    (HEAD + b"Content-Length:\r\n", 400),
    (HEAD + b"Content-Length: 5, 5\r\n", 400),
    (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n", 400),
    (HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
]

#: RFC 9112 §7: bodies in chunks.
BROKEN_CHUNKS = [
    b"\r\nhello\r\n0\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5;a\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    b"0\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n",
    b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n",
]


@pytest.mark.parametrize(("sent", "status"), MALFORMED, ids=lambda value: repr(value)[:60])
def test_a_request_in_doubt_is_refused_and_the_connection_ends(
    serve: Serve, capfd: pytest.CaptureFixture[str], sent: bytes, status: int
) -> None:
    with Connection(serve(mirror)) as connection:
        connection.send(sent + b"\r\nhello" + NEXT)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1") == 1
        assert b"\r\nConnection: close\r\n" in answer
    assert capfd.readouterr().err == ""


def test_a_refused_request_is_one_plain_line_of_the_access_log(quiet_hub: Any) -> None:
    log = io.StringIO()
    server = EmbeddedServer(("127.0.0.1", 0), mirror, handler_class=RealtimeHandler, log=log)
    server.start()
    with Connection(int(server.address[1])) as connection:
        connection.send(b"GET /\x1b[2J\r10.0.0.1 - - HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.rest()
    server.stop(timeout=1)
    assert log.getvalue().count("\n") == 1
    assert '"GET /\\x1b[2J\\r10.0.0.1 - - HTTP/1.1" 400 ' in log.getvalue()


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS, ids=lambda value: repr(value)[:60])
@pytest.mark.parametrize(("app", "status"), [(reads_all, 400), (survives, 200)])
def test_a_broken_chunk_ends_the_connection_whatever_the_application_does(
    serve: Serve, capfd: pytest.CaptureFixture[str], app: Any, status: int, chunks: bytes
) -> None:
    with Connection(serve(app)) as connection:
        connection.send(HEAD + CHUNKED + chunks + NEXT)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1") == 1
        assert b"\r\nConnection: close\r\n" in answer
    assert capfd.readouterr().err == ""


def test_a_flask_view_that_reads_a_broken_body_gets_a_400(serve: Serve) -> None:
    app = flask.Flask(__name__)

    @app.post("/x")
    def view() -> bytes:
        return flask.request.get_data()

    with Connection(serve(app)) as connection:
        connection.send(HEAD + CHUNKED + b"g\r\n" + NEXT)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1


OPEN = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS, ids=lambda value: repr(value)[:60])
def test_a_polling_post_with_a_broken_chunk_gets_a_400_and_ends_the_session(
    serve: Serve, chunks: bytes
) -> None:
    server = Server()
    with Connection(serve(Middleware(server))) as connection:
        connection.send(OPEN)
        connection.until(b'"sid":"')
        sid = connection.until(b'"')
        connection.until(b"}")
        connection.send(
            OPEN.replace(b"GET", b"POST", 1).replace(b" HTTP", b"&sid=" + sid + b" HTTP")[:-2]
        )
        connection.send(CHUNKED + chunks + NEXT)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert server.engine.clients_count == 0


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"GET http://other:1/a%20b?c HTTP/1.1\r\n" + HOST, b"GET /a b c other:1 HTTP/1.1"),
        (b"GET HTTP://other HTTP/1.1\r\n" + HOST, b"GET /  other HTTP/1.1"),
        (b"\r\nGET / HTTP/1.1\r\n" + HOST, b"GET /  localhost HTTP/1.1"),
        (b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST, b"GET /  localhost HTTP/1.1"),
        (b"GET / HTTP/1.2\r\n" + HOST, b"GET /  localhost HTTP/1.1"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", b"GET /  - HTTP/1.0"),
        (b"PURGE //a HTTP/1.1\r\n" + HOST, b"PURGE //a  localhost HTTP/1.1"),
    ],
    ids=repr,
)
def test_an_unusual_request_is_served_and_the_next_as_well(
    serve: Serve, sent: bytes, seen: bytes
) -> None:
    with Connection(serve(mirror)) as connection:
        connection.send(sent + b"\r\n" + NEXT)
        assert connection.until(seen).startswith(b"HTTP/1.1 200 ")
        assert connection.until(b"GET /next").startswith(b"HTTP/1.1 200 ")


def test_a_polling_client_may_name_the_host_in_its_target(serve: Serve) -> None:
    with Connection(serve(Middleware(Server()))) as connection:
        connection.send(
            OPEN.replace(b"/socket.io", b"http://other/socket.io", 1)[:-2]
            + b"Origin: http://other\r\n\r\n"
        )
        assert connection.until(b'"sid"').startswith(b"HTTP/1.1 200 ")


def test_the_server_itself_answers_options(serve: Serve) -> None:
    with Connection(serve(mirror)) as connection:
        connection.send(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi" + NEXT)
        assert b"Content-Length: 0" in connection.until(b"\r\n\r\n")
        connection.until(b"GET /next")


def test_a_body_with_an_upgrade_header_is_a_body(serve: Serve) -> None:
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + b"Upgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")
        assert connection.until(b"hello").startswith(b"HTTP/1.1 200")
        connection.send(HEAD + b"Content-Length: 5\r\n\r\nworld")
        assert connection.until(b"world").startswith(b"HTTP/1.1 200")


def test_chunks_are_a_body(serve: Serve) -> None:
    with Connection(serve(reads_all)) as connection:
        for _ in range(2):
            connection.send(HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            assert connection.until(b"hello").startswith(b"HTTP/1.1 200")


def ignores(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


def test_a_body_that_is_not_read_is_skipped(serve: Serve) -> None:
    with Connection(serve(ignores)) as connection:
        connection.send(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000 + NEXT)
        for _ in range(2):
            assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_client_that_expects_100_is_not_told_to_continue_behind_the_answer(
    serve: Serve,
) -> None:
    with Connection(serve(ignores)) as connection:
        connection.send(HEAD + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
        connection.socket.shutdown(1)
        answer = connection.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.1") == 1


def test_a_response_of_no_stated_length_ends_an_old_connection(serve: Serve) -> None:
    def streams(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"hello"

    with Connection(serve(streams)) as connection:
        connection.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = connection.rest()
        assert answer.endswith(b"\r\n\r\nhello")
        assert b"keep-alive" not in answer


def test_a_client_that_falls_silent_in_the_middle_of_a_head_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pywsgi, "IDLE_TIMEOUT", 0.05)
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD)
        assert connection.rest() == b""


def test_a_connection_without_another_request_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pywsgi, "IDLE_TIMEOUT", 0.05)
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + b"Content-Length: 2\r\n\r\nhi")
        assert connection.until(b"hi").startswith(b"HTTP/1.1 200")
        assert connection.rest() == b""


@pytest.mark.parametrize("start", [b"Content-Length: 5\r\n\r\nhel", CHUNKED + b"5\r\nhel"])
@pytest.mark.parametrize(("app", "status"), [(reads_all, 408), (survives, 200)])
def test_a_client_that_falls_silent_in_the_middle_of_a_body_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, app: Any, status: int, start: bytes
) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT", 0.05)
    with Connection(serve(app)) as connection:
        connection.send(HEAD + start)
        assert connection.until(b"\r\n").startswith(b"HTTP/1.1 %d " % status)
        connection.socket.shutdown(1)
        connection.rest()


def test_a_slow_upload_is_read_to_its_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT", 0.2)
    with Connection(serve(reads_all)) as connection:
        connection.send(HEAD + b"Content-Length: 10000\r\n\r\n")
        for _ in range(10):
            gevent.sleep(0.05)
            connection.send(b"x" * 1000)
        assert connection.until(b"x" * 10_000).startswith(b"HTTP/1.1 200 ")


def test_a_server_that_stops_waits_for_an_upload(serve: Serve) -> None:
    servers: list[Any] = []

    def upload(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        servers.append(environ["flask_realtime.handler"].server)
        return reads_all(environ, start_response)

    with Connection(serve(upload)) as connection:
        connection.send(HEAD + b"Content-Length: 5\r\n\r\nhel")
        (server,) = wait_until(lambda: servers)
        stopping = gevent.spawn(server.stop, 5)
        gevent.sleep(0.01)
        connection.send(b"lo")
        answer = connection.rest()
        assert answer.endswith(b"hello")
        assert b"\r\nConnection: close\r\n" in answer
        with deadline("the end of the server"):
            stopping.get()
