"""Requests and the part that answers them: middlewares, cors, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.wrappers import Response

from flask_realtime.engine.engine import RefusedRequest
from flask_realtime.engine.state import Life
from flask_realtime.errors import Forbidden
from tests.fakes import UPGRADE_HEADERS, Answer
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


# --- middlewares


def test_middlewares_see_every_request_in_order(engine: EngineWorld) -> None:
    seen: list[str] = []

    @engine.engine.use
    def first(environ: Any) -> None:
        seen.append("first " + environ["REQUEST_METHOD"])

    engine.engine.use(lambda environ: seen.append("second"))
    line = engine.network.polling()
    line.send("4a")
    assert seen == ["first GET", "second", "first POST", "second"]


@pytest.mark.parametrize("query", [POLLING, WEBSOCKET, "nothing=useful"])
def test_a_response_of_a_middleware_ends_the_request(engine: EngineWorld, query: str) -> None:
    seen: list[str] = []
    errors = errors_of(engine)
    engine.engine.use(lambda environ: Response("teapot", 418, {"X-A": "b"}))
    engine.engine.use(lambda environ: seen.append("second"))
    answer = engine.network.request("GET", query, headers=UPGRADE_HEADERS)
    assert (answer.status, answer.text, answer.headers["X-A"]) == (418, "teapot", "b")
    assert (seen, errors, engine.engine.clients_count) == ([], [], 0)


def test_a_middleware_that_fails_is_not_the_business_of_the_client(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(environ: Any) -> None:
        raise KeyError("secret")

    engine.engine.use(fail)
    errors = errors_of(engine)
    answer = engine.network.request("GET", POLLING)
    refused(engine, answer, 3, "Bad request")
    assert errors[0].context == {"name": "MIDDLEWARE_FAILURE"}
    assert "KeyError: 'secret'" in caplog.text


@pytest.mark.parametrize("result", [True, "ok", ("text", 200)], ids=repr)
def test_a_middleware_that_returns_something_else_is_told(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture, result: Any
) -> None:
    engine.engine.use(lambda environ: result)
    answer = engine.network.request("GET", POLLING)
    refused(engine, answer, 3, "Bad request")
    assert f"returns None to go on, or a werkzeug Response, not {result!r}" in caplog.text


def test_a_middleware_may_raise_a_documented_error(engine: EngineWorld) -> None:
    def fail(environ: Any) -> None:
        raise Forbidden({"message": "no"}, "no")

    engine.engine.use(fail)
    refused(engine, engine.network.request("GET", POLLING), 4, "no", 403)


def test_a_middleware_may_change_the_environ(engine: EngineWorld) -> None:
    engine.engine.use(lambda environ: environ.update(REMOTE_ADDR="10.0.0.1"))
    engine.network.polling()
    assert engine.handler.last[0].remote_address == "10.0.0.1"


# --- cors


def test_errors_carry_the_headers_of_cors(make_engine: MakeEngine) -> None:
    engine = make_engine(cors={"origin": "https://a.example", "credentials": True})
    answer = engine.network.request("GET", "EIO=4", headers={"Origin": "https://a.example"})
    assert answer.json["code"] == 0
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_a_preflight_is_answered_without_a_session(make_engine: MakeEngine) -> None:
    engine = make_engine(cors="https://a.example")
    headers = {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-token"}
    answer = engine.network.request("OPTIONS", POLLING, headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Headers"] == "x-token"
    assert engine.engine.clients_count == 0


def test_a_request_of_a_session_is_checked_for_its_origin_too(engine: EngineWorld) -> None:
    line = engine.network.polling()
    answer = line.request("GET", headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.json["code"]) == (403, 4)


def test_a_middleware_may_change_the_query(engine: EngineWorld) -> None:
    """The value of the request is made again: it may name another session now."""
    line = engine.network.polling()
    own = f"{POLLING}&sid={line.sid}"
    engine.engine.use(lambda environ: environ.update(QUERY_STRING=own))
    answer = engine.network.request("POST", f"{POLLING}&sid=other", body=b"4a")
    assert answer.text == "ok"
    assert engine.handler.last[1].messages == ["a"]


# --- a server that drains


def test_new_clients_are_refused_while_the_present_ones_go_on(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    engine.engine.enter(Life.DRAINING)
    answer = engine.network.request("GET", POLLING)
    assert (answer.status, answer.text) == (503, "server shutting down")
    assert (answer.headers["Retry-After"], answer.headers["Connection"]) == ("1", "close")
    line.send("4a")
    line.send("4b")
    assert engine.engine.clients_count == 1
