"""The upgrade from polling to WebSocket, step by step."""

from __future__ import annotations

import contextlib

import pytest
import websocket

from tests.interop.running import Servers
from tests.interop.test_polling import event, pending_get
from tests.interop.wire import Wire, hang_up, packets_of, receive, wait_closed


def probe(wire: Wire, sid: str) -> websocket.WebSocket:
    ws = wire.dial(sid)
    ws.send("2probe")
    assert receive(ws) == "3probe"
    return ws


def echo_by(ws: websocket.WebSocket, text: str) -> None:
    ws.send(event("echo", text))
    assert receive(ws) == event("echo", text).replace(", ", ",")


def assert_not_let_in(wire: Wire, sid: str) -> None:
    """Another WebSocket for the session is refused, or closed at once."""
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        wait_closed(wire.dial(sid))


def test_a_session_goes_over_to_websocket(wire: Wire) -> None:
    sid = wire.enter()
    ws = wire.upgrade(sid)
    echo_by(ws, "here")
    refused = wire.get(sid)
    assert refused.status_code == 400
    assert refused.json() == {"code": 3, "message": "Bad request"}
    assert wire.saw("connection_error")["context"] == {
        "name": "TRANSPORT_MISMATCH",
        "transport": "polling",
        "previousTransport": "websocket",
    }
    echo_by(ws, "still here")


def test_the_namespace_may_be_joined_after_the_upgrade(wire: Wire) -> None:
    ws = wire.upgrade(wire.open()["sid"])
    ws.send("40")
    answer = receive(ws)
    assert isinstance(answer, str)
    assert answer.startswith('40{"sid":"')


def test_a_pending_get_is_released_with_a_noop(wire: Wire) -> None:
    sid = wire.enter()
    pending = pending_get(wire, sid)
    ws = probe(wire, sid)
    assert pending.result().text == "6"
    ws.send("5")
    echo_by(ws, "here")


def test_a_get_that_comes_after_the_probe_is_released_as_well(wire: Wire) -> None:
    sid = wire.enter()
    probe(wire, sid)
    assert wire.get(sid).text == "6"
    assert wire.get(sid).text == "6"


def test_polling_works_in_both_directions_until_the_end_of_the_upgrade(wire: Wire) -> None:
    sid = wire.enter()
    ws = wire.dial(sid)
    assert wire.post(sid, event("echo", "before the probe")).text == "ok"
    assert wire.poll(sid) == ['42["echo","before the probe"]']
    ws.send("2probe")
    assert receive(ws) == "3probe"
    assert wire.post(sid, event("record", "after the probe")).text == "ok"
    wire.saw("recorded")
    ws.send("5")
    echo_by(ws, "done")


def test_what_was_sent_during_the_upgrade_comes_once_and_in_order(wire: Wire) -> None:
    sid = wire.enter()
    wire.post(sid, event("burst", 30))
    ws = wire.dial(sid)
    received = list(wire.poll(sid))
    ws.send("2probe")
    assert receive(ws) == "3probe"
    wire.post(sid, event("burst", 30))
    wire.post(sid, event("record", "sent"))
    wire.saw("recorded")
    answer = wire.get(sid)
    received += [packet for packet in packets_of(answer) if packet != "6"]
    ws.send("5")
    ws.send(event("burst", 30))
    while len(received) < 90:
        packet = receive(ws)
        assert isinstance(packet, str)
        received.append(packet)
    assert received == [f'42["burst",{number}]' for number in range(30)] * 3


def test_events_sent_right_behind_the_upgrade_packet_are_handled(wire: Wire) -> None:
    sid = wire.enter()
    ws = wire.dial(sid)
    ws.send("2probe")
    assert receive(ws) == "3probe"
    ws.send("5")
    for number in range(100):
        ws.send(event("count", number))
    ws.send('421["counted"]')
    assert receive(ws) == "431[[" + ",".join(map(str, range(100))) + "]]"


@pytest.mark.parametrize("packet", ["3probe", "4hello", "2", "2other", "abc", "", "42[]"])
def test_anything_but_a_probe_closes_the_websocket_only(wire: Wire, packet: str) -> None:
    sid = wire.enter()
    ws = wire.dial(sid)
    ws.send(packet)
    wait_closed(ws)
    assert wire.post(sid, event("echo", "goes on")).text == "ok"
    assert wire.poll(sid) == ['42["echo","goes on"]']
    echo_by(wire.upgrade(sid), "second attempt")


@pytest.mark.parametrize("packet", ['42["echo",1]', "2", "abc", "6"])
def test_anything_but_the_upgrade_after_the_probe_closes_the_websocket_only(
    wire: Wire, packet: str
) -> None:
    sid = wire.enter()
    ws = probe(wire, sid)
    ws.send(packet)
    wait_closed(ws)
    assert wire.post(sid, event("echo", "goes on")).text == "ok"
    assert wire.poll(sid) == ['42["echo","goes on"]']


def test_polling_goes_on_when_the_websocket_breaks_off_after_the_probe(wire: Wire) -> None:
    sid = wire.enter()
    ws = probe(wire, sid)
    wire.post(sid, event("burst", 3))
    hang_up(ws)
    received: list[str] = []
    while len(received) < 3:
        received += [packet for packet in wire.poll(sid) if packet != "6"]
    assert received == [f'42["burst",{number}]' for number in range(3)]


def test_an_upgrade_that_is_never_finished_is_given_up(servers: Servers, tag: str) -> None:
    with Wire(servers.get(upgrade_timeout=0.3), tag) as wire:
        for send_probe in (True, False):
            sid = wire.enter()
            ws = probe(wire, sid) if send_probe else wire.dial(sid)
            wait_closed(ws)
            wire.post(sid, event("echo", "goes on"))
            assert wire.poll(sid) == ['42["echo","goes on"]']


def test_a_second_websocket_for_a_session_is_closed(wire: Wire) -> None:
    sid = wire.enter()
    first = wire.upgrade(sid)
    echo_by(first, "one")
    assert_not_let_in(wire, sid)
    echo_by(first, "two")


def test_a_second_websocket_during_the_upgrade_is_closed(wire: Wire) -> None:
    sid = wire.enter()
    first = probe(wire, sid)
    assert_not_let_in(wire, sid)
    first.send("5")
    echo_by(first, "done")


def test_a_session_that_began_on_websocket_takes_no_second_one(wire: Wire) -> None:
    first, told = wire.open_websocket()
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        wire.dial(told["sid"]).send("40")
    first.send("40")
    assert str(receive(first)).startswith("40{")


def test_a_session_that_ends_during_the_probe_closes_the_websocket(wire: Wire) -> None:
    sid = wire.enter()
    ws = probe(wire, sid)
    assert wire.post(sid, "1").text == "ok"
    wait_closed(ws)
    assert wire.saw("disconnect")["reason"] == "transport close"


def test_the_heartbeat_goes_on_after_the_upgrade(servers: Servers, tag: str) -> None:
    with Wire(servers.get(ping_interval=0.3, ping_timeout=0.2), tag) as wire:
        ws = wire.upgrade(wire.enter())
        for _ in range(3):
            assert receive(ws, pings=True) == "2"
            ws.send("3")
        wait_closed(ws)
        assert wire.saw("disconnect")["reason"] == "ping timeout"
