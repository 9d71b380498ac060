"""A closed engine ends in bounded time, and no client or handler loses more than it has to."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.codec.message import Message
from flask_realtime.engine.shutdown import MOMENT, stop
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
