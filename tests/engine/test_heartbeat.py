"""Who does not answer a ping in time is gone."""

from __future__ import annotations

import gevent
import pytest

from tests.clients import Closed
from tests.fakes import settle
from tests.worlds import EngineWorld, MakeEngine

INTERVAL, TIMEOUT = 25, 20


def test_a_ping_follows_the_interval(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    engine.time.advance(INTERVAL - 0.01)
    line.send("4x")  # other packets do not count
    settle()
    engine.time.advance(0.01)
    assert line.receive() == "2"


def test_a_ping_on_polling_waits_for_the_next_get(engine: EngineWorld) -> None:
    line = engine.network.polling()
    engine.time.advance(INTERVAL)
    assert line.get().text == "2"


def test_a_ping_answers_the_get_under_way(engine: EngineWorld) -> None:
    line = engine.network.polling()
    get = line.start_get()
    engine.time.advance(INTERVAL)
    assert get.get(timeout=1).text == "2"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_silence_after_a_ping_ends_the_session_once(engine: EngineWorld, transport: str) -> None:
    engine.network.line(transport)
    session, receiver = engine.handler.last
    engine.time.advance(INTERVAL + TIMEOUT - 0.01)
    assert receiver.ends == []
    engine.time.advance(0.01)
    assert receiver.reasons == ["ping timeout"]
    assert session.ready_state == "closed"
    assert engine.engine.clients_count == 0
    engine.time.advance(1000)
    assert receiver.reasons == ["ping timeout"]


def test_the_get_under_way_hears_of_a_ping_timeout(engine: EngineWorld) -> None:
    line = engine.network.polling()
    engine.time.advance(INTERVAL)
    assert line.get().text == "2"
    get = line.start_get()
    engine.time.advance(TIMEOUT)
    assert get.get(timeout=1).text == "1"
    assert line.get().json == {"code": 1, "message": "Session ID unknown"}


def test_the_websocket_is_closed_at_a_ping_timeout(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    engine.time.advance(INTERVAL + TIMEOUT)
    assert line.receive() == "2"
    with pytest.raises(Closed):
        line.receive()
    line.ended()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_each_pong_starts_the_interval_anew(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    for _ in range(5):
        engine.time.advance(INTERVAL + TIMEOUT - 1)
        assert line.receive() == "2"
        line.send("3")
        settle()
    _, receiver = engine.handler.last
    assert receiver.ends == []


def test_an_unsolicited_pong_starts_the_interval_anew(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    for _ in range(4):
        engine.time.advance(INTERVAL - 1)
        line.send("3")
        settle()
    line.send("4still here")
    settle()
    session, receiver = engine.handler.last
    session.transport.send_control("6")
    assert line.receive() == "6"  # and no ping before it
    engine.time.advance(INTERVAL)
    assert line.receive() == "2"
    assert receiver.messages == ["still here"]


def test_many_pongs_start_no_greenlets(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    before = _greenlets()
    for _ in range(10):
        line.send(*["3"] * 1000)
        settle()
    assert _greenlets() <= before


def _greenlets() -> int:
    import gc

    gc.collect()
    return sum(isinstance(item, gevent.Greenlet) for item in gc.get_objects())


def test_a_hub_that_stood_still_gives_clients_more_time(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    engine.time.advance(INTERVAL)
    line.send("3")  # unread while the hub is blocked
    engine.time.stall(TIMEOUT + 5)
    _, receiver = engine.handler.last
    assert receiver.ends == []
    assert engine.scheduler.lag == pytest.approx(5)
    engine.time.advance(INTERVAL + TIMEOUT - 1)
    assert receiver.ends == []
    engine.time.advance(1 + 5)
    assert receiver.reasons == ["ping timeout"]


def test_a_session_whose_handlers_are_behind_is_not_cut(make_engine: MakeEngine) -> None:
    engine = make_engine()
    line = engine.network.websocket()
    session, receiver = engine.handler.last
    release = gevent.event.Event()
    session.inbox.put(release.wait, (), 5_000_000)
    session.inbox.put(len, ("",), 5_000_000)
    settle()
    assert session.is_paused
    engine.time.advance(INTERVAL)
    assert line.receive() == "2"
    line.send("3")
    settle()
    engine.time.advance(10 * TIMEOUT)
    assert receiver.ends == []
    release.set()
    settle()
    assert not session.is_paused
    engine.time.advance(INTERVAL)
    assert line.receive() == "2"  # the pong has been read meanwhile
    assert receiver.ends == []


def test_a_session_that_says_goodbye_is_not_pinged(engine: EngineWorld) -> None:
    line = engine.network.polling()
    session, receiver = engine.handler.last
    session.close()
    engine.time.advance(INTERVAL)
    assert line.get().packets == ["6", "1"]
    assert receiver.reasons == ["forced close"]


def test_a_goodbye_that_nobody_fetches_ends_after_thirty_seconds(engine: EngineWorld) -> None:
    engine.network.polling()
    session, receiver = engine.handler.last
    session.close()
    engine.time.advance(29.9)
    assert engine.engine.clients_count == 1
    engine.time.advance(0.2)
    assert engine.engine.clients_count == 0
    assert receiver.reasons == ["forced close"]


def test_the_heartbeat_goes_on_after_an_upgrade_with_a_ping_in_flight(
    engine: EngineWorld,
) -> None:
    line = engine.network.polling()
    engine.time.advance(INTERVAL)
    ws = engine.network.upgrade(line)
    assert ws.receive() == "2"
    _, receiver = engine.handler.last
    engine.time.advance(TIMEOUT)
    assert receiver.reasons == ["ping timeout"]


def test_intervals_below_a_second_work(make_engine: MakeEngine) -> None:
    engine = make_engine(ping_interval=0.3, ping_timeout=0.2)
    line = engine.network.websocket()
    assert (line.handshake["pingInterval"], line.handshake["pingTimeout"]) == (300, 200)
    engine.time.advance(0.3)
    assert line.receive() == "2"
    engine.time.advance(0.2)
    assert engine.handler.last[1].reasons == ["ping timeout"]
