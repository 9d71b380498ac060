"""From polling to WebSocket, step by step."""

from __future__ import annotations

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.engine.session import Session
from flask_realtime.engine.state import UpgradeState
from tests.clients import Closed, PollingLine, WebSocketLine
from tests.fakes import deadline, settle, wait_until
from tests.worlds import EngineWorld, MakeEngine


def begin(engine: EngineWorld) -> tuple[PollingLine, WebSocketLine, Session]:
    """A polling session with a WebSocket that has not probed yet."""
    line = engine.network.polling()
    ws = engine.network.dial(line.sid)
    settle()
    assert ws.answer.status == 101
    return line, ws, engine.handler.last[0]


def probe(engine: EngineWorld) -> tuple[PollingLine, WebSocketLine, Session]:
    line, ws, session = begin(engine)
    ws.send("2probe")
    assert ws.receive() == "3probe"
    return line, ws, session


def still_polls(line: PollingLine, session: Session) -> None:
    """The session has stayed on polling and works in both directions."""
    assert session.ready_state == "open"
    assert session.transport_name == "polling"
    assert session.upgrade_state is UpgradeState.NONE
    session.send_message(Message(b"out"))
    assert line.get().text == "4out"
    assert line.post("4in").text == "ok"


def test_a_session_moves_to_the_websocket(engine: EngineWorld) -> None:
    _, ws, session = probe(engine)
    seen: list[str] = []
    session.on("upgrade", lambda transport: seen.append(transport.name))
    ws.send("5", "4in")
    settle()
    assert seen == ["websocket"]
    assert (session.transport_name, session.upgraded) == ("websocket", True)
    session.send_message(Message(b"out"))
    assert ws.receive() == "4out"
    assert engine.handler.last[1].messages == ["in"]
    assert engine.engine.clients_count == 1


def test_polling_goes_on_until_the_upgrade_packet(engine: EngineWorld) -> None:
    line, ws, session = begin(engine)
    session.send_message(Message(b"before the probe"))
    assert line.get().text == "4before the probe"
    ws.send("2probe")
    assert ws.receive() == "3probe"
    session.send_message(Message(b"after the probe"))
    assert line.get().text == "4after the probe"
    assert line.post("4in").text == "ok"
    ws.send("5")
    session.send_message(Message(b"on the websocket"))
    settle()
    assert ws.receive() == "4on the websocket"


def test_what_polling_has_not_delivered_follows_on_the_websocket(engine: EngineWorld) -> None:
    _, ws, session = probe(engine)
    session.send_message(Message(b"51-[]", [b"\x00\xff"]))
    session.send_message(Message(b"2[]"))
    ws.send("5")
    assert [ws.receive() for _ in range(3)] == ["451-[]", b"\x00\xff", "42[]"]


def test_a_get_under_way_is_answered_when_the_probe_arrives(engine: EngineWorld) -> None:
    line, ws, _ = begin(engine)
    get = line.start_get()
    settle()
    assert not get.ready()
    ws.send("2probe")
    assert get.get(timeout=1).text == "6"


def test_a_get_after_the_probe_is_answered_soon(engine: EngineWorld) -> None:
    line, _, _ = probe(engine)
    assert line.get().text == "6"
    assert line.get().text == "6"


def test_an_idle_websocket_does_not_make_the_client_spin(engine: EngineWorld) -> None:
    line, _, session = begin(engine)
    get = line.start_get()
    settle()
    assert not get.ready()
    session.send_message(Message(b"out"))
    assert get.get(timeout=1).text == "4out"


def test_a_get_under_way_is_answered_when_the_upgrade_is_done(engine: EngineWorld) -> None:
    line, ws, _ = probe(engine)
    get = line.start_get()
    ws.send("5")
    assert get.get(timeout=1).text == "6"


def test_polling_is_refused_after_the_upgrade(engine: EngineWorld) -> None:
    line = engine.network.polling()
    engine.network.upgrade(line)
    settle()
    errors: list[object] = []
    engine.engine.on("connection_error", lambda error: errors.append(error.context))
    assert line.get().json == {"code": 3, "message": "Bad request"}
    assert line.post("4a").status == 400
    expected = {
        "name": "TRANSPORT_MISMATCH",
        "transport": "polling",
        "previousTransport": "websocket",
    }
    assert errors == [expected, expected]
    assert engine.handler.last[0].ready_state == "open"


