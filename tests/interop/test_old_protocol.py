"""Engine.IO protocol 3 as bytes, with a server that admits it and with one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from tests.interop.running import Servers
from tests.interop.wire import Wire, receive, wait_closed
from tests.processes import ServerProcess

OCTETS = {"Content-Type": "application/octet-stream"}
TEXT = {"Content-Type": "text/plain;charset=UTF-8"}


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    return servers.get(allow_eio3=True)


@pytest.fixture
def old(server: ServerProcess, tag: str) -> Iterator[Wire]:
    with Wire(server, tag) as raw:
        yield raw


def packets(body: bytes) -> list[str]:
    """The packets of a payload that is ASCII."""
    text, found = body.decode("ascii"), []
    while text:
        size, _, rest = text.partition(":")
        found.append(rest[: int(size)])
        text = rest[int(size) :]
    return found


def open_polling(old: Wire) -> str:
    """A session that has taken the packet with which it joins ``/``; its sid."""
    answer = old.get(EIO="3")
    (packet,) = packets(answer.content)
    sid = packet.partition('"sid":"')[2].partition('"')[0]
    assert old.get(sid, EIO="3").content == b"2:40"
    return sid


def open_websocket(old: Wire) -> websocket.WebSocket:
    ws = old.dial(EIO="3")
    assert str(receive(ws)).startswith("0{")
    assert receive(ws) == "40"
    return ws


def test_an_echo_by_polling(old: Wire) -> None:
    sid = open_polling(old)
    packet = '42["echo","ü😀"]'
    size = len(packet.encode("utf-16-le")) // 2
    answer = old.post(sid, f"{size}:{packet}", EIO="3")
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert old.get(sid, EIO="3").content == f"{size}:{packet}".encode()


def test_an_echo_by_polling_in_binary(old: Wire) -> None:
    sid = open_polling(old)
    text = b'451-["echo",{"_placeholder":true,"num":0}]'
    body = b"\x00\x04\x02\xff" + text + b"\x01\x03\xff\x04\x00\xff"
    assert old.post(sid, body, EIO="3", headers=OCTETS).content == b"ok"
    answer = old.get(sid, EIO="3")
    assert answer.headers["Content-Type"] == OCTETS["Content-Type"]
    assert answer.content == body


def test_an_echo_by_websocket(old: Wire) -> None:
    ws = open_websocket(old)
    ws.send("2")
    assert receive(ws) == "3"
    ws.send('451-["echo",{"_placeholder":true,"num":0}]')
    ws.send_binary(b"\x04\x00\xff")
    assert receive(ws) == '451-["echo",{"_placeholder":true,"num":0}]'
    assert receive(ws) == b"\x04\x00\xff"


BROKEN: list[tuple[bytes, dict[str, str]]] = [
    (b"", TEXT),
    (b"42[]", TEXT),
    (b"5:4", TEXT),
    (b"-1:4", TEXT),
    (b"4294967296:4", TEXT),
    (b"9" * 900_000, TEXT),
    (b"9" * 900_000 + b":4", TEXT),
    (b"1:9", TEXT),
    (b"3:b5A", TEXT),
    (b"4:b4A!", TEXT),
    (b"2:4\xf0\x9f\x98\x80", TEXT),
    (b"1:\xff", TEXT),
    (b"", OCTETS),
    (b"1:4", OCTETS),
    (b"\x00\x01", OCTETS),
    (b"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4", OCTETS),
    (b"\x00" + b"\x09" * 900_000, OCTETS),
    (b"\x01\x01\xff\x02", OCTETS),
    (b"\x00\x02\xff4\xff", OCTETS),
]


@pytest.mark.parametrize(("body", "headers"), BROKEN, ids=map(str, range(len(BROKEN))))
def test_a_broken_payload_gets_400_and_ends_the_session(
    old: Wire, body: bytes, headers: dict[str, str]
) -> None:
    sid = open_polling(old)
    assert old.post(sid, body, EIO="3", headers=headers).status_code == 400
    assert old.get(sid, EIO="3").json() == {"code": 1, "message": "Session ID unknown"}
    assert old.saw("disconnect")["reason"] == "parse error"


def test_a_body_above_the_limit_gets_413(old: Wire) -> None:
    sid = open_polling(old)
    for headers in (TEXT, OCTETS):
        assert old.post(sid, b"x" * 1_000_001, EIO="3", headers=headers).status_code == 413
    assert old.post(sid, "1:2", EIO="3").content == b"ok"
    assert old.get(sid, EIO="3").content == b"1:3"


@pytest.mark.parametrize("packet", ["", "9", "b", "b2AA==", "b4A", b"", b"4", b"\x02", b"\xff"])
def test_a_broken_frame_closes_the_connection(old: Wire, packet: Any) -> None:
    ws = open_websocket(old)
    ws.send(packet) if isinstance(packet, str) else ws.send_binary(packet)
    wait_closed(ws)
    assert old.saw("disconnect")["reason"] == "parse error"


def test_a_binary_message_that_was_not_announced_closes_the_connection(old: Wire) -> None:
    ws = open_websocket(old)
    ws.send_binary(b"\x04a")
    wait_closed(ws)
    assert old.saw("disconnect")["reason"] == "forced close"


def test_a_session_stays_with_its_protocol(old: Wire) -> None:
    sid = open_polling(old)
    answer = old.post(sid, "4a", EIO="4")
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert old.saw("connection_error")["context"]["name"] == "PROTOCOL_MISMATCH"


def test_jsonp_is_no_transport(old: Wire) -> None:
    answer = old.get(EIO="3", j="0")
    assert (answer.status_code, answer.json()["code"]) == (400, 0)


@pytest.mark.parametrize("protocol", ["3", "5", "", None])
def test_other_protocols_are_refused_by_default(wire_without: Wire, protocol: str | None) -> None:
    answer = wire_without.get(EIO=protocol)
    expected = {"code": 5, "message": "Unsupported protocol version"}
    assert (answer.status_code, answer.json()) == (400, expected)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        wire_without.dial(EIO=protocol)
    assert refused.value.status_code == 400


@pytest.fixture
def wire_without(servers: Servers, tag: str) -> Iterator[Wire]:
    with Wire(servers.get(), tag) as raw:
        yield raw
