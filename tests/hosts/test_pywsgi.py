"""The socket of a handler of gevent's ``pywsgi``."""

from __future__ import annotations

import functools
from typing import Any

import gevent.socket
import pytest
from gevent.pywsgi import WSGIHandler

from flask_realtime import Middleware, Server
from flask_realtime.hosts.pywsgi import PywsgiSocket, pywsgi_socket
from tests.hosts.test_embedded import Connection, Serve, serve

__all__ = ["serve"]


class Handler(WSGIHandler):
    """A handler without a server."""

    def __init__(self, sock: Any) -> None:
        self.socket = sock


def test_a_handler_is_found_behind_wrappers() -> None:
    handler = Handler("the socket")
    start = handler.start_response
    for wrapped in (start, functools.partial(start), lambda *args: start(*args)):
        found = pywsgi_socket(wrapped)
        assert found is not None
        assert found.socket == "the socket"
        assert not found.is_upgraded
    assert pywsgi_socket(print) is None  # type: ignore[arg-type]


def test_what_has_arrived_can_be_looked_at_without_tls() -> None:
    one, other = gevent.socket.socketpair()
    with one, other:
        assert PywsgiSocket(Handler(one), None).can_peek

    class TLS:
        def pending(self) -> int:
            return 0

    assert not PywsgiSocket(Handler(TLS()), None).can_peek


def test_a_broken_chunk_ends_the_connection_of_the_stock_handler(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    server = Server()
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
