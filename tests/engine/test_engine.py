"""Requests to whoever answers them: handshakes, refusals, middlewares and events."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gevent.event import Event
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from flask_realtime.codec.message import Message
from flask_realtime.engine.engine import RefusedRequest
from flask_realtime.errors import Forbidden
from tests.fakes import UPGRADE_HEADERS, Answer, settle
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


# --- handshakes


def test_a_polling_handshake_holds_the_open_packet_alone(engine: EngineWorld) -> None:
    engine.handler.greet = lambda session: session.send_message(Message(b"hello"))
    line = engine.network.polling()
    assert set(line.handshake) == {
        "sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload",
    }  # fmt: skip
    assert line.handshake == {
        "sid": line.sid,
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1_000_000,
    }
    assert line.get().text == "4hello"


def test_a_websocket_handshake_is_followed_by_what_handlers_send(engine: EngineWorld) -> None:
    engine.handler.greet = lambda session: session.send_message(Message(b"hello"))
    line = engine.network.websocket()
    assert line.handshake["upgrades"] == []
    assert line.receive() == "4hello"


def test_session_ids_are_long_random_and_new(engine: EngineWorld) -> None:
    sids = {engine.network.polling().sid for _ in range(20)}
    assert len(sids) == 20
    assert {len(sid) for sid in sids} == {20}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(("packet", "expected"), [("first", "4first"), (b"\x00\x01", b"\x00\x01")])
def test_an_initial_packet_follows_the_handshake(
    make_engine: MakeEngine, transport: str, packet: Any, expected: Any
) -> None:
    line = make_engine(initial_packet=packet).network.line(transport)
    assert line.receive() == expected


def test_the_initial_packet_shares_the_response_with_the_handshake(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(initial_packet="first")
    assert engine.network.request("GET", POLLING).packets[1:] == ["4first"]


def test_generate_id_may_be_replaced(make_engine: MakeEngine) -> None:
    engine = make_engine(generate_id=lambda environ: "by option")
    assert engine.network.polling().sid == "by option"
    engine.engine.generate_id = lambda environ: environ["REMOTE_ADDR"]
    assert engine.network.polling().sid == "127.0.0.1"


@pytest.mark.parametrize("bad", ["taken", "", None, 5])
@pytest.mark.parametrize("query", [POLLING, WEBSOCKET])
def test_a_bad_id_is_refused_before_the_101(
    engine: EngineWorld, bad: Any, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine.engine.generate_id = lambda environ: "taken"
    first = engine.network.polling()
    errors = errors_of(engine)
    engine.engine.generate_id = lambda environ: bad
    line = engine.network.dial() if query == WEBSOCKET else None
    answer = line.answer if line else engine.network.request("GET", query)
    settle()
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert errors[0].context["name"] == "ID_GENERATION_ERROR"
    assert "! generate_id must return a new, non-empty string" in caplog.text
    assert list(engine.engine.clients) == [first.sid]


def test_a_generate_id_that_fails_is_refused_with_its_error(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(environ: Any) -> str:
        raise KeyError("no id")

    engine.engine.generate_id = fail
    errors = errors_of(engine)
    refused(engine, engine.network.request("GET", POLLING), 3, "Bad request")
    assert errors[0].context["name"] == "ID_GENERATION_ERROR"
    assert "KeyError: 'no id'" in caplog.text
    assert isinstance(errors[0].context["error"], KeyError)


def test_without_a_socket_no_upgrade_is_offered_and_one_warning_says_so(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert engine.network.polling(connection=None).handshake["upgrades"] == []
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1


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


# --- headers, cookie


def test_initial_headers_come_once_and_before_headers(engine: EngineWorld) -> None:
    calls: list[tuple[str, str]] = []

    @engine.engine.on("initial_headers")
    def initial(headers: Headers, environ: Any) -> None:
        calls.append(("initial", environ["REQUEST_METHOD"]))
        headers["X-First"] = "1"
        headers.add("Set-Cookie", "a=b")

    @engine.engine.on("headers")
    def every(headers: Headers, environ: Any) -> None:
        calls.append(("every", environ["REQUEST_METHOD"]))
        headers["X-Every"] = "1"

    line = engine.network.polling()
    post = line.post("4a")
    assert calls == [("initial", "GET"), ("every", "GET"), ("every", "POST")]
    assert "X-Every" in post.headers
    assert "X-First" not in post.headers


def test_listeners_see_a_real_headers_object(make_engine: MakeEngine) -> None:
    engine = make_engine(cookie=True)
    engine.engine.on("initial_headers", lambda headers, environ: headers.add("Set-Cookie", "a=b"))
    engine.engine.on("headers", lambda headers, environ: headers.set("X-Every", "1"))
    answer = engine.network.request("GET", POLLING)
    sid = answer.handshake["sid"]
    cookies = answer.headers.getlist("Set-Cookie")
    assert "a=b" in cookies
    assert [cookie for cookie in cookies if cookie.startswith(f"io={sid};")]
    assert answer.headers["X-Every"] == "1"


def test_a_cookie_is_set_by_the_polling_handshake_only(make_engine: MakeEngine) -> None:
    engine = make_engine(cookie="lb")
    line = engine.network.polling()
    assert "Set-Cookie" not in line.post("4a").headers
    assert "Set-Cookie" not in engine.network.websocket().answer.headers
    assert "Set-Cookie" not in make_engine().network.request("GET", POLLING).headers


@pytest.mark.parametrize("option", [True, {}, {"name": "io"}], ids=repr)
def test_a_cookie_has_defaults(make_engine: MakeEngine, option: Any) -> None:
    answer = make_engine(cookie=option).network.request("GET", POLLING)
    assert answer.headers["Set-Cookie"].startswith("io=")


@pytest.mark.parametrize("option", [None, False], ids=repr)
def test_a_cookie_is_set_only_when_it_is_asked_for(make_engine: MakeEngine, option: Any) -> None:
    answer = make_engine(cookie=option).network.request("GET", POLLING)
    assert "Set-Cookie" not in answer.headers


# --- life


def test_sessions_are_counted_and_listed(engine: EngineWorld) -> None:
    assert engine.engine.clients_count == 0
    line, other = engine.network.polling(), engine.network.websocket()
    assert set(engine.engine.clients) == {line.sid, other.sid}
    assert engine.engine.clients_count == 2
    line.leave()
    assert list(engine.engine.clients) == [other.sid]


def test_a_closed_engine_says_goodbye_and_takes_no_new_sessions(engine: EngineWorld) -> None:
    line, other = engine.network.polling(), engine.network.websocket()
    engine.handler.sessions[0].send_message(Message(b"last"))
    engine.engine.close()
    assert line.get().packets == ["4last"]
    assert line.get().packets == ["6", "1"]
    assert other.wait_closed() == 1001
    other.leave()
    answer = engine.network.request("GET", POLLING)
    assert (answer.status, answer.text) == (503, "server shutting down")
    assert answer.headers["Retry-After"]
    assert answer.headers["Connection"] == "close"
    assert [receiver.reasons for receiver in engine.handler.receivers] == [
        ["server shutting down"]
    ] * 2


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_the_application_hears_of_each_new_session(engine: EngineWorld, transport: str) -> None:
    opened: list[Any] = []
    engine.engine.on("connection", opened.append)
    engine.network.line(transport)
    settle()
    assert opened == [engine.handler.last[0]]
    assert opened[0].transport.name == transport


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_it_is_idle_while_no_handler_runs(engine: EngineWorld, transport: str) -> None:
    assert engine.engine.is_idle
    engine.network.line(transport)
    settle()
    assert engine.engine.is_idle
    gate, (session, _) = Event(), engine.handler.last
    for put in (session.inbox.put, session.inbox.spawn):
        put(gate.wait, ())
        settle()
        assert not engine.engine.is_idle
        gate.set()
        settle()
        assert engine.engine.is_idle
        gate.clear()
