"""gunicorn's settings on the embedded server; the worker class itself is in test_hosts.py."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.wsgi import base_environ

from flask_realtime.hosts.gunicorn_server import GunicornHandler, GunicornServer
from tests.fakes import deadline, wait_until
from tests.hosts.test_embedded import Connection

HOST = b"Host: a\r\n"
#: Older versions know no networks.
LOCAL = "127.0.0.0/8" if hasattr(Config, "forwarded_allow_networks") else "127.0.0.1"


class Worker:
    """What a gunicorn worker shows to its server."""

    def __init__(self, **settings: Any) -> None:
        self.cfg = Config()
        for name, value in settings.items():
            self.cfg.set(name, value)
        self.log = Logger(self.cfg)
        self.alive = True
        self.nr = 0
        self.realtime_servers: list[GunicornServer] = []
        self.max_requests: float = self.cfg.max_requests or float("inf")


def tells(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/fail":
        raise KeyError("the application's")
    keys = ("wsgi.url_scheme", "SCRIPT_NAME", "PATH_INFO", "RAW_URI", "REMOTE_ADDR")
    body = " ".join(environ[key] for key in keys).encode()
    start_response("200 OK", [("Content-Length", str(len(body) + 1)), ("X-Made", "here")])
    return [body, b"!"]


Serve = Callable[..., tuple[Worker, Connection]]


@pytest.fixture
def serve(quiet_hub: Any) -> Iterator[Serve]:
    """Serve as gunicorn does under these settings; returns the worker and a connection."""
    made: list[Any] = []

    def start(alive: bool = True, **settings: Any) -> tuple[Worker, Connection]:
        worker = Worker(**settings)
        worker.alive = alive
        server = GunicornServer(
            ("127.0.0.1", 0),
            worker=worker,
            application=tells,
            log=worker.log,
            handler_class=GunicornHandler,
            environ=base_environ(worker.cfg),
        )
        server.start()
        connection = Connection(int(server.address[1]))
        made.extend((connection.socket.close, lambda: server.stop(timeout=1)))
        return worker, connection

    yield start
    for close in made:
        close()


def ask(connection: Connection, target: bytes = b"/", fields: bytes = b"") -> bytes:
    """The body of the answer to a request."""
    connection.send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    connection.until(b"\r\n\r\n")
    return connection.until(b"!")


@pytest.mark.parametrize(
    ("allowed", "fields", "scheme"),
    [
        ("127.0.0.1", b"", b"http"),
        ("127.0.0.1", b"X-Forwarded-Proto: https\r\n", b"https"),
        ("127.0.0.1", b"X-Forwarded-Proto: http\r\n", b"http"),
        ("127.0.0.1", b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n", b"https"),
        (LOCAL, b"X-Forwarded-Ssl: on\r\n", b"https"),
        ("*", b"X-Forwarded-Protocol: ssl\r\n", b"https"),
        ("10.0.0.1", b"X-Forwarded-Proto: https\r\n", b"http"),
        ("", b"X-Forwarded-Proto: https\r\n", b"http"),
    ],
)
def test_a_proxy_that_is_trusted_names_the_scheme(
    serve: Serve, allowed: str, fields: bytes, scheme: bytes
) -> None:
    _, connection = serve(forwarded_allow_ips=allowed)
    assert ask(connection, b"/a?b", fields) == scheme + b"  /a /a?b 127.0.0.1"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n", 400),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 101, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n", 431),
    ],
    ids=["schemes", "line", "fields", "field"],
)
def test_what_gunicorn_refuses_is_refused(serve: Serve, sent: bytes, status: int) -> None:
    _, connection = serve()
    connection.send(sent + HOST + b"\r\n")
    assert connection.rest().startswith(b"HTTP/1.1 %d " % status)


def test_a_worker_that_ends_keeps_no_connection_that_comes_from_a_sibling(serve: Serve) -> None:
    _, connection = serve(alive=False, keepalive=75)
    assert ask(connection) == b"http  / / 127.0.0.1"
    assert connection.rest() == b""


def test_limits_are_those_of_the_settings(serve: Serve) -> None:
    _, connection = serve(limit_request_line=0, limit_request_field_size=0)
    ask(connection, b"/" + b"a" * 5000, b"X: " + b"a" * 9000 + b"\r\n")
    _, connection = serve(limit_request_line=20)
    ask(connection, b"/aaaa")
    connection.send(b"GET /" + b"a" * 20 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert connection.rest().startswith(b"HTTP/1.1 414 ")


def test_a_request_whose_fields_come_again_has_a_target_of_its_own(serve: Serve) -> None:
    _, connection = serve()
    for target in (b"/a?b", b"/c", b"/%61?b"):
        path = target.partition(b"?")[0].replace(b"%61", b"a")
        assert ask(connection, target).endswith(b" " + path + b" " + target + b" 127.0.0.1")
    connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 101 + b"\r\n")
    assert connection.rest().startswith(b"HTTP/1.1 431 ")


def test_an_application_may_be_mounted_by_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/mounted")
    _, connection = serve()
    assert ask(connection, b"/mounted/a") == b"http /mounted /a /mounted/a 127.0.0.1"
    connection.send(b"GET /elsewhere HTTP/1.1\r\n" + HOST + b"\r\n")
    assert connection.rest().startswith(b"HTTP/1.1 500 ")


def test_a_worker_ends_after_its_requests(serve: Serve) -> None:
    worker, connection = serve(max_requests=2)
    ask(connection)
    assert worker.alive
    connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"\r\nConnection: close\r\n" in connection.rest()
    assert not worker.alive


def test_a_connection_is_kept_as_long_as_the_settings_say(serve: Serve) -> None:
    _, connection = serve(keepalive=0)
    connection.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"\r\nConnection: close\r\n" in connection.rest()
    _, connection = serve(keepalive=1)
    ask(connection)
    with deadline("the end", 5):
        assert connection.rest() == b""


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_each_request_is_a_line_of_the_access_log_of_gunicorn(serve: Serve) -> None:
    form = '%(h)s "%(r)s" %(s)s %(b)s %({x-made}o)s %({x-a}i)s'
    worker, connection = serve(accesslog="-", access_log_format=form)
    worker.log.access_log.addHandler(lines := Lines())
    try:
        ask(connection, b"/a?b", b"X-A: c\r\n")
        connection.send(b"G@T /\x1b HTTP/1.1\r\n\r\n")
        connection.rest()
        wait_until(lambda: len(lines.lines) == 2)
    finally:
        worker.log.access_log.removeHandler(lines)
    assert lines.lines == [
        '127.0.0.1 "GET /a?b HTTP/1.1" 200 24 here c',
        '127.0.0.1 "G@T /\\x1b HTTP/1.1" 400 0 - -',
    ]


def test_an_application_that_fails_is_in_the_error_log_of_gunicorn(serve: Serve) -> None:
    worker, connection = serve()
    worker.log.error_log.addHandler(lines := Lines())
    try:
        connection.send(b"GET /fail HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.rest().startswith(b"HTTP/1.1 500 ")
    finally:
        worker.log.error_log.removeHandler(lines)
    (line,) = lines.lines
    assert line.startswith("Error handling request /fail\nTraceback")
    assert "the application's" in line


def test_connections_end_when_the_worker_does(serve: Serve) -> None:
    worker, idle = serve()
    ask(idle)
    (server,) = worker.realtime_servers
    begun = Connection(int(server.address[1]))
    with begun:
        begun.send(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: len(server.connections) == 2)
        server.end_connections()
        assert idle.rest() == b""
        with Connection(int(server.address[1])) as late:
            late.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert b"Connection: close\r\n" in late.rest()
