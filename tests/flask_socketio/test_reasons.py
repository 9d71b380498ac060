"""Reasons of the engine as the five texts of Flask-SocketIO."""

from __future__ import annotations

from flask_realtime.flask_socketio.reasons import Reason, reason_of
from flask_realtime.reasons import Reason as EngineReason


def test_every_reason_of_the_engine_is_one_of_the_five() -> None:
    known = {value for name, value in vars(Reason).items() if name.isupper()}
    reasons = [value for name, value in vars(EngineReason).items() if name.isupper()]
    assert len(known) == 5
    assert {reason_of(reason) for reason in reasons} == known


def test_what_the_server_does_to_a_client_is_named_so() -> None:
    assert reason_of("server namespace disconnect") == "server disconnect"
    assert reason_of("server shutting down") == "server disconnect"
    assert reason_of("client namespace disconnect") == "client disconnect"
    assert reason_of("parse error") == "transport error"
