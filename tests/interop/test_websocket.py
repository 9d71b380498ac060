"""The WebSocket transport as frames: RFC 6455, and Engine.IO inside it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct

import pytest
import websocket

from tests.interop.wire import PATH, Wire, hang_up, receive, wait_closed

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ECHO = b'42["echo","\xc3\xbc and more"]'


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def send_raw(ws: websocket.WebSocket, data: bytes) -> None:
    assert ws.sock is not None
    ws.sock.sendall(data)


@pytest.fixture
def ws(wire: Wire) -> websocket.WebSocket:
    return wire.enter_by_websocket()


def closed_by(ws: websocket.WebSocket, data: bytes) -> int | None:
    """Send it and return the close code the server answers with."""
    send_raw(ws, data)
    return wait_closed(ws)


def test_text_and_binary_are_echoed(ws: websocket.WebSocket) -> None:
    ws.send('451-["echo",{"_placeholder":true,"num":0}]')
    ws.send_binary(bytes(range(256)))
    assert receive(ws) == '451-["echo",{"_placeholder":true,"num":0}]'
    assert receive(ws) == bytes(range(256))


def test_frames_may_come_byte_by_byte(ws: websocket.WebSocket) -> None:
    assert ws.sock is not None
    ws.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in frame(TEXT, ECHO):
        send_raw(ws, bytes([byte]))
    assert receive(ws) == ECHO.decode()


def test_many_frames_may_come_at_once(ws: websocket.WebSocket) -> None:
    send_raw(ws, b"".join(frame(TEXT, b'42["echo",%d]' % n) for n in range(300)))
    assert [receive(ws) for _ in range(300)] == [f'42["echo",{n}]' for n in range(300)]


def test_a_message_may_come_in_fragments(ws: websocket.WebSocket) -> None:
    cut = 11  # within a character of two bytes
    send_raw(ws, frame(TEXT, ECHO[:cut], fin=False))
    send_raw(ws, frame(CONTINUATION, b"", fin=False))
    send_raw(ws, frame(CONTINUATION, ECHO[cut:]))
    assert receive(ws) == ECHO.decode()


def test_control_frames_may_come_between_fragments(ws: websocket.WebSocket) -> None:
    send_raw(ws, frame(TEXT, ECHO[:5], fin=False) + frame(PING, b"here?"))
    opcode, data = ws.recv_data(control_frame=True)
    assert (opcode, data) == (PONG, b"here?")
    send_raw(ws, frame(PONG, b"unasked") + frame(CONTINUATION, ECHO[5:]))
    assert receive(ws) == ECHO.decode()


@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_is_answered_with_its_content(ws: websocket.WebSocket, size: int) -> None:
    send_raw(ws, frame(PING, b"x" * size))
    assert ws.recv_data(control_frame=True) == (PONG, b"x" * size)


@pytest.mark.parametrize("size", [100, 125, 126, 127, 65535, 65536, 300_000])
def test_frames_of_every_length_form_pass(ws: websocket.WebSocket, size: int) -> None:
    text = '42["echo","' + "x" * (size - 13) + '"]'
    assert len(text) == size
    ws.send(text)
    assert receive(ws) == text


VIOLATIONS = {
    "an unmasked frame": frame(TEXT, ECHO, masked=False),
    "a reserved bit": frame(TEXT, ECHO, rsv=4),
    "another reserved bit": frame(TEXT, ECHO, rsv=1),
    "a reserved opcode": frame(3, ECHO),
    "a reserved control opcode": frame(11),
    "a continuation of nothing": frame(CONTINUATION, ECHO),
    "a new message within another": frame(TEXT, ECHO, fin=False) + frame(TEXT, ECHO),
    "a fragmented ping": frame(PING, b"a", fin=False),
    "a ping that is too long": frame(PING, b"x" * 126),
    "a close of one byte": frame(CLOSE, b"\x03"),
    "a close code that must not be sent": frame(CLOSE, struct.pack("!H", 1005)),
    "a close code that does not exist": frame(CLOSE, struct.pack("!H", 999)),
}


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_protocol_error_is_closed_with_1002(
    wire: Wire, ws: websocket.WebSocket, data: bytes
) -> None:
    assert closed_by(ws, data) == 1002
    assert wire.saw("disconnect")["reason"] == "transport error"


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"])
def test_text_that_is_no_utf_8_is_closed_with_1007(
    wire: Wire, ws: websocket.WebSocket, text: bytes
) -> None:
    assert closed_by(ws, frame(TEXT, b'42["echo","' + text + b'"]')) == 1007
    assert wire.saw("disconnect")["reason"] == "transport error"


def test_a_message_over_the_limit_is_closed_with_1009(wire: Wire, ws: websocket.WebSocket) -> None:
    head = struct.pack("!BBQ", 0x81, 0x80 | 127, 1_000_001) + b"mask"
    assert closed_by(ws, head) == 1009
    assert wire.saw("disconnect")["reason"] == "transport error"


def test_a_message_of_absurd_length_is_refused_at_its_head(ws: websocket.WebSocket) -> None:
    head = struct.pack("!BBQ", 0x82, 0x80 | 127, 2**62) + b"mask"
    assert closed_by(ws, head) == 1009


def test_fragments_are_counted_together(wire: Wire, ws: websocket.WebSocket) -> None:
    piece = b"x" * 60_000
    send_raw(ws, frame(TEXT, b"4" + piece, fin=False))
    with contextlib.suppress(ConnectionError):  # it may be closed while this goes on
        for _ in range(20):
            send_raw(ws, frame(CONTINUATION, piece, fin=False))
    assert wire.saw("disconnect")["reason"] == "transport error"


def test_a_message_of_exactly_the_limit_passes(wire: Wire, ws: websocket.WebSocket) -> None:
    ws.send('42["record","' + "x" * (1_000_000 - 15) + '"]')
    assert len(wire.saw("recorded")["args"][0]) == 1_000_000 - 15


def test_a_close_frame_is_answered_with_the_same_code(wire: Wire, ws: websocket.WebSocket) -> None:
    assert closed_by(ws, frame(CLOSE, struct.pack("!H", 1001) + b"away")) in (1001, 1000)
    hang_up(ws)
    assert wire.saw("disconnect")["reason"] == "transport close"


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        ("abc", "parse error"),
        ("9", "parse error"),
        ("", "parse error"),
        ("2", "transport error"),
        ("1", "transport close"),
    ],
)
def test_an_engine_packet_out_of_place_closes(
    wire: Wire, ws: websocket.WebSocket, packet: str, reason: str
) -> None:
    ws.send(packet)
    wait_closed(ws)
    assert wire.saw("disconnect")["reason"] == reason


@pytest.mark.parametrize("packet", ["0", "5", "6", "3", "3unasked"])
def test_an_engine_packet_without_meaning_is_ignored(ws: websocket.WebSocket, packet: str) -> None:
    ws.send(packet)
    ws.send('42["echo","still here"]')
    assert receive(ws) == '42["echo","still here"]'


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_a_connection_that_breaks_off_is_seen(
    wire: Wire, ws: websocket.WebSocket, how: str
) -> None:
    assert ws.sock is not None
    if how == "RST":
        ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.sock.close()
    else:
        ws.sock.shutdown(socket.SHUT_WR)
    assert wire.saw("disconnect")["reason"] in ("transport close", "transport error")


def handshake_lines(wire: Wire, **changes: str | None) -> bytes:
    headers: dict[str, str | None] = {
        "Host": f"127.0.0.1:{wire.server.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"GET {PATH}?{wire.query('websocket', None)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_head(wire: Wire, request: bytes) -> str:
    with wire.tcp() as raw:
        raw.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = raw.recv(65536)
            if not piece:
                break
            data += piece
    return data.decode("latin-1").lower()


def test_the_opening_handshake_is_that_of_the_rfc(wire: Wire) -> None:
    extension = {"Sec_WebSocket_Extensions": "permessage-deflate"}
    head = answer_head(wire, handshake_lines(wire, Connection="keep-alive, Upgrade", **extension))
    assert head.startswith("http/1.1 101 ")
    assert "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert "upgrade: websocket" in head
    assert "sec-websocket-extensions" not in head
    assert "transfer-encoding" not in head


@pytest.mark.parametrize(
    "changes",
    [
        {"Sec_WebSocket_Key": None},
        {"Sec_WebSocket_Key": "c2hvcnQ="},
        {"Sec_WebSocket_Version": "12"},
        {"Sec_WebSocket_Version": None},
    ],
    ids=str,
)
def test_a_broken_opening_handshake_is_refused(wire: Wire, changes: dict[str, str | None]) -> None:
    head = answer_head(wire, handshake_lines(wire, **changes))
    assert head.startswith(("http/1.1 400 ", "http/1.1 426 ")), head
