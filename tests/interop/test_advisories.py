"""The published advisories of this field: one test for each, named after its id.

Each does to a server what the advisory is about. The server has to answer as documented, and
somebody else, who was there before, must not notice. What the codecs do with such input in
detail is tested beside them; their tests name the ids as well.
"""

from __future__ import annotations

import ast
import pickle
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import requests
import websocket

import flask_realtime
from flask_realtime.adapters.wire.classic import decode_broadcast, decode_request
from flask_realtime.testing.frames import BINARY, PING, PONG, TEXT, frame
from tests.fakes import reset
from tests.frames import Compressor
from tests.interop.running import Servers
from tests.interop.test_websocket import answer_head, handshake_lines, send_raw
from tests.interop.wire import PATH, Wire, receive, wait_closed
from tests.processes import ROOT

PLACEHOLDER = '{"_placeholder":true,"num":0}'
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def somebody_else(wire: Wire) -> Iterator[None]:
    """A client of the same server, which is served before and after."""
    other = wire.enter_by_websocket()
    yield
    other.send('42["echo","still here"]')
    assert receive(other) == '42["echo","still here"]'
    assert wire.post(wire.enter(), '42["echo"]').text == "ok"


def closed_after(wire: Wire, *packets: str | bytes) -> str:
    """Send packets on a connection of its own; why the server has closed it."""
    with Wire(wire.server, wire.tag + "x") as attacker:
        ws = attacker.enter_by_websocket()
        for packet in packets:
            ws.send(packet) if isinstance(packet, str) else ws.send_binary(packet)
        wait_closed(ws)
        return str(attacker.saw("disconnect")["reason"])


def greenlets(wire: Wire) -> int:
    return int(requests.get(f"{wire.server.url}/greenlets", timeout=5).json())


# --- Socket.IO packets


def test_cve_2026_48804_attachments_without_bound(wire: Wire) -> None:
    """GHSA-5w7q-77mv-v69f: a packet waited for as many attachments as it liked."""
    for count in ("11", "9999999999", "9" * 100):
        assert closed_after(wire, f'45{count}-["echo"]') == "forced close"
    half = [b"x" * 400_000] * 3
    assert closed_after(wire, f'453-["echo",{PLACEHOLDER}]', *half) == "forced close"
    with Wire(wire.server, wire.tag) as early:
        ws, _ = early.open_websocket()  # not even in a namespace
        ws.send(f'459999999999-["echo",{PLACEHOLDER}]')
        wait_closed(ws)


def test_cve_2026_33151_more_than_ten_attachments(wire: Wire) -> None:
    assert closed_after(wire, '4511-["echo"]') == "forced close"


def test_cve_2026_69185_attachments_that_are_larger_than_a_message_may_be(wire: Wire) -> None:
    parts = [b"x" * 200_000] * 6
    assert closed_after(wire, f'456-["echo",{PLACEHOLDER}]', *parts) == "forced close"


@pytest.mark.parametrize("number", ["-1", "1.5", '"0"', "true", "null", "{}", "1e9", "1"])
def test_cve_2022_2421_placeholders_that_are_no_index(wire: Wire, number: str) -> None:
    packet = f'451-["echo",{{"_placeholder":true,"num":{number}}}]'
    assert closed_after(wire, packet, b"x") == "forced close"


def test_one_attachment_for_many_placeholders(wire: Wire) -> None:
    """An echo of 90 kB of text and one attachment of 990 kB was 3 GB."""
    marks = ",".join([PLACEHOLDER] * 3000)
    assert closed_after(wire, f'451-["echo",[{marks}]]', b"x" * 990_000) == "forced close"
    assert closed_after(wire, '451-["echo"]', b"x") == "forced close"


@pytest.mark.parametrize("name", ['{"toString":"foo"}', '["a"]', "null", "true", "[]"])
def test_cve_2023_32695_event_names_that_are_no_names(wire: Wire, name: str) -> None:
    assert closed_after(wire, f"42[{name}]") == "forced close"


def test_socket_io_parser_4_2_4_reserved_event_names(wire: Wire) -> None:
    for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener"):
        assert closed_after(wire, f'42["{name}"]') == "forced close"


def test_cve_2024_38355_events_with_the_names_of_internals(wire: Wire) -> None:
    ws = wire.enter_by_websocket()
    for name in ("error", "close", "__init__", "_private", "on_close", "emit", "data"):
        ws.send(f'42["{name}",{{"a":1}}]')
    ws.send('42["echo",1]')
    assert receive(ws) == '42["echo",1]'


