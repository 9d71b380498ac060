"""Sessions of Engine.IO protocol 3 beside those of protocol 4."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from flask_realtime.codec.message import Message
from flask_realtime.testing.frames import BINARY, TEXT
from tests.clients import Closed
from tests.fakes import settle, wait_until
from tests.old_clients import (
    OldPollingLine,
    OldWebSocketLine,
    old_line,
    old_polling,
    old_upgrade,
    old_websocket,
    packets_of,
)
from tests.worlds import EngineWorld, MakeEngine

INTERVAL, TIMEOUT = 25, 20
BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])
BLOB = bytes(range(256))


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineWorld:
    return make_engine(allow_eio3=True)


# --- the handshake -------------------------------------------------------------


@pytest.mark.parametrize("query", ["EIO=3", "EIO=2", "EIO=5", "EIO=", "other=1"])
@BOTH
def test_other_protocols_than_4_are_refused_by_default(
    make_engine: MakeEngine, query: str, transport: str
) -> None:
    engine = make_engine()
    network = engine.network
    text = f"{query}&transport={transport}"
    line = OldWebSocketLine(network, f"&{query}") if transport == "websocket" else None
    if line is not None:
        line.greenlet.get(timeout=5)
    answer = network.request("GET", text) if line is None else line.answer
    assert (answer.status, answer.json["code"]) == (400, 5)
    assert engine.engine.clients_count == 0


@pytest.mark.parametrize("query", ["EIO=3", "EIO=2", "EIO=", "other=1"])
def test_everything_but_4_counts_as_3_when_that_is_allowed(engine: EngineWorld, query: str) -> None:
    answer = engine.network.request("GET", f"{query}&transport=polling")
    assert packets_of(answer)[0][:2] == "0{"
    assert engine.handler.last[0].protocol == 3


def test_protocol_4_is_as_ever(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session = engine.handler.last[0]
    assert session.protocol == 4
    session.send_message(Message(b"51-[]", [b"\x01\x02\x03"]))
    assert line.get().packets == ["451-[]", "bAQID"]
    engine.time.advance(INTERVAL)
    assert line.get().text == "2"


def test_the_handshake_of_polling_is_a_payload_with_a_length(engine: EngineWorld) -> None:
    line = OldPollingLine(engine.network)
    answer = line.open()
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    length, _, packet = answer.text.partition(":")
    assert int(length) == len(packet)
    assert line.handshake == {
        "sid": engine.handler.last[0].id,
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1_000_000,
    }


def test_jsonp_is_refused(engine: EngineWorld) -> None:
    seen: list[Any] = []
    engine.engine.on("connection_error", seen.append)
    answer = engine.network.request("GET", "EIO=3&transport=polling&j=0")
    assert (answer.status, answer.json) == (400, {"code": 0, "message": "Transport unknown"})
    assert seen[0].context == {"transport": "polling-jsonp"}
    assert engine.network.request("GET", "EIO=4&transport=polling&j=0").status == 200


def test_the_initial_packet_follows_the_handshake(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True, initial_packet=b"\x01\x02")
    line = OldPollingLine(engine.network)
    answer = line.open()
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert packets_of(answer)[1] == b"\x01\x02"
    assert old_websocket(engine.network).receive() == b"\x01\x02"


@pytest.mark.parametrize(("mine", "other"), [("3", "4"), ("4", "3")])
def test_a_session_stays_with_its_protocol(engine: EngineWorld, mine: str, other: str) -> None:
    line = engine.network.polling() if mine == "4" else old_polling(engine.network)
    seen: list[Any] = []
    engine.engine.on("connection_error", seen.append)
    query = f"EIO={other}&transport=polling&sid={line.sid}"
    answer = engine.network.request("POST", query, body=b"4a")
    assert (answer.status, answer.json) == (400, {"code": 3, "message": "Bad request"})
    assert seen[0].context == {
        "name": "PROTOCOL_MISMATCH",
        "protocol": int(other),
        "previousProtocol": int(mine),
    }
    assert engine.handler.last[1].messages == []
    assert engine.handler.last[0].ready_state == "open"


# --- messages --------------------------------------------------------------------


@BOTH
def test_messages_go_both_ways(engine: EngineWorld, transport: str) -> None:
    line = old_line(engine.network, transport)
    session, receiver = engine.handler.last
    line.send("4a", BLOB, "4\U0001f600")
    wait_until(lambda: len(receiver.messages) == 3)
    assert receiver.messages == ["a", BLOB, "\U0001f600"]
    session.send_message(Message("2\U0001f600".encode()))
    session.send_message(Message(b"52-[]", [BLOB, b""]))
    assert [line.receive() for _ in range(4)] == ["42\U0001f600", "452-[]", BLOB, b""]


def test_a_response_is_binary_only_when_it_has_to_be(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    session = engine.handler.last[0]
    session.send_message(Message(b"2[]"))
    answer = line.get()
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.body == b"4:42[]"
    session.send_message(Message(b"2[]"))
    session.send_message(Message(None, [b"\x09"]))
    answer = line.get()
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.body == b"\x00\x04\xff42[]\x01\x02\xff\x04\x09"


def test_who_asks_for_base64_gets_it(engine: EngineWorld) -> None:
    line = old_polling(engine.network, "&b64=1")
    session, receiver = engine.handler.last
    session.send_message(Message(b"51-[]", [b"\x01\x02\x03"]))
    answer = line.get()
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.body == b"6:451-[]6:b4AQID"
    line.send(BLOB)
    assert receiver.messages == [BLOB]
    ws = old_websocket(engine.network, "&b64=1")
    engine.handler.last[0].send_message(Message(b"51-[]", [b"\x01\x02\x03"]))
    assert [ws.receive_frame() for _ in range(2)] == [(TEXT, b"451-[]"), (TEXT, b"b4AQID")]


def test_a_broadcast_is_encoded_once_for_all_of_a_protocol(engine: EngineWorld) -> None:
    lines = [old_websocket(engine.network) for _ in range(2)]
    olds = engine.handler.sessions[:]
    line = engine.network.websocket()
    message = Message(b"51-[]", [b"\x01"])
    engine.handler.last[0].send_message(message)
    for session in olds:
        session.send_message(message)
    assert message.revision3().framed is not None
    assert message.revision3() is message.revision3()
    for old in lines:
        assert [old.receive_frame() for _ in range(2)] == [(TEXT, b"451-[]"), (BINARY, b"\x04\x01")]
    assert [line.receive(), line.receive()] == ["451-[]", b"\x01"]


def test_large_responses_are_compressed(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    engine.handler.last[0].send_message(Message(b"2" + b"x" * 5000))
    answer = line.request("GET", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"


def test_a_body_above_the_limit_gets_413(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True, max_http_buffer_size=100)
    line = old_polling(engine.network)
    assert line.post("4" + "x" * 100).status == 413
    assert line.post(b"x" * 100).status == 413
    assert engine.handler.last[1].messages == []


# --- the heartbeat ---------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("ping", ["2", "2probe"])
def test_a_ping_is_answered(engine: EngineWorld, transport: str, ping: str) -> None:
    line = old_line(engine.network, transport)
    line.send(ping)
    assert line.receive() == "3"


@BOTH
def test_the_server_does_not_ping(engine: EngineWorld, transport: str) -> None:
    line = old_line(engine.network, transport)
    engine.time.advance(INTERVAL + TIMEOUT - 1)
    engine.handler.last[0].send_message(Message(b"first"))
    assert line.receive() == "4first"


@BOTH
def test_pings_keep_a_session_alive(engine: EngineWorld, transport: str) -> None:
    line = old_line(engine.network, transport)
    for _ in range(5):
        engine.time.advance(INTERVAL + TIMEOUT - 0.01)
        line.send("2")
        assert line.receive() == "3"
    assert engine.handler.last[1].ends == []


@BOTH
def test_silence_ends_a_session_once(engine: EngineWorld, transport: str) -> None:
    line = old_line(engine.network, transport)
    session, receiver = engine.handler.last
    line.send("4other packets do not count")
    settle()
    engine.time.advance(INTERVAL + TIMEOUT - 0.01)
    assert receiver.ends == []
    engine.time.advance(0.01)
    assert receiver.reasons == ["ping timeout"]
    assert session.ready_state == "closed"
    assert engine.engine.clients_count == 0
    engine.time.advance(1000)
    assert receiver.reasons == ["ping timeout"]


@BOTH
def test_a_pong_has_the_wrong_direction(engine: EngineWorld, transport: str) -> None:
    line = old_line(engine.network, transport)
    line.send("3")
    wait_until(lambda: engine.handler.last[1].ends)
    assert engine.handler.last[1].ends == [("transport error", "invalid heartbeat direction")]


def test_the_heartbeat_goes_on_after_an_upgrade(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    engine.time.advance(INTERVAL)
    ws = old_upgrade(engine.network, line)
    settle()
    ws.send("2")
    assert ws.receive() == "3"
    engine.time.advance(INTERVAL + TIMEOUT)
    assert engine.handler.last[1].reasons == ["ping timeout"]


def test_who_waits_for_slow_handlers_is_not_silent(engine: EngineWorld) -> None:
    line = old_websocket(engine.network)
    session, receiver = engine.handler.last
    session.inbox.put(gevent.sleep, (0.05,), 2_000_000)
    session.inbox.put(int, (), 2_000_000)
    assert session.is_paused
    line.send("2")
    engine.time.advance(INTERVAL + TIMEOUT)
    assert receiver.ends == []
    wait_until(lambda: not session.is_paused)
    assert line.receive() == "3"


def test_a_session_that_says_goodbye_has_its_time_for_that(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True, ping_interval=1, ping_timeout=1)
    line = old_polling(engine.network)
    engine.handler.last[0].close()
    engine.time.advance(5)
    assert line.get().body == b"1:61:1"
    assert engine.handler.last[1].reasons == ["forced close"]


# --- the upgrade -----------------------------------------------------------------


def test_what_polling_has_not_delivered_follows_on_the_websocket(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    session = engine.handler.last[0]
    ws = OldWebSocketLine(engine.network, f"&sid={line.sid}")
    ws.send("2probe")
    assert ws.receive() == "3probe"
    session.send_message(Message(b"51-[]", [BLOB]))
    ws.send("5")
    session.send_message(Message(b"2[]"))
    assert [ws.receive() for _ in range(3)] == ["451-[]", BLOB, "42[]"]
    assert session.upgraded
    assert session.transport_name == "websocket"


@pytest.mark.parametrize(("before", "after"), [("&b64=1", ""), ("", "&b64=1")])
def test_the_websocket_of_an_upgrade_has_its_own_way_with_binary(
    engine: EngineWorld, before: str, after: str
) -> None:
    line = old_polling(engine.network, before)
    session, receiver = engine.handler.last
    session.send_message(Message(None, [b"\x01\x02\x03"]))
    ws = old_upgrade(engine.network, line, after)
    expected = (TEXT, b"b4AQID") if after else (BINARY, b"\x04\x01\x02\x03")
    assert ws.receive_frame() == expected
    session.send_message(Message(None, [b"\x01\x02\x03"]))
    assert ws.receive_frame() == expected
    ws.send(b"\x02")
    wait_until(lambda: receiver.messages)
    assert receiver.messages == [b"\x02"]


def test_the_get_of_an_upgrade_is_answered_with_a_noop(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    get = line.start_get()
    old_upgrade(engine.network, line)
    assert get.get(timeout=5).body == b"1:6"


def test_bad_input_on_the_new_websocket_leaves_the_session_on_polling(
    engine: EngineWorld,
) -> None:
    line = old_polling(engine.network)
    session, receiver = engine.handler.last
    ws = OldWebSocketLine(engine.network, f"&sid={line.sid}")
    ws.send_frames(b"\x82\x81\x00\x00\x00\x00\x07")  # a binary packet of an unknown type
    with pytest.raises(Closed):
        ws.receive()
    ws.ended()
    assert receiver.ends == []
    line.send("4still here")
    assert receiver.messages == ["still here"]
    old_upgrade(engine.network, line)
    wait_until(lambda: session.upgraded)


# --- the end ---------------------------------------------------------------------


@BOTH
def test_the_server_says_goodbye(engine: EngineWorld, transport: str) -> None:
    line = old_line(engine.network, transport)
    session, receiver = engine.handler.last
    session.send_message(Message(b"last"))
    session.close()
    assert line.receive() == "4last"
    if isinstance(line, OldPollingLine):
        assert line.get().body == b"1:61:1"
    else:
        with pytest.raises(Closed):
            line.receive()
    assert receiver.reasons == ["forced close"]


def test_a_polling_client_says_goodbye(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    get = line.start_get()
    line.leave()
    assert get.get(timeout=5).body == b"1:6"
    assert engine.handler.last[1].reasons == ["transport close"]


def test_the_get_under_way_hears_of_the_end(engine: EngineWorld) -> None:
    line = old_polling(engine.network)
    get = line.start_get()
    engine.time.advance(INTERVAL + TIMEOUT)
    assert get.get(timeout=5).body == b"1:1"


# --- bad input -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "is_binary"),
    [
        (b"", False),
        (b"4a", False),
        (b"9:4a", False),
        (b"9999999999:4a", False),
        (b"9" * 50_000 + b":4a", False),
        (b"2:7a", False),
        (b"6:b2AQID", False),
        (b"2:4\xff", False),
        (b"", True),
        (b"2:4a", True),
        (b"\x00\x09\xff4a", True),
        (b"\x00" + b"\x09" * 50_000 + b"\xff4a", True),
        (b"\x01\x02\xff\x07a", True),
        (b"\x01", True),
    ],
)
def test_a_broken_payload_gets_400_and_ends_the_session(
    engine: EngineWorld, body: bytes, is_binary: bool
) -> None:
    line = old_polling(engine.network)
    get = line.start_get()
    assert line.post_body(body, is_binary).status == 400
    assert get.get(timeout=5).body == b"1:1"
    assert engine.handler.last[1].reasons == ["parse error"]
    assert line.get().json == {"code": 1, "message": "Session ID unknown"}


@pytest.mark.parametrize("packet", ["", "7", "x", "b", "b2AQID", "b4AQI"])
def test_a_broken_frame_ends_the_session(engine: EngineWorld, packet: str) -> None:
    line = old_websocket(engine.network)
    line.send("4before", packet, "4after")
    line.ended()
    assert engine.handler.last[1].messages == ["before"]
    assert engine.handler.last[1].reasons == ["parse error"]


def test_a_binary_frame_without_a_type_ends_the_session(engine: EngineWorld) -> None:
    line = old_websocket(engine.network)
    line.send_frames(b"\x82\x80\x00\x00\x00\x00")
    line.ended()
    assert engine.handler.last[1].reasons == ["parse error"]


def test_a_frame_above_the_limit_ends_the_session(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True, max_http_buffer_size=100)
    line = old_websocket(engine.network)
    line.send(b"x" * 100)
    assert line.wait_closed() == 1009
    line.ended()
    assert engine.handler.last[1].reasons == ["transport error"]


def test_who_does_not_read_is_disconnected(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True, max_buffered_bytes=1000)
    old_polling(engine.network)
    session, receiver = engine.handler.last
    for _ in range(11):
        session.send_message(Message(None, [b"x" * 400]))
    settle()
    assert receiver.reasons == ["transport error"]
