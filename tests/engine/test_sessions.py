"""The list of the open sessions, with their deadlines and their greenlets."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.event import Event

from flask_realtime.engine.session import Session
from flask_realtime.engine.sessions import CLOSE_TIMEOUT, Sessions
from flask_realtime.engine.traffic import Traffic
from flask_realtime.engine.transports.polling import PollingTransport
from flask_realtime.loop.scheduler import Scheduler
from flask_realtime.options import Options
from flask_realtime.testing import ManualTime
from tests.fakes import settle


@pytest.fixture
def time(quiet_hub: Any) -> ManualTime:
    return ManualTime()


@pytest.fixture
def sessions(time: ManualTime) -> Sessions:
    options = Options.build({"ping_interval": 25, "ping_timeout": 20})
    return Sessions({}, Traffic(), options, Scheduler(time, time))


def opened(sessions: Sessions) -> Session:
    session = Session("abc", sessions, {}, 100)
    session.attach(PollingTransport(session, 1000))
    sessions.begin(session)
    return session


def test_a_session_is_listed_from_its_beginning_to_its_end(sessions: Sessions) -> None:
    session = opened(sessions)
    assert sessions.by_id == {"abc": session}
    session.close(flush=False)
    assert sessions.by_id == {}


def test_a_silent_session_ends_and_a_beat_puts_that_off(
    sessions: Sessions, time: ManualTime
) -> None:
    session = opened(sessions)
    time.advance(44)
    sessions.beat(session)
    time.advance(44)
    assert session.ready_state == "open"
    time.advance(1)
    assert session.ready_state == "closed"


def test_a_session_that_closes_has_a_deadline_in_place_of_its_heartbeat(
    sessions: Sessions, time: ManualTime
) -> None:
    session = opened(sessions)
    session.close()
    sessions.beat(session)
    time.advance(CLOSE_TIMEOUT - 1)
    assert session.ready_state == "closing"
    time.advance(1)
    assert session.ready_state == "closed"


def test_greenlets_are_waited_for_until_the_sessions_are_abandoned(sessions: Sessions) -> None:
    session, release = opened(sessions), Event()
    sessions.pool.spawn(release.wait)
    sessions.abandon()
    sessions.wait_for_handlers(5)  # those of a hub that has ended
    assert session.ready_state == "closed"
    release.set()
    settle()