def test_python_socketio_668_giant_numbers(wire: Wire) -> None:
    """Also blog.caller.xyz/socketio-engineio-dos: time that grows with the square."""
    digits = "9" * (MEGABYTE - 100)
    began = time.monotonic()
    with Wire(wire.server, wire.tag + "x") as attacker:
        attacker.enter_by_websocket().send(f'42["nothing",{digits}]')
        assert closed_after(wire, "42" + "9" * 200 + '["echo"]') == "forced close"
        sid = attacker.enter()
        attacker.post(sid, "\x1e".join(["42"] * (MEGABYTE // 3)))
    assert time.monotonic() - began < 5


# --- Engine.IO


def test_cve_2026_48802_unsolicited_pongs(wire: Wire) -> None:
    """GHSA-cgwc-pv48-fhj5: a thread for each pong, and for each client that was refused."""
    ws = wire.enter_by_websocket()
    before = greenlets(wire)
    pong = frame(TEXT, b"3")
    for _ in range(100):
        send_raw(ws, pong * 1000)
    for _ in range(20):
        assert wire.get(refuse="1").status_code == 200  # and never joins
        assert wire.get(EIO="3").status_code == 400
    ws.send('42["echo",1]')
    assert receive(ws) == '42["echo",1]'
    assert greenlets(wire) <= before + 5


@pytest.mark.parametrize(("who", "status"), [("a client", 413), ("nobody", 400)])
def test_cve_2026_48809_a_body_is_refused_before_it_is_read(
    wire: Wire, who: str, status: int
) -> None:
    """python-engineio < 4.13.2 read all of it first, of clients that it did not know as well."""
    sid = wire.enter() if who == "a client" else "x" * 20
    head = f"POST {PATH}?{wire.query('polling', sid)} HTTP/1.1\r\nHost: a\r\n"
    with wire.tcp() as raw:
        raw.sendall(f"{head}Content-Length: {10**12}\r\n\r\n42".encode())
        assert raw.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())


def test_cve_2026_48809_a_message_is_refused_before_it_is_read(wire: Wire) -> None:
    """Its WebSocket of aiohttp had no limit: the server looked when it had the whole message."""
    ws = wire.enter_by_websocket()
    send_raw(ws, b"\x81\xff" + (10**12).to_bytes(8, "big") + b"mask" + b"42")
    assert wait_closed(ws) == 1009
    assert wire.saw("disconnect")["reason"] == "transport error"


@pytest.mark.parametrize("advisory", ["CVE-2020-36048", "CVE-2020-36049"])
def test_cve_2020_36048_and_cve_2020_36049_time_grows_with_the_size_only(
    servers: Servers, tag: str, advisory: str
) -> None:
    def seconds(wire: Wire, size: int) -> float:
        sid = wire.enter()
        packets = ['42["x"]'] * (size // 8) if advisory == "CVE-2020-36048" else ["y" * size]
        body = "\x1e".join(packets) if len(packets) > 1 else f'42["x","{packets[0]}"]'
        began = time.monotonic()
        assert wire.post(sid, body).text == "ok"
        return time.monotonic() - began

    least = MEGABYTE // 8 if advisory == "CVE-2020-36048" else MEGABYTE
    with Wire(servers.get(max_http_buffer_size=64 * MEGABYTE), tag) as large:
        few = max(min(seconds(large, least) for _ in range(3)), 0.02)
        # Squared, eight times as much takes 64 times as long.
        assert seconds(large, 8 * least) < 32 * few


@pytest.mark.parametrize("rsv", [0x20, 0x10, 0x30, 0x40])
def test_cve_2022_21676_reserved_bits(wire: Wire, rsv: int) -> None:
    joined, probing = wire.enter_by_websocket(), wire.dial(wire.enter())
    for ws in (joined, probing, wire.dial()):
        send_raw(ws, frame(rsv | TEXT, b"2probe"))
        assert wait_closed(ws) in (1002, None)
    middle = wire.enter_by_websocket()
    send_raw(middle, frame(TEXT, b"42", final=False) + frame(rsv, b'["echo"]'))
    assert wait_closed(middle) == 1002


def test_cve_2022_41940_a_reset_in_the_middle_of_a_handshake(wire: Wire) -> None:
    good, bad = handshake_lines(wire), handshake_lines(wire, Sec_WebSocket_Key="short")
    foreign = handshake_lines(wire, Origin="http://evil.example")
    for request in (good, bad, foreign):
        for part in (request[:40], request[:-2], request):
            for _ in range(5):
                raw = wire.tcp()
                raw.sendall(part)
                reset(raw)
    assert not wire.server.has_traceback


@pytest.mark.parametrize("value", ["__class__", "constructor", "__proto__", "", "x" * 65536])
def test_cve_2023_31125_parameters_that_name_nothing(wire: Wire, value: str) -> None:
    for more in ({"transport": value}, {"sid": value}, {"EIO": value}):
        answer = wire.get(**more)
        assert answer.status_code in (400, 414, 431)
        assert "Traceback" not in answer.text
    for query in ("transport=polling&transport=x", "transport[]=polling", "transport[a]=b"):
        assert requests.get(f"{wire.server.url}{PATH}?EIO=4&{query}", timeout=5).status_code == 400


def test_engine_io_6_1_2_websocket_without_an_upgrade(wire: Wire) -> None:
    assert wire.get(transport="websocket").json() == {"code": 3, "message": "Bad request"}


@pytest.mark.parametrize("kind", ["application/octet-stream", "", "text/plain;charset=x", "a/b"])
def test_cve_2026_59725_a_body_of_another_type_is_answered_at_once(wire: Wire, kind: str) -> None:
    began = time.monotonic()
    with Wire(wire.server, wire.tag) as attacker:
        sid = attacker.enter()
        answer = attacker.post(sid, b"\x04abc", headers={"Content-Type": kind})
        assert answer.status_code in (200, 400)
    assert time.monotonic() - began < 4


# --- origins


FOREIGN = ("http://evil.example", "null", "HTTP://EVIL.EXAMPLE", "http://{host}.evil.example")


@pytest.mark.parametrize("origin", FOREIGN)
def test_cve_2019_13611_a_page_of_another_site_opens_nothing(wire: Wire, origin: str) -> None:
    foreign = origin.replace("{host}", f"127.0.0.1:{wire.server.port}")
    assert wire.get(headers={"Origin": foreign}).json()["code"] == 4
    with pytest.raises(websocket.WebSocketBadStatusException):
        wire.dial(origin=foreign)
    with pytest.raises(websocket.WebSocketBadStatusException):
        wire.dial(wire.enter(), origin=foreign)


def test_cve_2020_28481_the_default_is_the_same_origin(wire: Wire) -> None:
    answer = wire.get(headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


# --- WebSocket frames and handshakes


def test_cve_2024_37890_two_thousand_headers(wire: Wire) -> None:
    extra = b"".join(b"X-%d: y\r\n" % number for number in range(2000))
    head, blank = handshake_lines(wire)[:-2], b"\r\n"
    assert answer_head(wire, head + extra + blank).startswith("http/1.1 4")
    assert answer_head(wire, head + b"X: " + b"y" * 70_000 + b"\r\n\r\n").startswith("http/1.1 4")
    twice = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    assert answer_head(wire, head + twice + blank).startswith(("http/1.1 101", "http/1.1 400"))


def test_cve_2021_32640_spaces_in_the_names_of_protocols(wire: Wire) -> None:
    began = time.monotonic()
    spaces = "b" + " " * 7000 + "x"
    for name in ("Sec_WebSocket_Protocol", "Sec_WebSocket_Extensions"):
        assert answer_head(wire, handshake_lines(wire, **{name: spaces}))
    assert time.monotonic() - began < 4


def test_cve_2026_48779_endless_fragments_of_one_byte(wire: Wire) -> None:
    ws = wire.enter_by_websocket()
    pieces = frame(0, b"x", final=False) * 1000
    send_raw(ws, frame(TEXT, b"42", final=False))
    try:
        for _ in range(1001):
            send_raw(ws, pieces)
    except OSError:
        pass  # it has been closed meanwhile
    assert wait_closed(ws) in (1009, None)
    assert wire.saw("disconnect")["reason"] == "transport error"


def test_cve_2026_42786_endless_fragments_of_nothing(wire: Wire) -> None:
    """They are not kept at all; the heartbeat ends who goes on with them."""
    ws = wire.enter_by_websocket()
    pieces = frame(0, b"", final=False) * 1000
    send_raw(ws, frame(TEXT, b"42", final=False))
    for _ in range(100):
        send_raw(ws, pieces)
    send_raw(ws, frame(0, b'["echo",1]'))
    assert receive(ws) == '42["echo",1]'


def test_ghsa_frh3_6pv6_rc8j_some_kilobytes_that_inflate_to_gigabytes(
    servers: Servers, tag: str
) -> None:
    with Wire(servers.get(per_message_deflate=True), tag) as wire:
        ws = wire.dial(headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
        assert ws.headers is not None
        assert "permessage-deflate" in ws.headers["sec-websocket-extensions"]
        began = time.monotonic()
        send_raw(ws, Compressor().frame(BINARY, bytes(64 * MEGABYTE)))
        assert wait_closed(ws) == 1009
        assert time.monotonic() - began < 5


def test_cve_2026_45736_what_is_sent_is_of_a_known_type() -> None:
    """GHSA-58qx-3vcg-4xpx: only by misuse; an application cannot send what is no message."""
    server = flask_realtime.Server()
    for value in (5, None, object()):
        with pytest.raises(TypeError):
            server.emit(value)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        server.emit("event", object())


def test_engine_io_375_a_pong_holds_what_the_ping_did(wire: Wire) -> None:
    """ws < 1.0.1: a ping whose length was a number was answered with memory of the server."""
    ws = wire.enter_by_websocket()
    send_raw(ws, frame(PING, b"\x7f" * 125))
    assert ws.recv_data(control_frame=True) == (PONG, b"\x7f" * 125)
    send_raw(ws, frame(PING, b"x" * 126))
    assert wait_closed(ws) == 1002


@pytest.mark.parametrize("value", ["\xff\xfe", "a\x00b", "\xe4\xf6\xfc", "%00", "\x7f"])
def test_granian_headers_that_are_no_ascii(wire: Wire, value: str) -> None:
    """A subprotocol that was no ASCII ended the worker."""
    for name in (b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions", b"User-Agent", b"Origin"):
        line = name + b": " + value.encode("latin-1") + b"\r\n\r\n"
        head = answer_head(wire, handshake_lines(wire)[:-2] + line)
        assert head.startswith(("http/1.1 101 ", "http/1.1 400 ", "http/1.1 403 ")), head


def test_cve_2026_34824_a_flood_of_events_starts_no_greenlets(wire: Wire) -> None:
    """Mesop had a thread for each message."""
    ws = wire.enter_by_websocket()
    before = greenlets(wire)
    send_raw(ws, frame(TEXT, b'42["count",1]') * 20_000)
    most = max(greenlets(wire) for _ in range(5))
    ws.send('42["echo","done"]')
    assert receive(ws) == '42["echo","done"]'
    assert most <= before + 5


# --- what is below and beside


def test_cve_2025_61765_nothing_is_unpickled() -> None:
    """A pickle on the queue of the servers was code in each of them."""
    package = Path(flask_realtime.__file__).parent
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            called = node.func if isinstance(node, ast.Call) else None
            names += [called.id] if isinstance(called, ast.Name) else []
            forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "eval", "exec"}
            assert forbidden.isdisjoint(names), f"{file}: {names}"
    code = pickle.dumps({"method": "disconnect", "sid": "x"})
    for decode in (decode_broadcast, decode_request):
        with pytest.raises(ValueError, match="MessagePack"):
            decode(code, "/")


def test_cve_2023_41419_trailers_are_no_request(wire: Wire) -> None:
    assert tuple(map(int, version("gevent").split(".")[:2])) >= (23, 9)
    sid = wire.enter()
    target = f"POST {PATH}?{wire.query('polling', sid)} HTTP/1.1\r\nHost: a\r\n"
    chunk = "4\r\n42[]\r\n0\r\nX: GET /log HTTP/1.1\r\n\r\nGET /log HTTP/1.1\r\nHost: b\r\n\r\n"
    with wire.tcp() as raw:
        raw.sendall(
            f"{target}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}".encode()
        )
        found = b""
        while data := raw.recv(65536):
            found += data
    assert found.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Content-Length: 4\r\nContent-Length: 9",
        "Content-Length: +4",
    ],
    ids=repr,
)
def test_cve_2024_1135_and_cve_2024_6827_a_body_of_two_lengths(wire: Wire, fields: str) -> None:
    assert "gunicorn[gevent]>=23" in (ROOT / "setup.cfg").read_text("utf-8")
    sid = wire.enter()
    head = f"POST {PATH}?{wire.query('polling', sid)} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"
    with wire.tcp() as raw:
        raw.sendall(head.encode() + b"0\r\n\r\nGET /log HTTP/1.1\r\nHost: b\r\n\r\n")
        found = b""
        while data := raw.recv(65536):
            found += data
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1 ") == 1
