"""A session that is closed while its client upgrades: nothing that was sent is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.engine.session import Session
from flask_realtime.engine.state import UpgradeState
from tests.clients import PollingLine, WebSocketLine
from tests.engine.test_upgrade import begin, probe
from tests.fakes import settle, wait_until
from tests.worlds import EngineWorld, MakeEngine, ServerWorld

Upgrading = tuple[PollingLine, WebSocketLine, Session]
STATES = pytest.mark.parametrize("start", [begin, probe], ids=["probing", "probed"])


def finish(ws: WebSocketLine, session: Session) -> None:
    """Send what is missing of the upgrade."""
    if session.upgrade_state is UpgradeState.PROBING:
        ws.send("2probe")
        assert ws.receive() == "3probe"
    ws.send("5")


@STATES
def test_the_upgrade_ends_first_and_what_is_buffered_comes_before_the_close_frame(
    engine: EngineWorld, start: Callable[[EngineWorld], Upgrading]
) -> None:
    line, ws, session = start(engine)
    session.send_message(Message(b'51-["last"]', [b"\x00\xff"]))
    session.close(code=1001)
    assert session.ready_state == "closing"
    assert engine.handler.last[1].reasons == ["forced close"]
    finish(ws, session)
    assert [ws.receive() for _ in range(2)] == ['451-["last"]', b"\x00\xff"]
    assert ws.wait_closed() == 1001
    assert session.upgraded
    ws.leave()
    ws.ended()
    assert session.ready_state == "closed"
    assert line.get().json["code"] == 1
    assert engine.handler.last[1].reasons == ["forced close"]


def test_polling_delivers_until_the_upgrade_packet(engine: EngineWorld) -> None:
    line, ws, session = probe(engine)
    session.send_message(Message(b'2["last"]'))
    session.close()
    assert line.get().packets == ['42["last"]']
    assert line.get().packets == ["6"]
    ws.send("5")
    assert ws.wait_closed() == 1005


@STATES
def test_a_client_that_never_ends_its_upgrade_gets_the_rest_by_polling(
    make_engine: MakeEngine, start: Callable[[EngineWorld], Upgrading]
) -> None:
    engine = make_engine(upgrade_timeout=2)
    line, ws, session = start(engine)
    session.send_message(Message(b'2["last"]'))
    session.close()
    engine.time.advance(1.9)
    assert session.upgrading
    engine.time.advance(0.2)
    assert ws.wait_closed() in (1005, 1006)
    ws.ended()
    assert line.get().packets == ['42["last"]']
    assert line.get().packets == ["6", "1"]
    assert session.ready_state == "closed"


@pytest.mark.parametrize("how", ["leave", "break the order"])
def test_an_upgrade_that_fails_meanwhile_leaves_the_rest_to_polling(
    engine: EngineWorld, how: str
) -> None:
    line, ws, session = probe(engine)
    get = line.start_get()
    session.close()
    if how == "leave":
        ws.leave()
    else:
        ws.send("4a")
    ws.ended()
    assert get.get(timeout=1).packets == ["6", "1"]
    assert session.ready_state == "closed"


def test_a_session_that_is_cut_meanwhile_takes_its_websocket_with_it(engine: EngineWorld) -> None:
    line, ws, session = probe(engine)
    session.close()
    session.close(flush=False)
    assert ws.wait_closed() in (1005, 1006)
    ws.ended()
    assert line.get().json["code"] == 1
    assert not session.upgrading
    assert engine.handler.last[1].reasons == ["forced close"]


def test_a_close_packet_in_a_post_ends_it_meanwhile(engine: EngineWorld) -> None:
    line, ws, session = probe(engine)
    session.close()
    line.send("1")
    ws.ended()
    assert session.ready_state == "closed"


def test_the_deadline_of_the_goodbye_holds_for_an_upgrade_as_well(make_engine: MakeEngine) -> None:
    engine = make_engine(upgrade_timeout=100)
    _, ws, session = probe(engine)
    session.close()
    engine.time.advance(31)
    ws.ended()
    assert session.ready_state == "closed"


def test_the_end_of_a_failed_upgrade_does_not_touch_the_next_one(engine: EngineWorld) -> None:
    line, ws, session = probe(engine)
    ws.send("4a")
    wait_until(lambda: not session.upgrading)
    second = engine.network.dial(line.sid)
    second.send("2probe")
    assert second.receive() == "3probe"
    ws.ended()
    assert session.upgrade_state is UpgradeState.PROBED
    second.send("5")
    wait_until(lambda: session.upgraded)


WAYS = {
    "socket.disconnect(close=True)": lambda server, socket: socket.disconnect(close=True),
    "io.disconnect_sockets(close=True)": lambda server, socket: server.io.disconnect_sockets(True),
    "socket.conn.close()": lambda server, socket: socket.conn.close(),
    "io.close()": lambda server, socket: server.io.close(),
}


@pytest.mark.parametrize("probed", [True, False], ids=["probed", "probing"])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_the_server_to_close_delivers_what_was_emitted(
    server: ServerWorld, way: str, probed: bool
) -> None:
    client = server.network.joined("polling")
    line = client.line
    assert isinstance(line, PollingLine)
    (socket,) = server.io.of("/").sockets.values()
    ws = server.network.dial(line.sid)
    settle()
    if probed:
        ws.send("2probe")
        assert ws.receive() == "3probe"
    socket.emit("last", 1)
    WAYS[way](server, socket)
    settle()
    finish(ws, socket.conn)
    assert ws.receive() == '42["last",1]'
    if "disconnect" in way:
        assert ws.receive() == "41"
    assert ws.wait_closed() in (1001, 1005)
