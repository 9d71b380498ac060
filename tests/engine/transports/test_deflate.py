"""WebSockets that have agreed to permessage-deflate, from the handshake to the end."""

from __future__ import annotations

import gc
import json
import zlib
from typing import Any

import gevent
import pytest

from flask_realtime.codec.deflate import OwnDeflater
from flask_realtime.codec.message import Message
from flask_realtime.engine.session import Session
from flask_realtime.engine.transports.deflate import DeflateTransport
from flask_realtime.errors import FrameError
from flask_realtime.testing.frames import BINARY, PING, PONG, RSV1, TEXT, frame
from tests.clients import Closed, WebSocketLine
from tests.fakes import settle, wait_until
from tests.frames import Compressor
from tests.worlds import EngineWorld, MakeEngine

#: What Chromium sends with every WebSocket.
CHROMIUM = "permessage-deflate; client_max_window_bits"
OFFER = {"Sec-WebSocket-Extensions": CHROMIUM}
TAKEOVER = {"server_no_context_takeover": False, "client_no_context_takeover": False}
SETTINGS = pytest.mark.parametrize("settings", [{}, TAKEOVER], ids=["alone", "takeover"])


def text(size: int) -> str:
    return json.dumps(["event", *range(size // 6)])


class DeflateLine:
    """A WebSocket whose client offers the extension."""

    def __init__(self, line: WebSocketLine, *, takeover: bool = False) -> None:
        self.line = line
        self.client = Compressor(takeover=takeover)
        line.frames.inflate = self.client.inflate

    @property
    def accepted(self) -> str | None:
        return self.line.answer.headers.get("Sec-WebSocket-Extensions")

    def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            opcode = TEXT if isinstance(packet, str) else BINARY
            data = packet.encode() if isinstance(packet, str) else packet
            self.line.send_frames(self.client.frame(opcode, data))

    def receive(self) -> str | bytes:
        return self.line.receive()

    @property
    def compressed(self) -> list[bytes]:
        return self.line.frames.compressed


def dial(engine: EngineWorld, **options: Any) -> tuple[DeflateLine, Session]:
    takeover = options.pop("takeover", False)
    line = DeflateLine(engine.network.websocket(headers=OFFER, **options), takeover=takeover)
    return line, engine.handler.last[0]


# --- the handshake


def test_the_offer_of_a_browser_is_accepted(make_engine: MakeEngine) -> None:
    line, session = dial(make_engine(per_message_deflate=True))
    assert line.accepted == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    )
    assert isinstance(session.transport, DeflateTransport)


def test_by_default_the_extension_is_off(engine: EngineWorld) -> None:
    line, session = dial(engine)
    assert line.accepted is None
    assert not isinstance(session.transport, DeflateTransport)
    line.line.send_frames(frame(TEXT | RSV1, b"4"))
    assert line.line.wait_closed() == 1002


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-WebSocket-Extensions": "permessage-deflate; unknown"}],
    ids=["no offer", "no valid offer"],
)
def test_who_does_not_offer_it_gets_plain_frames(
    make_engine: MakeEngine, headers: dict[str, str]
) -> None:
    engine = make_engine(per_message_deflate={"threshold": 0})
    line = engine.network.websocket(headers=headers)
    assert "Sec-WebSocket-Extensions" not in line.answer.headers
    engine.handler.last[0].send_message(Message(text(5000).encode()))
    assert line.receive() == "4" + text(5000)
    line.send_frames(frame(TEXT | RSV1, b"4"))
    assert line.wait_closed() == 1002


@pytest.mark.parametrize("sid", [True, False], ids=["upgrade", "new session"])
def test_a_header_that_cannot_be_read_is_refused_before_the_101(
    make_engine: MakeEngine, sid: bool
) -> None:
    engine = make_engine(per_message_deflate=True)
    errors: list[object] = []
    engine.engine.on("connection_error", lambda error: errors.append(error.context["name"]))
    polling = engine.network.polling() if sid else None
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate; ="}
    line = engine.network.dial(polling.sid if polling else "", headers=headers)
    line.ended()
    assert (line.answer.status, line.answer.json["code"]) == (400, 3)
    assert errors == ["TRANSPORT_HANDSHAKE_ERROR"]
    assert engine.engine.clients_count == int(sid)
    if polling is not None:
        assert isinstance(engine.network.upgrade(polling), WebSocketLine)


def test_a_host_that_has_sent_the_101_has_agreed_to_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(per_message_deflate={"threshold": 0})
    engine.host.upgrades_first = True
    line = engine.network.websocket(headers=OFFER, wsgi={"tests.upgraded": True})
    engine.handler.last[0].send_message(Message(text(5000).encode()))
    assert line.receive() == "4" + text(5000)


# --- messages


@SETTINGS
def test_messages_go_both_ways(make_engine: MakeEngine, settings: dict[str, Any]) -> None:
    engine = make_engine(per_message_deflate=settings)
    line, session = dial(engine, takeover=bool(settings))
    receiver = engine.handler.last[1]
    for _ in range(3):
        line.send("4" + text(5000), b"\x00" * 3000)
        session.send_message(Message(text(5000).encode(), [b"\x01" * 3000, b"short"]))
        received = [line.receive() for _ in range(3)]
        assert received == ["4" + text(5000), b"\x01" * 3000, b"short"]
    wait_until(lambda: receiver.messages == [text(5000), b"\x00" * 3000] * 3)
    assert len(line.compressed) == 6


def test_what_is_short_or_has_opted_out_is_plain(make_engine: MakeEngine) -> None:
    line, session = dial(make_engine(per_message_deflate=True))
    session.send_message(Message(b"short"))
    session.send_message(Message(text(5000).encode(), compress=False))
    assert [line.receive(), line.receive()] == ["4short", "4" + text(5000)]
    assert line.compressed == []


def test_compressed_messages_and_control_frames_keep_their_order(make_engine: MakeEngine) -> None:
    engine = make_engine(per_message_deflate={"threshold": 0})
    line, session = dial(engine)
    noise = zlib.compress(text(90_000).encode())  # hardly shorter: it fills the kernel's buffers
    sent: list[str | bytes] = []
    while not session.buffered_bytes:
        session.send_message(Message(b"%d" % len(sent), [noise]))
        sent += [f"4{len(sent)}", noise]
    session.transport.send_control("2")
    session.send_message(Message(text(5000).encode()))
    sent += ["2", "4" + text(5000)]
    line.line.send_frames(frame(PING, b"now"))
    settle()
    session.close()
    for packet in sent:
        assert line.receive() == packet
    assert line.line.receive_frame() == (PONG, b"now")
    with pytest.raises(Closed):
        line.receive()


def test_the_fragments_of_a_message_may_have_a_ping_between_them(make_engine: MakeEngine) -> None:
    engine = make_engine(per_message_deflate=True)
    line, _ = dial(engine)
    payload = line.client.deflate(b"4" + text(5000).encode())
    line.line.send_frames(
        frame(TEXT | RSV1, payload[:7], final=False),
        frame(PING, b"now"),
        frame(0, payload[7:], final=False),
        frame(0, b""),
    )
    assert line.line.receive_frame() == (PONG, b"now")
    wait_until(lambda: engine.handler.last[1].messages == [text(5000)])


def test_a_broadcast_is_compressed_once(make_engine: MakeEngine) -> None:
    engine = make_engine(per_message_deflate=True)
    lines = [dial(engine)[0] for _ in range(3)]
    plain = engine.network.websocket()
    message = Message(text(50_000).encode())
    for session in engine.handler.sessions:
        session.send_message(message)
    received = [*(line.receive() for line in lines), plain.receive()]
    assert received == ["4" + text(50_000)] * 4
    assert len({line.compressed[0] for line in lines}) == 1


@SETTINGS
def test_an_upgrade_goes_on_with_compressed_messages(
    make_engine: MakeEngine, settings: dict[str, Any]
) -> None:
    engine = make_engine(per_message_deflate=settings)
    polling = engine.network.polling()
    ws = engine.network.dial(polling.sid, headers=OFFER)
    session, receiver = engine.handler.last
    line = DeflateLine(ws, takeover=bool(settings))
    line.send("2probe")
    assert line.receive() == "3probe"
    session.send_message(Message(text(5000).encode()))  # polling has not delivered it
    line.send("5")
    assert line.receive() == "4" + text(5000)
    session.send_message(Message(text(6000).encode()))
    assert line.receive() == "4" + text(6000)
    assert len(line.compressed) == 1
    line.send("4" + text(7000))
    wait_until(lambda: receiver.messages == [text(7000)])
    assert session.transport_name == "websocket"


# --- the limits


@SETTINGS
def test_a_message_may_not_inflate_beyond_the_limit(
    make_engine: MakeEngine, settings: dict[str, Any]
) -> None:
    engine = make_engine(per_message_deflate=settings, max_http_buffer_size=10_000)
    line, session = dial(engine, takeover=bool(settings))
    other, _ = dial(engine, takeover=bool(settings))
    receiver = engine.handler.receivers[0]
    line.send("4" + "x" * 9_999)
    wait_until(lambda: receiver.messages == ["x" * 9_999])
    line.send("4" + "x" * 5_000_000)
    assert line.line.wait_closed() == 1009
    line.line.ended()
    ((reason, error),) = receiver.ends
    assert reason == "transport error"
    assert isinstance(error, FrameError)
    assert session.state.name == "CLOSED"
    # A peer's mistake costs no other peer.
    other.send("4still here")
    wait_until(lambda: engine.handler.receivers[1].messages == ["still here"])


@pytest.mark.parametrize(
    "data", [frame(TEXT | RSV1, b"\xff" * 20), Compressor().frame(TEXT, b"4\xff")]
)
def test_what_cannot_be_read_closes_with_1007(make_engine: MakeEngine, data: bytes) -> None:
    engine = make_engine(per_message_deflate=True)
    line, _ = dial(engine)
    line.line.send_frames(data)
    assert line.line.wait_closed() == 1007
    line.line.ended()
    assert engine.handler.last[1].reasons == ["transport error"]


def test_the_bound_of_a_slow_client_counts_compressed_bytes(make_engine: MakeEngine) -> None:
    engine = make_engine(per_message_deflate=True, max_buffered_bytes=50_000)
    line, session = dial(engine)
    session.send_message(Message(b"x" * 400_000))
    assert line.receive() == "4" + "x" * 400_000
    gevent.sleep(0)
    assert session.ready_state == "open"


def contexts() -> int:
    gc.collect()
    return sum(isinstance(item, (DeflateTransport, OwnDeflater)) for item in gc.get_objects())


def test_the_contexts_of_a_client_go_with_it(make_engine: MakeEngine) -> None:
    engine = make_engine(per_message_deflate=TAKEOVER)
    before = contexts()
    for _ in range(5):
        line, session = dial(engine, takeover=True)
        line.send("4" + text(5000))
        session.send_message(Message(text(5000).encode()))
        line.receive()
        assert contexts() == before + 2
        line.line.leave()
        line.line.ended()
        engine.handler.sessions.clear()
        del line, session
    wait_until(lambda: contexts() <= before, "the contexts to be collected")
