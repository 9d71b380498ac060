"""A session routes packets between its transport and the layer above."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.engine.session import Session
from tests.fakes import no_sessions, settle, wait_until
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
    session.send_message(Message(b"out"))
    assert line.receive() == "4out"
    assert seen == ["4in", b"out"]


def test_drain_follows_when_everything_has_left(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    drains: list[int] = []
    session.on("drain", lambda: drains.append(session.buffered_bytes))
    session.send_message(Message(b"out"))
    assert session.buffered_bytes == 4
    line.get()
    assert drains == [0]


def test_a_websocket_is_writable_until_its_client_is_slow(engine: EngineWorld) -> None:
    engine.network.websocket()
    session, _ = engine.handler.last
    assert session.writable
    for _ in range(20):
        session.send_message(Message(b"x" * 100_000))
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


def test_a_slow_client_is_disconnected_at_the_bound(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(max_buffered_bytes=300_000)
    line = engine.network.websocket()
    session, _ = engine.handler.last
    for _ in range(20):
        session.send_message(Message(b"x" * 100_000))
    assert session.ready_state == "open"  # the emitter has gone on undisturbed
    line.ended()
    assert reason_of(engine) == "transport error"
    (line_of_log,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert re.search(
        r"closed: transport error \([\d,]{9} bytes wait, over 4 times max_buffered_bytes "
        r"\(300,000\)\)",
        line_of_log.getMessage(),
    )


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


def test_a_session_id_is_not_logged(engine: EngineWorld, caplog: pytest.LogCaptureFixture) -> None:
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
    session = Session("abc", no_sessions(), {}, 100)
    assert session.ready_state == "open"
    assert session.remote_address == ""
