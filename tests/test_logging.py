"""The log tells the life of servers, sessions and sockets at INFO, and has no handlers."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from flask_realtime import ConnectError
from tests.clients import SocketClient
from tests.fakes import settle
from tests.server.together import Together
from tests.worlds import MakeServer, ServerWorld

NAME = "flask_realtime"
#: A busy machine stops the servers of other tests, whose timers run in the same hub.
BUSY = "flask_realtime.loop.scheduler"


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    settle()
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.startswith(NAME) and record.name != BUSY
    ]


def test_a_visit_is_told_from_the_beginning_to_the_end(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, NAME):
        server.io.start()
        server.io.of("/chat")
        line = server.network.websocket()
        client = SocketClient(line)
        sid = client.connect("/chat")
        client.disconnect("/chat")
        settle()
        line.leave()
        line.ended()
        server.io.close()
    short = line.sid[:6]
    assert told(caplog) == [
        ("INFO", "+ server at /socket.io started"),
        ("INFO", "+ namespace /chat"),
        ("INFO", f"+ session {short} opened: websocket from 127.0.0.1"),
        ("INFO", f"+ socket {sid} joined /chat on {short}"),
        ("INFO", f"- socket {sid} left /chat: client namespace disconnect"),
        ("INFO", f"- session {short} closed: transport close"),
        ("INFO", "- server at /socket.io closed"),
    ]


def test_who_is_not_let_in_is_told_as_well(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    @server.io.use
    def nobody(socket: object) -> None:
        raise ConnectError("not you")

    with caplog.at_level(logging.INFO, NAME):
        server.network.request("GET", "EIO=4&transport=polling&sid=unknown")
        line = server.network.websocket()
        line.send("40")
        line.receive()
    short = line.sid[:6]
    assert told(caplog) == [
        ("INFO", "! refused: Session ID unknown {'sid': 'unknown'}"),
        ("INFO", f"+ session {short} opened: websocket from 127.0.0.1"),
        ("INFO", f"! {short} was refused by /: not you"),
    ]


def test_a_cluster_is_joined_and_left(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, f"{NAME}.adapters"):
        server = Together(make_server, 1).servers[0]
        server.close()
        server.close_adapters()
    assert told(caplog) == [
        ("INFO", "+ / joined the cluster"),
        ("INFO", "- / left the cluster"),
    ]


def test_the_library_adds_no_handlers() -> None:
    program = (
        "import logging, flask_realtime as f; f.Realtime; f.Server();"
        "names = ['', *logging.root.manager.loggerDict];"
        "assert 'flask_realtime.server.server' in names;"
        "assert not any(logging.getLogger(n).handlers for n in names if not n or 'flask_r' in n)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
