"""A session that has no layer above it."""

from __future__ import annotations

from flask_realtime.engine.engine import Engine
from flask_realtime.engine.receiver import NoReceiver
from flask_realtime.engine.session import Session
from tests.clients import network_of


def test_a_session_without_a_receiver_has_its_events_and_ends() -> None:
    engine = Engine()
    sessions: list[Session] = []
    engine.on("connection", sessions.append)
    with network_of(engine.handle) as network:
        line = network.polling()
        (session,) = sessions
        assert not session.is_taken
        heard: list[object] = []
        session.on("message", heard.append)
        session.on("close", lambda reason, description: heard.append(reason))
        line.send("4a")
        session.forget_request()
        line.send("1")
    assert heard == ["a", "transport close"]


def test_it_takes_whatever_a_session_reports() -> None:
    receiver = NoReceiver()
    receiver.on_message("a")
    receiver.on_close("transport close", None)
    receiver.on_forget()