@pytest.mark.parametrize(
    "packets",
    [("4a",), ("5",), ("3probe",), ("2",), ("2prob",), (b"2probe",), ("2probe", "4a"),
     ("2probe", "2probe"), ("2probe", "6"), ("",)],
    ids=repr,
)  # fmt: skip
def test_a_client_that_breaks_the_order_stays_on_polling(
    engine: EngineWorld, packets: tuple[str | bytes, ...]
) -> None:
    line, ws, session = begin(engine)
    ws.send(*packets)
    assert ws.wait_closed() in (1005, 1006)
    ws.ended()
    still_polls(line, session)
    assert engine.handler.last[1].messages == ["in"]


@pytest.mark.parametrize("probed", [False, True])
@pytest.mark.parametrize("how", ["fin", "rst", "close frame", "broken frame"])
def test_a_websocket_that_is_lost_before_the_upgrade_leaves_polling_alone(
    engine: EngineWorld, how: str, probed: bool
) -> None:
    line = engine.network.polling()
    ws = engine.network.dial(line.sid, tcp=True)
    session = engine.handler.last[0]
    settle()
    if probed:
        ws.send("2probe")
        assert ws.receive() == "3probe"
    if how == "fin":
        ws.leave()
    elif how == "rst":
        ws.reset()
    else:
        ws.send_frames(b"\x88\x80abcd" if how == "close frame" else b"\xf1\x80abcd")
    ws.ended()
    still_polls(line, session)


