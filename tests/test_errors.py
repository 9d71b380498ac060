"""What the errors carry, and by which names of Python's own they can be caught."""

from __future__ import annotations

import inspect

import pytest

from flask_realtime import errors
from flask_realtime.errors import (
    AckTimeout,
    ClusterTimeout,
    ConnectError,
    FrameError,
    PacketError,
    RealtimeError,
    RequestError,
    SocketDisconnected,
    caused,
)

ALL = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, Exception)
]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_everything_belongs_to_one_tree(error: type[Exception]) -> None:
    assert issubclass(error, RealtimeError)


@pytest.mark.parametrize(
    ("name", "code", "message", "status"),
    [
        ("UnknownTransport", 0, "Transport unknown", 400),
        ("UnknownSession", 1, "Session ID unknown", 400),
        ("BadHandshakeMethod", 2, "Bad handshake method", 400),
        ("BadRequest", 3, "Bad request", 400),
        ("Forbidden", 4, "Forbidden", 403),
        ("UnsupportedProtocol", 5, "Unsupported protocol version", 400),
    ],
)
def test_the_answers_are_those_of_the_documentation(
    name: str, code: int, message: str, status: int
) -> None:
    """Socket.IO documentation, "Server API", event ``connection_error``."""
    error = getattr(errors, name)()
    assert isinstance(error, RequestError)
    assert (error.code, error.message, error.status) == (code, message, status)
    assert str(error) == message
    assert error.context == {}


def test_a_refusal_may_have_its_own_message_and_context() -> None:
    context = {"name": "MINE"}
    error = RequestError(context, "Come back later")
    context["name"] = "changed"
    assert (error.message, str(error)) == ("Come back later", "Come back later")
    assert error.context == {"name": "MINE"}
    assert RequestError.message == "Bad request"


def test_a_refused_client_is_told_a_message_and_data() -> None:
    error = ConnectError("not authorized", {"content": "retry later"})
    assert (str(error), error.message) == ("not authorized", "not authorized")
    assert error.data == {"content": "retry later"}
    assert ConnectError("no").data is None


def test_a_timeout_carries_what_did_arrive() -> None:
    responses = [1, 2]
    for error in (AckTimeout(responses=responses), ClusterTimeout("1 of 3", responses)):
        assert error.responses == [1, 2]
        assert error.responses is not responses
        assert isinstance(error, TimeoutError)


def test_a_timeout_has_the_words_of_the_reference_server() -> None:
    assert str(AckTimeout()) == "operation has timed out"
    assert AckTimeout().responses == []
    assert str(AckTimeout("too late")) == "too late"
    assert str(ClusterTimeout("missing 2 responses")) == "missing 2 responses"


def test_a_client_that_left_says_why() -> None:
    error = SocketDisconnected("ping timeout")
    assert error.reason == "ping timeout"
    assert "ping timeout" in str(error)
    assert isinstance(error, ConnectionError)


def test_a_frame_error_knows_how_to_close() -> None:
    error = FrameError(1009, "too big")
    assert (error.close_code, str(error)) == (1009, "too big")


def test_a_packet_error_is_a_value_error() -> None:
    assert issubclass(PacketError, ValueError)


def test_a_refusal_is_told_as_text_whatever_it_was_made_of() -> None:
    error = ConnectError(KeyError("token"))
    assert error.message == "'token'"
    assert str(ConnectError(5)) == "5"


@pytest.mark.parametrize("by", [ValueError(), None])
def test_an_error_has_the_cause_that_it_was_given_before_it_is_raised(
    by: ValueError | None,
) -> None:
    error = caused(PacketError("invalid"), by)
    assert (error.__cause__, error.__suppress_context__) == (by, True)
