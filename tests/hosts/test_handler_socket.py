"""The socket of a request of the embedded server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent.socket
import pytest

from flask_realtime.errors import WriteKept
from flask_realtime.hosts.finder import SocketFinder
from flask_realtime.hosts.handler_socket import HandlerSocket
from flask_realtime.hosts.request_stream import RequestStream
from tests.hosts.test_embedded import Connection, Serve, serve

__all__ = ["serve"]


def test_what_has_arrived_can_be_looked_at_without_tls() -> None:
    def of(sock: Any) -> HandlerSocket:
        handler = SimpleNamespace(socket=sock, rfile=RequestStream(sock))
        return HandlerSocket(handler, print)  # type: ignore[arg-type]

    one, other = gevent.socket.socketpair()
    with one, other:
        assert of(one).can_peek
    assert not of(SimpleNamespace(pending=lambda: 0)).can_peek


@pytest.mark.parametrize("keeps", [False, True])
def test_a_middleware_that_keeps_what_is_written_is_noticed(serve: Serve, keeps: bool) -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        def wrapped(*args: Any) -> Any:
            write = start_response(*args)
            return seen.append if keeps else lambda data: write(data)

        # An environ of the middleware's own.
        found = SocketFinder().find({"wsgi.version": (1, 0)}, wrapped)
        assert found is not None
        assert not found.is_upgraded
        try:
            seen.append(found.switch_protocols([("Upgrade", "x")], b"frame"))
        except WriteKept:
            start_response("200 OK", [])
        found.give_back()
        return []

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\nearly")
        head, _, rest = connection.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 " if keeps else b"HTTP/1.1 101 ")
    assert (rest, seen) == ((b"", []) if keeps else (b"frame", [b"early"]))