def test_the_log_says_what_was_wrong_with_a_websocket_that_failed_to_take_over(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    _, ws, _ = begin(engine)
    with caplog.at_level("DEBUG", "flask_realtime"):
        ws.send_frames(b"\xf1\x80abcd")
        ws.ended()
    (line,) = [text for text in caplog.messages if "failed" in text]
    assert line.endswith("failed: transport error (a reserved bit is set)")


def test_an_upgrade_may_be_tried_again(engine: EngineWorld) -> None:
    line, ws, session = probe(engine)
    ws.leave()
    ws.ended()
    ws = engine.network.upgrade(line)
    settle()
    assert session.upgraded
    session.send_message(Message(b"out"))
    assert ws.receive() == "4out"


def test_an_upgrade_that_takes_too_long_is_given_up(engine: EngineWorld) -> None:
    line, ws, session = begin(engine)
    engine.time.advance(9.9)
    ws.send("2probe")
    assert ws.receive() == "3probe"
    engine.time.advance(0.2)
    assert ws.wait_closed() in (1005, 1006)
    ws.ended()
    still_polls(line, session)


def test_the_deadline_of_upgrades_is_an_option(make_engine: MakeEngine) -> None:
    engine = make_engine(upgrade_timeout=2)
    _, ws, _ = begin(engine)
    engine.time.advance(2)
    ws.ended()


def test_an_upgrade_in_time_has_no_deadline_afterwards(engine: EngineWorld) -> None:
    _, ws, session = probe(engine)
    ws.send("5")
    settle()
    engine.time.advance(11)
    session.send_message(Message(b"out"))
    assert ws.receive() == "4out"


@pytest.mark.parametrize("state", ["probing", "probed", "done"])
def test_a_second_websocket_gets_no_answer_but_the_end(engine: EngineWorld, state: str) -> None:
    line, ws, session = begin(engine)
    if state != "probing":
        ws.send("2probe")
        assert ws.receive() == "3probe"
    if state == "done":
        ws.send("5")
        settle()
    second = engine.network.dial(line.sid)
    with pytest.raises(Closed):
        second.receive()
    second.ended()
    assert second.answer.status == 101
    assert session.ready_state == "open"
    if state == "probing":
        ws.send("2probe")
        assert ws.receive() == "3probe"
    if state != "done":
        ws.send("5")
        settle()
    session.send_message(Message(b"out"))
    assert ws.receive() == "4out"


def test_an_upgrade_request_for_the_polling_transport_gets_no_answer(engine: EngineWorld) -> None:
    line = engine.network.polling()
    ws = WebSocketLine(engine.network, f"EIO=4&transport=polling&sid={line.sid}")
    assert ws.wait_closed() in (1005, 1006)
    still_polls(line, engine.handler.last[0])


@pytest.mark.parametrize("probed", [True, False])
def test_a_session_that_ends_takes_its_probe_with_it(engine: EngineWorld, probed: bool) -> None:
    _, ws, session = probe(engine) if probed else begin(engine)
    session.close(flush=False)
    assert ws.wait_closed() in (1005, 1006)
    ws.ended()
    assert engine.engine.clients_count == 0
    assert engine.handler.last[1].reasons == ["forced close"]


def test_an_upgrade_packet_for_a_session_that_is_over_changes_nothing(
    engine: EngineWorld,
) -> None:
    line, ws, session = probe(engine)
    ws.send("5")  # not read yet when the session ends
    session.close(flush=False)
    ws.ended()
    assert not session.upgraded
    assert line.get().json["code"] == 1


def test_an_upgraded_session_ends_once_with_its_websocket(engine: EngineWorld) -> None:
    line = engine.network.polling()
    ws = engine.network.upgrade(line)
    settle()
    ws.leave()
    ws.ended()
    assert engine.handler.last[1].reasons == ["transport close"]
    assert engine.engine.clients_count == 0


def test_the_server_closes_an_upgraded_session_like_any_other(engine: EngineWorld) -> None:
    _, ws, session = probe(engine)
    ws.send("5")
    wait_until(lambda: session.upgraded)
    assert not session.listeners("close")
    session.close(code=1001)
    assert ws.wait_closed() == 1001
    ws.leave()
    wait_until(lambda: session.ready_state == "closed")


def test_packets_in_one_segment_with_the_upgrade_are_kept(engine: EngineWorld) -> None:
    _, ws, _ = begin(engine)
    ws.send("2probe", "5", "4a", "4b")
    assert ws.receive() == "3probe"
    wait_until(lambda: engine.handler.last[1].messages == ["a", "b"])


def test_what_the_host_had_read_belongs_to_the_probe(engine: EngineWorld) -> None:
    from flask_realtime.testing.frames import text_frame

    line = engine.network.polling()
    engine.host.leftover = text_frame("2probe") + text_frame("5") + text_frame("4a")
    ws = engine.network.dial(line.sid)
    assert ws.receive() == "3probe"
    wait_until(lambda: engine.handler.last[1].messages == ["a"])
    assert engine.handler.last[0].upgraded


def test_a_session_whose_reading_is_paused_stays_paused_on_the_websocket(
    engine: EngineWorld,
) -> None:
    from gevent.event import Event

    _, ws, session = probe(engine)
    release = Event()
    session.inbox.put(release.wait, ())
    settle()
    session.inbox.put(len, ("",), 2_000_000)
    ws.send("5")
    settle()
    ws.send("4a")
    settle()
    assert engine.handler.last[1].messages == []
    release.set()
    wait_until(lambda: engine.handler.last[1].messages == ["a"])


def test_a_handler_that_blocks_during_the_upgrade_keeps_the_order(engine: EngineWorld) -> None:
    from gevent.event import Event

    line, ws, session = probe(engine)
    release, ran = Event(), []  # type: ignore[var-annotated]
    session.inbox.put(release.wait, ())
    session.inbox.put(ran.append, ("polling",))
    settle()
    ws.send("5")
    settle()
    session.inbox.put(ran.append, ("websocket",))
    settle()
    assert ran == []
    release.set()
    with deadline():
        wait_until(lambda: ran == ["polling", "websocket"])
    assert line.sid == session.id


def test_no_upgrade_is_offered_where_it_cannot_happen(make_engine: MakeEngine) -> None:
    assert make_engine().network.polling().handshake["upgrades"] == ["websocket"]
    assert make_engine(allow_upgrades=False).network.polling().handshake["upgrades"] == []
    assert make_engine(transports=["polling"]).network.polling().handshake["upgrades"] == []
    assert make_engine().network.websocket().handshake["upgrades"] == []
