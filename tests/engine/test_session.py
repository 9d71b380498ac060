"""A session ends exactly once, whichever way, and routes packets until then."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.engine.session import Session
from flask_realtime.errors import PacketError
from tests.clients import Closed
from tests.fakes import settle, wait_until
from tests.worlds import EngineWorld, MakeEngine

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
    with pytest.raises(Closed):
        while True:
            line.receive()
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
    session.send(Message(b"2[]"))
    session.send(Message(b"2[]"))
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
    session.send(Message(b'2["last"]'))
    session.close()
    session.send(Message(b'2["too late"]'))
    assert session.ready_state == "closing"
    assert line.get().packets == ['42["last"]']
    assert line.get().packets == ["6", "1"]
    assert reason_of(engine) == "forced close"


def test_the_server_says_goodbye_with_a_close_frame(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    session, _ = engine.handler.last
    session.send(Message(b'2["last"]'))
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
    session.send(Message(b"2[]"))
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


# --- packets and events


@TRANSPORTS
def test_messages_arrive_in_order_with_their_type(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    line.send("4text", b"\x00\x01", "4")
    settle()
    assert engine.handler.last[1].messages == ["text", b"\x00\x01", ""]


def test_a_base64_packet_in_a_text_frame_is_a_binary_message(engine: EngineWorld) -> None:
    engine.network.websocket().send("bAAE=")
    settle()
    assert engine.handler.last[1].messages == [b"\x00\x01"]


@TRANSPORTS
def test_the_application_sees_packets_go_by(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    session, _ = engine.handler.last
    seen: list[Any] = []
    session.on("packet", lambda packet: seen.append(packet))
    session.on("packetCreate", lambda message: seen.append(message.text))
    line.send("4in")
    settle()
    session.send(Message(b"out"))
    assert line.receive() == "4out"
    assert seen == ["4in", b"out"]


def test_drain_follows_when_everything_has_left(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    drains: list[int] = []
    session.on("drain", lambda: drains.append(session.buffered_bytes))
    session.send(Message(b"out"))
    assert session.buffered_bytes == 4
    line.get()
    assert drains == [0]


def test_a_websocket_is_writable_until_its_client_is_slow(engine: EngineWorld) -> None:
    engine.network.websocket()
    session, _ = engine.handler.last
    assert session.writable
    for _ in range(20):
        session.send(Message(b"x" * 100_000))
    assert not session.writable
    assert session.buffered_bytes > 0


def test_polling_is_writable_while_a_get_waits(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    assert not session.writable
    get = line.start_get()
    settle()
    assert session.writable
    session.close()
    assert not session.writable
    get.get(timeout=1)


def test_a_slow_client_is_disconnected_at_the_bound(make_engine: MakeEngine) -> None:
    engine = make_engine(max_buffered_bytes=300_000)
    line = engine.network.websocket()
    session, _ = engine.handler.last
    for _ in range(20):
        session.send(Message(b"x" * 100_000))
    assert session.ready_state == "open"  # the emitter has gone on undisturbed
    line.ended()
    assert reason_of(engine) == "transport error"


def test_a_listener_of_the_end_that_fails_does_not_keep_the_connection(
    engine: EngineWorld, quiet_hub: Any
) -> None:
    line = engine.network.websocket()
    session, receiver = engine.handler.last

    def fail(*args: Any) -> None:
        raise KeyError("the application's mistake")

    session.on("close", fail)
    line.leave()
    wait_until(receiver.ends.__len__)
    try:
        line.ended()
        assert engine.engine.clients_count == 0
    finally:
        _forget_the_applications_mistake(quiet_hub)


def test_a_packet_listener_that_fails_does_not_lose_packets(
    engine: EngineWorld, quiet_hub: Any
) -> None:
    line = engine.network.websocket()
    session, receiver = engine.handler.last

    def fail(packet: Any) -> None:
        raise KeyError("the application's mistake")

    session.on("packet", fail)
    line.send("4a", "4b", "4c")
    settle()
    _forget_the_applications_mistake(quiet_hub)
    assert receiver.messages == ["a", "b", "c"]


def _forget_the_applications_mistake(quiet_hub: Any) -> None:
    if "the application's mistake" in quiet_hub.getvalue():
        quiet_hub.seek(0)
        quiet_hub.truncate()


# --- what applications see


def test_a_session_tells_who_it_is(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    assert (session.id, session.transport_name, session.protocol) == (line.sid, "polling", 4)
    assert session.remote_address == "127.0.0.1"
    assert session.request["PATH_INFO"] == "/socket.io/"
    assert not session.upgraded
    assert session.id[:6] in repr(session)
    assert session.id not in repr(session)  # an id is a secret: it opens the session


def test_a_session_id_is_not_logged(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        line = engine.network.polling()
        engine.network.upgrade(line).leave()
        reason_of(engine)
    assert line.sid[:6] in caplog.text
    assert line.sid not in caplog.text


def test_one_line_is_logged_at_the_beginning_and_at_the_end(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        line = engine.network.websocket()
        line.send("4a", "4b")
        line.leave()
        line.ended()
    lines = [record.getMessage() for record in caplog.records]
    short = line.sid[:6]
    assert lines == [
        f"+ session {short} opened: websocket from 127.0.0.1",
        f"- session {short} closed: transport close",
    ]


@TRANSPORTS
def test_reading_pauses_while_handlers_are_behind(engine: EngineWorld, transport: str) -> None:
    from gevent.event import Event

    line = engine.network.line(transport)
    session, receiver = engine.handler.last
    release = Event()
    session.inbox.put(release.wait, ())
    settle()
    session.inbox.put(len, ("",), 2_000_000)
    assert session.is_paused
    if transport == "polling":
        post = line.start("POST", body=b"4a")  # type: ignore[union-attr]
        settle()
        assert not post.ready()
        assert receiver.messages == ["a"]
        release.set()
        assert post.get(timeout=1).text == "ok"
    else:
        line.send("4a")
        settle()
        assert receiver.messages == []
        release.set()
        wait_until(lambda: receiver.messages == ["a"])
    assert not session.is_paused


def test_a_session_is_made_open() -> None:
    session = Session("abc", None, {}, 100)  # type: ignore[arg-type]
    assert session.ready_state == "open"
    assert session.remote_address == ""
