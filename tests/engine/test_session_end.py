"""A session ends exactly once, whichever way."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.errors import PacketError
from tests.clients import drain
from tests.fakes import settle
from tests.worlds import EngineWorld

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


def reason_of(engine: EngineWorld) -> str:
    """The reason of the last session's end, which happened exactly once."""
    session, receiver = engine.handler.last
    settle()
    assert session.ready_state == "closed"
    assert session.id not in engine.engine.clients
    (reason,) = receiver.reasons
    return reason


# --- every way to end, exactly once


@TRANSPORTS
def test_a_session_that_the_server_closes_twice_ends_once(
    engine: EngineWorld, transport: str
) -> None:
    line = engine.network.line(transport)
    session, receiver = engine.handler.last
    ends: list[Any] = []
    session.on("close", lambda *args: ends.append(args))
    session.close("first")
    session.close("second", "again")
    session.close("third", flush=False)
    session.close("fourth", flush=False)
    assert receiver.ends == [("first", None)]
    assert ends == [("first", None)]
    drain(line)
    assert reason_of(engine) == "first"


def test_fin_ends_a_websocket_session(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    line.leave()
    line.ended()
    assert reason_of(engine) == "transport close"


def test_rst_ends_a_websocket_session(engine: EngineWorld) -> None:
    line = engine.network.websocket(tcp=True)
    line.reset()
    line.ended()
    assert reason_of(engine) == "transport error"


def test_rst_with_bytes_under_way_ends_a_websocket_session_once(engine: EngineWorld) -> None:
    line = engine.network.websocket(tcp=True)
    session, _ = engine.handler.last
    line.reset()
    session.send_message(Message(b"2[]"))
    session.send_message(Message(b"2[]"))
    line.ended()
    assert reason_of(engine) == "transport error"


@TRANSPORTS
def test_a_close_packet_ends_a_session(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    line.send("1", "4after")
    assert reason_of(engine) == "transport close"
    assert engine.handler.last[1].messages == []


def test_a_close_packet_answers_the_get_under_way_with_a_noop(engine: EngineWorld) -> None:
    line = engine.network.polling()
    get = line.start_get()
    line.send("1")
    assert get.get(timeout=1).text == "6"
    assert reason_of(engine) == "transport close"


def test_two_gets_at_once_end_a_session(engine: EngineWorld) -> None:
    line = engine.network.polling()
    get = line.start_get()
    assert line.get().status == 400
    first = get.get(timeout=1)
    assert (first.status, first.text) == (200, "1")
    assert reason_of(engine) == "transport error"
    assert engine.handler.last[1].ends[0][1] == "overlap from client"


def test_a_get_that_is_abandoned_ends_a_session(engine: EngineWorld) -> None:
    line = engine.network.polling()
    get = line.start_get()
    line.abandon()
    get.get(timeout=1)
    assert reason_of(engine) == "transport error"
    assert engine.handler.last[1].ends[0][1] == "poll connection closed prematurely"


def test_polling_that_just_stops_ends_with_the_heartbeat(engine: EngineWorld) -> None:
    engine.network.polling().abandon()
    settle()
    assert engine.handler.last[1].ends == []
    engine.time.advance(45)
    assert reason_of(engine) == "ping timeout"


@TRANSPORTS
def test_a_ping_from_the_client_ends_a_session(engine: EngineWorld, transport: str) -> None:
    engine.network.line(transport).send("2")
    assert reason_of(engine) == "transport error"


@TRANSPORTS
@pytest.mark.parametrize("packet", ["7", "x", "9abc", "b!!"])
def test_a_packet_of_no_type_ends_a_session(
    engine: EngineWorld, transport: str, packet: str
) -> None:
    line = engine.network.line(transport)
    if transport == "polling":
        line.post(packet)  # type: ignore[union-attr]
    else:
        line.send(packet)
    assert reason_of(engine) == "parse error"
    assert isinstance(engine.handler.last[1].ends[0][1], PacketError)


def test_an_empty_frame_ends_a_session(engine: EngineWorld) -> None:
    engine.network.websocket().send("")
    assert reason_of(engine) == "parse error"


@TRANSPORTS
def test_open_upgrade_and_noop_packets_are_ignored(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    line.send("0", "5", "6", "4a")
    settle()
    session, receiver = engine.handler.last
    assert session.ready_state == "open"
    assert receiver.messages == ["a"]


def test_a_killed_websocket_request_ends_its_session(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    line.greenlet.kill()
    assert reason_of(engine) == "transport close"


# --- the goodbye


def test_the_server_says_goodbye_with_its_last_packets_on_polling(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    session.send_message(Message(b'2["last"]'))
    session.close()
    session.send_message(Message(b'2["too late"]'))
    assert session.ready_state == "closing"
    assert line.get().packets == ['42["last"]']
    assert line.get().packets == ["6", "1"]
    assert reason_of(engine) == "forced close"


def test_the_server_says_goodbye_with_a_close_frame(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    session, _ = engine.handler.last
    session.send_message(Message(b'2["last"]'))
    session.close(code=1001)
    assert line.receive() == '42["last"]'
    assert line.wait_closed() == 1001
    assert session.ready_state == "closing"
    line.leave()
    line.ended()
    assert reason_of(engine) == "forced close"


def test_a_websocket_client_that_does_not_answer_the_close_is_cut(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    session, _ = engine.handler.last
    session.close()
    engine.time.advance(30)
    line.ended()
    assert reason_of(engine) == "forced close"


def test_a_close_without_flush_drops_what_is_buffered(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    session.send_message(Message(b"2[]"))
    session.close(flush=False)
    assert line.get().json["code"] == 1


def test_a_session_that_is_closing_takes_no_packets(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    session, receiver = engine.handler.last
    session.close()
    line.send("4late", "3", "x")
    settle()
    assert receiver.messages == []
    assert receiver.reasons == ["forced close"]
