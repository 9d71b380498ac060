"""A closed engine ends in bounded time, and no client or handler loses more than it has to."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.codec.message import Message
from flask_realtime.engine.shutdown import MOMENT, due, spread, stop
from flask_realtime.engine.state import SessionState
from flask_realtime.reasons import Reason
from tests.fakes import deadline, settle, wait_until
from tests.worlds import EngineWorld

GRACE = 5.0
BIG = 4_000_000


def shut_down(engine: EngineWorld) -> Any:
    engine.engine.close()
    waiter = gevent.spawn(engine.engine.drain, GRACE)
    settle()
    return waiter


def done(waiter: Any) -> None:
    with deadline("the end of the wait"):
        waiter.get()


def test_clients_that_answer_are_not_waited_for(engine: EngineWorld) -> None:
    polling, ws = engine.network.polling(), engine.network.websocket()
    get = polling.start_get()
    waiter = shut_down(engine)
    assert get.get(timeout=1).packets == ["6", "1"]
    assert ws.wait_closed() == 1001
    assert not waiter.ready()
    ws.leave()
    done(waiter)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_that_takes_nothing_costs_a_moment_only(
    engine: EngineWorld, transport: str
) -> None:
    engine.network.line(transport)
    waiter = shut_down(engine)
    engine.time.advance(MOMENT - 0.1)
    assert not waiter.ready()
    engine.time.advance(0.1)
    done(waiter)
    assert engine.engine.clients_count == 0
    assert engine.handler.last[1].reasons == [Reason.SERVER_SHUTTING_DOWN]


def test_a_client_between_two_polls_gets_everything(engine: EngineWorld) -> None:
    line = engine.network.polling()
    engine.handler.last[0].send_message(Message(b"last"))
    waiter = shut_down(engine)
    assert line.get().packets == ["4last"]
    assert line.get().packets == ["6", "1"]
    done(waiter)


def test_a_client_that_is_upgrading_has_the_grace_to_finish(engine: EngineWorld) -> None:
    line = engine.network.polling()
    ws = engine.network.dial(line.sid)
    ws.send("2probe")
    assert ws.receive() == "3probe"
    engine.handler.last[0].send_message(Message(b"last"))
    waiter = shut_down(engine)
    engine.time.advance(GRACE - 0.1)
    gevent.sleep(0.05)  # it looks every 20 ms
    assert not waiter.ready()
    ws.send("5")
    assert ws.receive() == "4last"
    assert ws.wait_closed() == 1001
    ws.leave()
    done(waiter)


def test_an_upgrade_that_is_never_finished_ends_with_the_grace(engine: EngineWorld) -> None:
    line = engine.network.polling()
    ws = engine.network.dial(line.sid)
    waiter = shut_down(engine)
    engine.time.advance(GRACE)
    done(waiter)
    ws.ended()


def test_a_slow_websocket_has_the_grace_for_what_was_sent(engine: EngineWorld) -> None:
    ws = engine.network.websocket()
    engine.handler.last[0].send_message(Message(b"a" * BIG))
    waiter = shut_down(engine)
    engine.time.advance(GRACE - 0.1)
    assert not waiter.ready()
    assert len(ws.receive()) == BIG + 1
    assert ws.wait_closed() == 1001
    done(waiter)


def test_the_grace_has_an_end(engine: EngineWorld) -> None:
    engine.network.websocket()
    engine.handler.last[0].send_message(Message(b"a" * BIG))
    waiter = shut_down(engine)
    engine.time.advance(GRACE)
    done(waiter)
    assert engine.engine.clients_count == 0


def test_an_upgraded_session_says_goodbye_like_the_others(engine: EngineWorld) -> None:
    ws = engine.network.upgrade(engine.network.polling())
    wait_until(lambda: engine.handler.last[0].upgraded)
    waiter = shut_down(engine)
    assert ws.wait_closed() == 1001
    ws.leave()
    done(waiter)
    assert engine.time.now == 1_000


def test_without_clients_nothing_is_waited_for(engine: EngineWorld) -> None:
    done(shut_down(engine))
    engine.engine.wait_for_handlers(GRACE)


def test_handlers_of_polling_sessions_may_finish(engine: EngineWorld) -> None:
    engine.network.polling()
    release = Event()
    engine.handler.last[0].inbox.put(release.wait, ())
    settle()
    waiter = gevent.spawn(engine.engine.wait_for_handlers, GRACE)
    settle()
    assert not waiter.ready()
    release.set()
    done(waiter)


def test_handlers_that_do_not_return_are_stopped(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    stopped = Event()

    def block() -> None:
        try:
            Event().wait()
        finally:
            stopped.set()

    engine.network.polling()
    engine.handler.last[0].inbox.put(block, ())
    settle()
    waiter = gevent.spawn(engine.engine.wait_for_handlers, GRACE)
    settle()
    with caplog.at_level(logging.WARNING):
        engine.time.advance(GRACE)
        done(waiter)
        assert stopped.wait(1)
    assert "1 handlers did not return in time" in caplog.text
    caplog.clear()


# --- clients that are closed one after the other


def test_one_is_closed_at_once_and_all_within_the_time() -> None:
    assert [due(4, 2.0, elapsed) for elapsed in (0.0, 0.4, 0.5, 1.0, 1.4, 1.5, 1.9, 2.0, 9.0)] == [
        *(1, 1, 2, 3, 3, 4, 4, 4, 4)
    ]
    assert due(0, 2.0, 1.0) == 0


@pytest.mark.parametrize(("count", "seconds"), [(1, 0.5), (7, 3.0), (1000, 30.0), (30_000, 1.0)])
def test_no_slice_of_the_time_has_more_than_its_part(count: int, seconds: float) -> None:
    slices = 10
    done_by = [due(count, seconds, seconds * number / slices) for number in range(slices + 1)]
    parts = [later - earlier for earlier, later in pairwise(done_by)]
    assert sum(parts) + done_by[0] == count
    assert max(parts) <= count / slices + 1


class Spreading:
    """Sessions that are being closed over ten seconds of a clock that the test moves."""

    def __init__(self, engine: EngineWorld, count: int) -> None:
        self.clients = [engine.network.websocket() for _ in range(count)]
        self.sessions = list(engine.engine.clients.values())
        self.hurry, self.time = Event(), engine.time
        arguments = (self.sessions, 10.0, self.hurry, engine.time)
        self.greenlet = gevent.spawn(spread, *arguments)

    @property
    def closed(self) -> list[bool]:
        return [session.state is not SessionState.OPEN for session in self.sessions]

    def reaches(self, *closed: bool) -> None:
        wait_until(lambda: self.closed == [*closed])


def test_clients_are_closed_in_the_order_in_which_they_came(engine: EngineWorld) -> None:
    spreading = Spreading(engine, 4)
    spreading.reaches(True, False, False, False)
    spreading.time.advance(2.5)
    spreading.reaches(True, True, False, False)
    assert [client.wait_closed() for client in spreading.clients[:2]] == [1001, 1001]
    spreading.time.advance(2.5)
    spreading.reaches(True, True, True, False)
    assert not spreading.greenlet.ready()
    spreading.time.advance(2.5)
    done(spreading.greenlet)
    assert spreading.closed == [True] * 4


def test_clients_that_leave_by_themselves_are_not_waited_for(engine: EngineWorld) -> None:
    spreading = Spreading(engine, 3)
    spreading.reaches(True, False, False)
    for client in spreading.clients:
        client.leave()
    done(spreading.greenlet)
    assert spreading.time.now == 1_000


def test_in_a_hurry_the_others_stay_open(engine: EngineWorld) -> None:
    spreading = Spreading(engine, 3)
    spreading.reaches(True, False, False)
    spreading.hurry.set()
    done(spreading.greenlet)
    assert spreading.closed == [True, False, False]


# --- what is stopped


def test_greenlets_that_refuse_to_stop_are_left_after_a_moment() -> None:
    release = Event()

    def block() -> None:
        try:
            Event().wait()
        finally:
            release.wait()

    stubborn, other = gevent.spawn(block), gevent.spawn(Event().wait)
    settle()
    stop([stubborn, other])
    assert (stubborn.dead, other.dead) == (False, True)
    release.set()
    stubborn.join(5)
