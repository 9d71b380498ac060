"""The six errors: their order, their answers, and what listeners are told."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.engine.engine import RefusedRequest
from flask_realtime.errors import ConnectError
from tests.fakes import Answer, settle
from tests.worlds import EngineWorld, MakeEngine

POLLING, WEBSOCKET = "EIO=4&transport=polling", "EIO=4&transport=websocket"


def errors_of(engine: EngineWorld) -> list[RefusedRequest]:
    errors: list[RefusedRequest] = []
    engine.engine.on("connection_error", errors.append)
    return errors


def refused(
    engine: EngineWorld, answer: Answer, code: int, message: str, status: int = 400
) -> None:
    assert answer.status == status
    assert answer.json == {"code": code, "message": message}
    assert answer.headers["Content-Type"] == "application/json"
    assert "Cache-Control" not in answer.headers
    assert engine.engine.clients_count == 0


# --- the six errors


REFUSALS: dict[str, tuple[dict[str, Any], int, str, int, dict[str, Any]]] = {
    "no transport": ({"query": "EIO=4"}, 0, "Transport unknown", 400, {"transport": None}),
    "unknown transport": (
        {"query": "EIO=4&transport=webtransport"},
        0, "Transport unknown", 400, {"transport": "webtransport"},
    ),
    "transport before all else": (
        {"method": "POST", "query": "transport=x&sid=x", "headers": {"Origin": "\x00"}},
        0, "Transport unknown", 400, {"transport": "x"},
    ),
    "the last of two transports": (
        {"query": "EIO=4&transport=polling&transport=x"},
        0, "Transport unknown", 400, {"transport": "x"},
    ),
    "too many parameters, before all else": (
        {"method": "POST", "query": "transport=x" + "&a=1" * 64},
        3, "More than 64 query parameters", 400, {"name": "TOO_MANY_PARAMETERS", "limit": 64},
    ),
    "illegal origin": (
        {"query": POLLING, "headers": {"Origin": "a\x00b"}},
        3, "Bad request", 400, {"name": "INVALID_ORIGIN", "origin": "a\x00b"},
    ),
    "illegal origin before the session": (
        {"query": POLLING + "&sid=x", "headers": {"Origin": "a\nb"}},
        3, "Bad request", 400, {"name": "INVALID_ORIGIN", "origin": "a\nb"},
    ),
    "unknown session": (
        {"query": POLLING + "&sid=x"}, 1, "Session ID unknown", 400, {"sid": "x"},
    ),
    "session before method and protocol": (
        {"method": "PUT", "query": "EIO=2&transport=polling&sid=x"},
        1, "Session ID unknown", 400, {"sid": "x"},
    ),
    "post without a session": (
        {"method": "POST", "query": POLLING}, 2, "Bad handshake method", 400, {"method": "POST"},
    ),
    "method before the protocol": (
        {"method": "POST", "query": "EIO=3&transport=polling"},
        2, "Bad handshake method", 400, {"method": "POST"},
    ),
    "a preflight without cors": (
        {"method": "OPTIONS", "query": POLLING},
        2, "Bad handshake method", 400, {"method": "OPTIONS"},
    ),
    "websocket without an upgrade": (
        {"query": WEBSOCKET}, 3, "Bad request", 400, {"name": "TRANSPORT_HANDSHAKE_ERROR"},
    ),
    "websocket without an upgrade, before the protocol": (
        {"query": "EIO=3&transport=websocket"},
        3, "Bad request", 400, {"name": "TRANSPORT_HANDSHAKE_ERROR"},
    ),
    "foreign origin": (
        {"query": POLLING, "headers": {"Origin": "https://evil.example"}},
        4, "Forbidden", 403, {"message": "Forbidden", "origin": "https://evil.example"},
    ),
    "another protocol": (
        {"query": "EIO=3&transport=polling"},
        5, "Unsupported protocol version", 400, {"protocol": 3},
    ),
    "no protocol": (
        {"query": "transport=polling"}, 5, "Unsupported protocol version", 400, {"protocol": 3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_request_is_refused_with_its_code_and_context(engine: EngineWorld, case: str) -> None:
    given, code, message, status, context = REFUSALS[case]
    errors = errors_of(engine)
    given = dict(given)
    answer = engine.network.request(given.pop("method", "GET"), given.pop("query"), **given)
    refused(engine, answer, code, message, status)
    (error,) = errors
    assert (error.code, error.message, dict(error.context)) == (code, message, context)
    assert error.environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("query", "options", "code", "status"),
    [
        ("EIO=3&transport=websocket", {}, 5, 400),
        ("EIO=4&transport=websocket&sid=x", {}, 1, 400),
        (WEBSOCKET, {"transports": ["polling"]}, 0, 400),
        (WEBSOCKET, {"allow_request": lambda environ: False}, 4, 403),
    ],
)
def test_a_websocket_is_refused_before_the_101(
    make_engine: MakeEngine, query: str, options: dict[str, Any], code: int, status: int
) -> None:
    from tests.clients import WebSocketLine

    engine = make_engine(**options)
    errors = errors_of(engine)
    line = WebSocketLine(engine.network, query)
    line.ended()
    assert (line.answer.status, line.answer.json["code"]) == (status, code)
    assert [error.code for error in errors] == [code]


def test_a_polling_request_of_a_websocket_session_is_refused(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    errors = errors_of(engine)
    answer = engine.network.request("GET", POLLING + "&sid=" + line.sid)
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert errors[0].context == {
        "name": "TRANSPORT_MISMATCH", "transport": "polling", "previousTransport": "websocket",
    }  # fmt: skip


def test_a_disabled_transport_is_unknown(make_engine: MakeEngine) -> None:
    engine = make_engine(transports=["websocket"])
    refused(engine, engine.network.request("GET", POLLING), 0, "Transport unknown")
    assert engine.network.websocket().sid


# --- allow_request


def test_allow_request_decides_about_handshakes_only(make_engine: MakeEngine) -> None:
    asked: list[str] = []

    def allow(environ: Any) -> bool:
        asked.append(environ["QUERY_STRING"])
        return True

    engine = make_engine(allow_request=allow)
    line = engine.network.polling()
    line.send("4a")
    engine.network.upgrade(line)
    settle()
    engine.network.websocket()
    assert asked == [POLLING, WEBSOCKET]


@pytest.mark.parametrize("answer", [False, None, 0, ""])
def test_allow_request_refuses_with_a_false_result(make_engine: MakeEngine, answer: Any) -> None:
    engine = make_engine(allow_request=lambda environ: answer)
    errors = errors_of(engine)
    refused(engine, engine.network.request("GET", POLLING), 4, "Forbidden", 403)
    assert errors[0].context == {"message": "Forbidden"}


def test_allow_request_refuses_with_the_text_of_a_connect_error(make_engine: MakeEngine) -> None:
    def allow(environ: Any) -> bool:
        raise ConnectError("members only")

    engine = make_engine(allow_request=allow)
    errors = errors_of(engine)
    refused(engine, engine.network.request("GET", POLLING), 4, "members only", 403)
    assert errors[0].context == {"message": "members only"}


def test_allow_request_is_asked_before_the_protocol_is_checked(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_request=lambda environ: False)
    answer = engine.network.request("GET", "EIO=3&transport=polling")
    assert answer.json["code"] == 4
