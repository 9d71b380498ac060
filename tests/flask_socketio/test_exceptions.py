"""What refuses a client."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from flask_realtime.flask_socketio.exceptions import (
    ConnectionRefusedError,
    TimeoutError,
    refusal_of,
)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(), {"message": "Connection rejected by server"}),
        (ConnectionRefusedError("no"), {"message": "no"}),
        (ConnectionRefusedError("no", 4), {"message": "no", "data": 4}),
        (ConnectionRefusedError("no", 4, 5), {"message": "no", "data": [4, 5]}),
    ],
)
def test_a_refusal_tells_its_message_and_its_data(
    error: ConnectionRefusedError, told: dict[str, Any]
) -> None:
    assert error.error_args == told
    refusal = refusal_of(error)
    assert refusal is not None
    assert (refusal.message, refusal.data) == (told["message"], told.get("data"))


def test_false_and_the_builtin_error_refuse_as_well() -> None:
    assert refusal_of(False) is not None
    assert refusal_of(builtins.ConnectionRefusedError()) is not None


@pytest.mark.parametrize("outcome", [None, 0, "", True, []])
def test_every_other_result_lets_the_client_in(outcome: Any) -> None:
    assert refusal_of(outcome) is None


def test_a_late_answer_is_the_builtin_timeout_error() -> None:
    assert issubclass(TimeoutError, builtins.TimeoutError)
