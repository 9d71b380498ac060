"""What is said once."""

from __future__ import annotations

import pytest

from flask_realtime.flask_socketio.notes import Notes


def test_a_keyword_is_named_once_for_each_function(caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes()
    notes.once("emit()", {"a": 1})
    notes.once("emit()", {"a": 2, "b": 1})
    notes.once("call()", {"a": 1})
    notes.once("emit()", {})
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == ["a=", "b=", "a="]
