"""Messages are values: frozen, comparable, and each either a request or a response."""

from __future__ import annotations

import typing

import pytest

from flask_realtime.adapters.wire import messages
from flask_realtime.adapters.wire.messages import Broadcast, Request, Response, ServerSideEmit

REQUESTS = typing.get_args(Request)
RESPONSES = typing.get_args(Response)


def test_every_message_is_either_a_request_or_a_response() -> None:
    classes = {value for value in vars(messages).values() if hasattr(value, "_fields")}
    classes = {value for value in classes if value.__module__ == messages.__name__}
    assert {*REQUESTS, *RESPONSES} == classes
    assert not {*REQUESTS} & {*RESPONSES}


@pytest.mark.parametrize("kind", RESPONSES)
def test_every_response_names_its_request_first(kind: typing.Any) -> None:
    assert kind._fields[0] == "request_id"


@pytest.mark.parametrize("kind", [Broadcast, ServerSideEmit])
def test_what_may_be_answered_or_not_is_not_unless_it_says_so(kind: typing.Any) -> None:
    assert kind._field_defaults == {"request_id": None}


@pytest.mark.parametrize("kind", [*REQUESTS, *RESPONSES])
def test_a_message_cannot_be_changed(kind: typing.Any) -> None:
    message = kind(*["x"] * len(kind._fields))
    assert message == kind(*["x"] * len(kind._fields))
    with pytest.raises(AttributeError):
        setattr(message, kind._fields[0], "y")
