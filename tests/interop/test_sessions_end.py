"""No session stays behind, however its client goes away."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator

import pytest
import websocket

from tests.interop.running import Servers
from tests.interop.wire import PATH, Wire, receive, wait_closed
from tests.processes import eventually


@pytest.fixture
def wire(servers: Servers, tag: str) -> Iterator[Wire]:
    """A server whose heartbeat notices within half a second."""
    with Wire(servers.get(ping_interval=0.3, ping_timeout=0.2), tag) as raw:
        yield raw
        raw.__exit__(None, None, None)
        eventually(lambda: raw.clients() == 0, what="clients_count 0")


def wait_for_nobody(wire: Wire) -> None:
    eventually(lambda: wire.clients() == 0, within=4, what="clients_count 0")


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_silent_websocket_is_closed(wire: Wire) -> None:
    ws = wire.enter_by_websocket()
    assert receive(ws, pings=True) == "2"
    wait_closed(ws)
    assert wire.saw("disconnect")["reason"] == "ping timeout"
    wait_for_nobody(wire)


def test_a_websocket_that_answers_stays(wire: Wire) -> None:
    ws = wire.enter_by_websocket()
    for _ in range(4):
        assert receive(ws, pings=True) == "2"
        ws.send("3")
    assert wire.clients() == 1
    assert wire.server.records(kind="disconnect", tag=wire.tag) == []


def test_other_packets_are_no_answer_to_a_ping(wire: Wire) -> None:
    ws = wire.enter_by_websocket()

    def talk() -> None:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            ws.send('42["echo",1]')
            assert ws.recv() in ('42["echo",1]', "2")

    with pytest.raises((websocket.WebSocketException, ConnectionError)):
        talk()
    assert wire.saw("disconnect")["reason"] == "ping timeout"


def test_an_abandoned_polling_session_is_removed(wire: Wire) -> None:
    sid = wire.enter()
    assert wire.saw("disconnect")["reason"] == "ping timeout"
    wait_for_nobody(wire)
    assert wire.get(sid).json()["code"] == 1


def test_a_pending_get_is_answered_when_the_session_times_out(wire: Wire) -> None:
    sid = wire.enter()
    assert wire.get(sid).text == "2"
    assert wire.get(sid).text == "1"
    assert wire.saw("disconnect")["reason"] == "ping timeout"


def test_polling_stays_with_pongs(wire: Wire) -> None:
    sid = wire.enter()
    for _ in range(4):
        assert wire.get(sid).text == "2"
        assert wire.post(sid, "3").text == "ok"
    assert wire.clients() == 1


def test_a_session_nobody_joined_anything_with_is_removed(wire: Wire) -> None:
    wire.open()
    wire.open_websocket()
    assert wire.clients() == 2
    wait_for_nobody(wire)


def test_a_get_that_breaks_off_does_not_stay(wire: Wire) -> None:
    sid = wire.enter()
    raw = wire.tcp()
    raw.sendall(f"GET {PATH}?{wire.query('polling', sid)} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    reset(raw)
    assert wire.saw("disconnect")["reason"] in ("transport error", "ping timeout")
    wait_for_nobody(wire)


def test_a_post_that_breaks_off_does_not_stay(wire: Wire) -> None:
    sid = wire.enter()
    raw = wire.tcp()
    target = f"{PATH}?{wire.query('polling', sid)}"
    raw.sendall(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n42[".encode())
    reset(raw)
    assert wire.saw("disconnect")["reason"] in ("transport error", "ping timeout")
    wait_for_nobody(wire)


@pytest.mark.parametrize("step", ["before the probe", "after the probe", "after the upgrade"])
def test_a_reset_during_the_upgrade_leaves_nothing(wire: Wire, step: str) -> None:
    sid = wire.enter()
    ws = wire.dial(sid)
    if step != "before the probe":
        ws.send("2probe")
        receive(ws)
    if step == "after the upgrade":
        ws.send("5")
        ws.send('42["record",1]')
        wire.saw("recorded")
    assert ws.sock is not None
    reset(ws.sock)
    wire.saw("disconnect")
    wait_for_nobody(wire)


def test_a_client_that_reads_nothing_delays_nobody(wire: Wire) -> None:
    """Two megabytes for a client that leaves them in its socket."""
    deaf = wire.enter_by_websocket()
    for _ in range(20):
        deaf.send('42["echo","' + "x" * 100_000 + '"]')
    other = wire.enter_by_websocket(auth={"tag": "other"})
    other.send('421["one","quick"]')
    assert receive(other) == '431["quick"]'
    assert wire.saw("disconnect")["reason"] in ("ping timeout", "transport error")


def test_many_sessions_come_and_go(wire: Wire) -> None:
    for number in range(60):
        ws = wire.enter_by_websocket()
        ws.send("42" + json.dumps(["record", number]))
        if number % 2:
            ws.send("41")
            ws.close()
        else:
            assert ws.sock is not None
            reset(ws.sock)
    eventually(
        lambda: len(wire.server.records(kind="disconnect", tag=wire.tag)) == 60,
        what="sixty disconnects",
    )
    wait_for_nobody(wire)
