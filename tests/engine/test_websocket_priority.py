"""What arrives in one turn of the loop: WebSockets are read before requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from gevent import get_hub, socket

from flask_realtime import Middleware, Server
from flask_realtime.engine.traffic import Traffic
from flask_realtime.engine.transports.websocket import WebSocketTransport
from flask_realtime.testing.frames import text_frame
from tests.engine.transports.test_websocket import RecordingOwner
from tests.fakes import settle
from tests.hosts.test_embedded import HELLO, Connection, Serve, serve  # noqa: F401 - a fixture


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.usefixtures("quiet_hub")
@pytest.mark.parametrize("first", ["the frame", "the request"])
def test_a_frame_is_read_before_a_request_in_whatever_order_they_came(first: str) -> None:
    order: list[str] = []
    with ExitStack() as stack:
        (ours, theirs), (http, client) = (stack.enter_context(pair()) for _ in range(2))
        owner = RecordingOwner()
        owner.on_packet = lambda packet: order.append("frame")
        transport = WebSocketTransport(ours, 1000, 1000, Traffic())
        transport.start(owner)
        watcher: Any = get_hub().loop.io(http.fileno(), 1)

        def take_request() -> None:
            http.recv(100)
            order.append("request")

        watcher.start(take_request)
        sent = [(theirs, text_frame("4a")), (client, b"GET /")]
        for sock, data in sent if first == "the frame" else reversed(sent):
            sock.sendall(data)
        settle()
        assert order == ["frame", "request"]
        watcher.stop()
        watcher.close()
        transport.abort()


def test_an_upgrade_packet_is_handled_before_a_get_that_came_after_it(
    serve: Serve,  # noqa: F811
) -> None:
    port = serve(Middleware(Server()))
    with Connection(port) as http, Connection(port) as ws:
        get = "GET /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        http.send((get % "").encode())
        http.until(b'0{"sid":"')
        sid = http.until(b'"').decode()
        http.until(b"}")
        ws.send(HELLO.replace(b"transport=websocket", b"transport=websocket&sid=" + sid.encode()))
        ws.until(b"\r\n\r\n")
        ws.send(text_frame("2probe"))
        assert ws.frames(1) == [b"3probe"]
        settle()
        # Both are there before the loop runs.
        ws.send(text_frame("5"))
        http.send((get % f"&sid={sid}").encode())
        assert http.until(b"\r\n").startswith(b"HTTP/1.1 400")
