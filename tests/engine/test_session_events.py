"""What applications see and send on a session: its events, and messages of their own."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from flask_realtime.codec.message import Message
from flask_realtime.engine.session import Session
from tests.clients import WebSocketLine
from tests.fakes import settle
from tests.ids import case
from tests.worlds import EngineWorld, MakeEngine

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


def note(session: Session, *events: str) -> list[Any]:
    """The named events of a session from now on, with their arguments."""
    seen: list[Any] = []
    for event in events:
        session.on(event, lambda *args, event=event: seen.append((event, *map(plain, args))))
    return seen


def plain(argument: Any) -> Any:
    if isinstance(argument, list):
        return [message.text or message.attachments[0] for message in argument]
    return argument


@TRANSPORTS
def test_messages_are_told_under_both_names_before_they_are_handled(
    engine: EngineWorld, transport: str
) -> None:
    line = engine.network.line(transport)
    session, receiver = engine.handler.last
    seen = note(session, "data", "message")
    session.on("data", lambda data: seen.append(len(receiver.messages)))
    line.send("4text", b"\x01", "4")
    settle()
    assert seen == [
        ("data", "text"), 0, ("message", "text"),
        ("data", b"\x01"), 1, ("message", b"\x01"),
        ("data", ""), 2, ("message", ""),
    ]  # fmt: skip
    assert receiver.messages == ["text", b"\x01", ""]


def test_a_base64_message_is_told_as_bytes(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    seen = note(engine.handler.last[0], "packet", "message")
    line.send("bAAE=")
    settle()
    assert seen == [("packet", "bAAE="), ("message", b"\x00\x01")]


def test_control_packets_are_no_messages(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    seen = note(engine.handler.last[0], "message", "data", "heartbeat")
    line.send("3", "6")
    settle()
    assert seen == [("heartbeat",)]


def test_the_heartbeat_of_protocol_3_is_a_ping(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True)
    line = WebSocketLine(engine.network, "EIO=3&transport=websocket").open()
    seen = note(engine.handler.last[0], "heartbeat")
    line.send("2")
    assert line.receive() == "3"
    assert seen == [("heartbeat",)]


@TRANSPORTS
def test_no_heartbeat_is_told_for_a_broken_one(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    session, _ = engine.handler.last
    seen = note(session, "heartbeat", "close")
    line.send("2")
    settle()
    assert [event for event, *_ in seen] == ["close"]


def test_what_the_kernel_takes_at_once_is_flushed_and_drained_at_once(
    engine: EngineWorld,
) -> None:
    engine.network.websocket()
    session, _ = engine.handler.last
    seen = note(session, "packetCreate", "flush", "drain")
    for data in ("a", b"b"):
        session.send(data)
        gevent.sleep(0.001)  # a turn of its own
    assert [event for event, *_ in seen] == ["packetCreate", "flush", "drain"] * 2
    assert [args for event, *args in seen if event == "flush"] == [[[b"a"]], [[b"b"]]]


def test_what_leaves_together_in_one_turn_is_flushed_together(engine: EngineWorld) -> None:
    engine.network.websocket()
    session, _ = engine.handler.last
    settle()
    seen = note(session, "flush", "drain")
    for data in ("a", "b", "c"):
        session.send(data)
    settle()
    assert seen == [("flush", [b"a"]), ("drain",), ("flush", [b"b", b"c"]), ("drain",)]


def test_what_a_slow_client_takes_later_is_flushed_together(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    session, _ = engine.handler.last
    while session.writable:
        session.send_message(Message(b"x" * 100_000))
    seen = note(session, "flush", "drain")
    session.send("a")
    session.send("b")
    assert seen == []
    while line.receive() != "4b":
        pass
    settle()
    assert seen == [("flush", [b"a", b"b"]), ("drain",)]


def test_what_a_get_takes_is_flushed_together(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    seen = note(session, "flush", "drain")
    session.send("a")
    session.send("b")
    assert seen == []
    assert line.get().packets == ["4a", "4b"]
    assert seen == [("flush", [b"a", b"b"]), ("drain",)]


def test_a_get_that_waits_takes_the_message_at_once(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    get = line.start_get()
    settle()
    seen = note(session, "flush", "drain")
    session.send("a")
    assert get.get(timeout=1).text == "4a"
    assert seen == [("flush", [b"a"]), ("drain",)]


def test_drain_also_tells_of_what_was_sent_before_anybody_listened(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    session.send("a")
    seen = note(session, "flush", "drain")
    line.get()
    assert seen == [("drain",)]


def test_messages_that_nobody_waits_for_any_more_are_not_kept(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    note(session, "flush")
    session.send("a")
    session.remove_all_listeners()
    line.get()
    seen = note(session, "flush")
    session.send("b")
    line.get()
    assert seen == [("flush", [b"b"])]


def test_a_websocket_that_is_broken_takes_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(max_buffered_bytes=1000)
    engine.network.websocket()
    session, _ = engine.handler.last
    seen = note(session, "flush", "drain")
    session.send_message(Message(b"x" * 5_000_000))
    assert not session.writable
    session.send("a")
    assert seen == []


def test_an_upgrade_is_told_in_its_steps(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    seen: list[Any] = []
    session.on("upgrading", lambda transport: seen.append(("upgrading", transport.name)))
    session.on("upgrade", lambda transport: seen.append(("upgrade", transport.name)))
    session.on("flush", lambda messages: seen.append("flush"))
    session.on("drain", lambda: seen.append("drain"))
    states = [(session.upgrading, session.upgraded)]
    ws = engine.network.dial(line.sid)
    settle()
    states.append((session.upgrading, session.upgraded))
    assert seen == []
    ws.send("2probe")
    assert ws.receive() == "3probe"
    assert seen == [("upgrading", "websocket")]
    session.send("waits for a poll")
    ws.send("5")
    assert ws.receive() == "4waits for a poll"
    states.append((session.upgrading, session.upgraded))
    assert seen[1:] == [("upgrade", "websocket"), "flush", "drain"]
    assert states == [(False, False), (True, False), (False, True)]


def test_an_upgrade_that_is_given_up_is_no_upgrade(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, _ = engine.handler.last
    session.on("upgrading", lambda transport: session.close(flush=False))
    ws = engine.network.dial(line.sid)
    ws.send("2probe")
    ws.ended()
    assert (session.ready_state, session.upgrading, session.upgraded) == ("closed", False, False)


# --- messages of the application


@TRANSPORTS
@pytest.mark.parametrize("name", ["send", "write"])
def test_text_and_bytes_are_sent_as_they_are(
    engine: EngineWorld, transport: str, name: str
) -> None:
    line = engine.network.line(transport)
    session, _ = engine.handler.last
    send = getattr(session, name)
    for data in ("é", "", b"\x00\xff", bytearray(b"a"), memoryview(b"b")):
        send(data)
    found = [line.receive() for _ in range(5)]
    assert found == ["4é", "4", b"\x00\xff", b"a", b"b"]
    assert engine.engine.stats()["messages_out"] == 5


def test_a_message_may_be_kept_from_compression(engine: EngineWorld) -> None:
    engine.network.polling()
    session, _ = engine.handler.last
    found: list[bool] = []
    session.on("packetCreate", lambda message: found.append(message.compress))
    session.send("a")
    session.send("b", compress=False)
    session.send(b"c", compress=False)
    assert found == [True, False, False]


@pytest.mark.parametrize("data", [None, 5, ["a"], Message(b"a")], ids=case)
def test_anything_else_is_no_message(engine: EngineWorld, data: Any) -> None:
    engine.network.polling()
    with pytest.raises(TypeError, match="a message is str or bytes, not"):
        engine.handler.last[0].send(data)


def test_a_session_that_is_over_drops_messages(engine: EngineWorld) -> None:
    engine.network.polling()
    session, _ = engine.handler.last
    session.close(flush=False)
    session.send("a")
    assert session.buffered_bytes < 200
    assert engine.engine.stats()["messages_out"] == 0
