"""The public face of the engine: handshakes, ids, events, options and its life."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gevent import getcurrent
from gevent.event import Event
from werkzeug.datastructures import Headers

from flask_realtime.codec.message import Message
from flask_realtime.engine.engine import Engine, RefusedRequest
from flask_realtime.engine.state import Life
from flask_realtime.options import Options
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


def test_a_closed_engine_keeps_no_greenlet(engine: EngineWorld) -> None:
    engine.network.polling()
    greenlets: list[Any] = []
    (session,) = engine.engine.clients.values()

    def note() -> None:
        greenlets.append(getcurrent())

    session.inbox.put(note, ())
    settle()
    engine.engine.close()
    session.inbox.put(note, ())
    settle()
    assert [greenlet.dead for greenlet in greenlets] == [True, True]
    assert engine.engine.is_idle


# --- options and life


def test_options_come_before_the_first_request(engine: EngineWorld) -> None:
    engine.engine.configure(Options.build({"ping_interval": 3}), engine.scheduler)
    assert engine.network.polling().handshake["pingInterval"] == 3000
    with pytest.raises(RuntimeError, match="before the first request"):
        engine.engine.configure(Options.build({}))


def test_what_is_wrong_with_cors_is_raised_with_the_options() -> None:
    with pytest.raises(ValueError, match="cors"):
        Engine().configure(Options.build({"cors": "example.com"}))


def test_the_public_face_is_there_before_the_options(engine: EngineWorld) -> None:
    """As with ``Realtime()`` and a later ``init_app``."""
    later = Engine()
    heard: list[str] = []
    later.on("connection", lambda session: heard.append(session.id))
    later.use(lambda environ: heard.append("middleware"))
    later.generate_id = lambda environ: "mine"
    later.bind(engine.handler, engine.host)
    later.configure(Options.build({"ping_interval": 3}), engine.scheduler)
    engine.network.app = later.handle
    line = engine.network.polling()
    assert (line.sid, line.handshake["pingInterval"]) == ("mine", 3000)
    assert heard == ["middleware", "mine"]


def test_a_life_goes_through_its_states_and_never_back(engine: EngineWorld) -> None:
    found, lives = engine.engine, [engine.engine.life]
    line = engine.network.polling()
    lives.append(found.life)
    assert lives == [Life.NEW, Life.SERVING]
    assert found.enter(Life.DRAINING)
    assert (found.is_refusing, found.is_closed) == (True, False)
    assert engine.network.request("GET", POLLING).status == 503
    line.send("4still here")
    assert engine.handler.last[1].messages == ["still here"]
    found.close()
    assert found.is_closed
    assert not found.enter(Life.DRAINING)
    assert not found.enter(Life.CLOSING)
    assert found.enter(Life.CLOSED)
    found.close()
    lives.append(found.life)
    assert lives[-1] is Life.CLOSED


def test_what_is_open_is_not_closed_without_closing() -> None:
    with pytest.raises(RuntimeError, match="NEW -> CLOSED"):
        Engine().enter(Life.CLOSED)
