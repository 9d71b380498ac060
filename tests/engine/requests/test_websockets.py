"""The requests that become WebSockets."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from werkzeug.datastructures import Headers

from flask_realtime.engine.requests.request import Request
from flask_realtime.engine.requests.websockets import require_socket
from flask_realtime.errors import BadRequest
from flask_realtime.testing.frames import text_frame
from tests.clients import Closed
from tests.fakes import CONNECTION, UPGRADE_HEADERS, FakeHost, request, settle, value_of, wait_until
from tests.worlds import EngineWorld, MakeEngine

WEBSOCKET = "EIO=4&transport=websocket"


def asked(environ: dict[str, Any], *, upgraded: bool = False) -> Request:
    """A request of a host that gives its socket."""
    host = FakeHost()
    host.upgrades_first = upgraded
    return value_of(environ | {CONNECTION: object()}, host=host)


def test_the_answer_is_101_with_the_key_of_the_client(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    assert line.answer.status == 101
    headers = line.answer.headers
    assert headers["Upgrade"] == "websocket"
    assert headers["Connection"] == "Upgrade"
    # The example of RFC 6455 §1.3.
    assert headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "Content-Length" not in headers


def test_listeners_and_cors_add_headers_to_the_101(make_engine: MakeEngine) -> None:
    engine = make_engine(cors="https://example.com")

    @engine.engine.on("headers")
    def headers(headers: Headers, environ: object) -> None:
        headers["X-Every"] = "yes"

    @engine.engine.on("initial_headers")
    def initial(headers: Headers, environ: object) -> None:
        headers["X-First"] = "yes"

    line = engine.network.websocket(headers={"Origin": "https://example.com"})
    answer = line.answer.headers
    assert (answer["X-Every"], answer["X-First"]) == ("yes", "yes")
    assert answer["Access-Control-Allow-Origin"] == "https://example.com"
    polling = engine.network.polling()
    upgraded = engine.network.upgrade(polling).answer.headers
    assert upgraded["X-Every"] == "yes"
    assert "X-First" not in upgraded


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"Sec-WebSocket-Version": "8"}, "version"),
        ({"Sec-WebSocket-Version": ""}, "version"),
        ({"Sec-WebSocket-Key": "short"}, "key"),
        ({"Sec-WebSocket-Key": "a" * 32}, "key"),
        ({"Sec-WebSocket-Key": ""}, "key"),
    ],
)
def test_a_broken_opening_handshake_is_refused_before_the_101(
    engine: EngineWorld, changed: dict[str, str], problem: str
) -> None:
    errors: list[object] = []
    engine.engine.on("connection_error", lambda error: errors.append(error.context["name"]))
    line = engine.network.dial(headers=changed)
    line.ended()
    assert line.answer.status == 400
    assert line.answer.json == {"code": 3, "message": "Bad request"}
    assert errors == ["TRANSPORT_HANDSHAKE_ERROR"]
    assert engine.handler.sessions == []


@pytest.mark.parametrize("version", ["8", "14", ""])
def test_a_refused_version_is_told_the_right_one(engine: EngineWorld, version: str) -> None:
    """RFC 6455 §4.4."""
    line = engine.network.dial(headers={"Sec-WebSocket-Version": version})
    line.ended()
    assert (line.answer.status, line.answer.headers["Sec-WebSocket-Version"]) == (400, "13")
    other = engine.network.dial(headers={"Sec-WebSocket-Key": "short"})
    other.ended()
    assert "Sec-WebSocket-Version" not in other.answer.headers


OFFER = {"Sec-WebSocket-Protocol": "b, a"}


def test_the_first_subprotocol_that_is_offered_is_agreed_on(engine: EngineWorld) -> None:
    line = engine.network.websocket(headers=OFFER)
    assert line.answer.headers["Sec-WebSocket-Protocol"] == "b"
    upgraded = engine.network.dial(engine.network.polling().sid, headers=OFFER)
    upgraded.send("2probe")
    assert upgraded.receive() == "3probe"
    assert upgraded.answer.headers["Sec-WebSocket-Protocol"] == "b"
    plain = engine.network.websocket()
    assert "Sec-WebSocket-Protocol" not in plain.answer.headers


def test_a_listener_may_choose_another_subprotocol(engine: EngineWorld) -> None:
    @engine.engine.on("headers")
    def headers(headers: Headers, environ: object) -> None:
        headers["Sec-WebSocket-Protocol"] = "a"

    line = engine.network.websocket(headers=OFFER)
    assert line.answer.headers.getlist("Sec-WebSocket-Protocol") == ["a"]


@pytest.mark.parametrize("offer", ["a,a", "a b", "", "caf\xe9"])
def test_a_broken_offer_of_subprotocols_is_refused(engine: EngineWorld, offer: str) -> None:
    line = engine.network.dial(headers={"Sec-WebSocket-Protocol": offer})
    line.ended()
    assert (line.answer.status, line.answer.json["code"]) == (400, 3)


def test_http_1_0_cannot_be_upgraded(engine: EngineWorld) -> None:
    line = engine.network.dial(SERVER_PROTOCOL="HTTP/1.0")
    line.ended()
    assert line.answer.status == 400


def test_a_host_that_gives_no_socket_cannot_upgrade(engine: EngineWorld) -> None:
    answer = engine.network.request("GET", WEBSOCKET, headers=UPGRADE_HEADERS)
    assert (answer.status, answer.json["code"]) == (400, 3)
    with pytest.raises(BadRequest):
        require_socket(value_of(request(headers=UPGRADE_HEADERS)))


def test_a_host_that_has_sent_the_101_is_not_asked_for_the_handshake_again() -> None:
    environ = request(headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    upgraded = asked(environ, upgraded=True)
    assert require_socket(upgraded) is upgraded.host_socket
    with pytest.raises(BadRequest):
        require_socket(asked(environ))


def test_after_the_101_a_refusal_is_a_close_frame(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_request=lambda environ: False)
    engine.host.upgrades_first = True
    line = engine.network.dial(wsgi={"tests.upgraded": True})
    with pytest.raises(Closed) as closed:
        line.receive()
    assert closed.value.code == 1008
    line.ended()
    assert line.answer.status == 0  # the host has answered, not the application
    assert engine.engine.clients_count == 0


def test_a_refusal_of_a_peer_that_is_gone_is_harmless(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_request=lambda environ: False)
    engine.host.upgrades_first = True
    line = engine.network.dial(tcp=True, wsgi={"tests.upgraded": True})
    line.reset()
    line.ended()


def test_a_session_works_on_a_host_that_has_sent_the_101(engine: EngineWorld) -> None:
    engine.host.upgrades_first = True
    line = engine.network.websocket(wsgi={"tests.upgraded": True})
    line.send("4a")
    wait_until(lambda: engine.handler.last[1].messages == ["a"])
    line.leave()
    line.ended()


def test_what_the_host_had_read_is_the_beginning_of_the_session(engine: EngineWorld) -> None:
    engine.host.leftover = text_frame("4first") + text_frame("4second")[:5]
    line = engine.network.websocket()
    line.send_frames(text_frame("4second")[5:])
    wait_until(lambda: engine.handler.last[1].messages == ["first", "second"])


def test_the_greenlet_of_the_request_runs_the_handlers(engine: EngineWorld) -> None:
    from gevent import getcurrent

    line = engine.network.websocket()
    seen: list[object] = []
    engine.handler.last[0].inbox.put(lambda: seen.append(getcurrent()), ())
    settle()
    assert seen == [line.greenlet]


def test_the_request_ends_with_the_session(engine: EngineWorld) -> None:
    line = engine.network.websocket()
    settle()
    assert not line.greenlet.ready()
    engine.handler.last[0].close(flush=False)
    line.ended()


def test_the_messages_of_a_websocket_are_limited(make_engine: MakeEngine) -> None:
    engine = make_engine(max_http_buffer_size=1000)
    line = engine.network.websocket()
    line.send("4" + "x" * 999)
    settle()
    assert engine.handler.last[1].messages == ["x" * 999]
    line.send("4" + "x" * 1000)
    assert line.wait_closed() == 1009
    line.ended()
    assert engine.handler.last[1].reasons == ["transport error"]


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_a_message_above_the_limit_is_one_warning(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture, probe: bool, deflate: bool
) -> None:
    engine = make_engine(max_http_buffer_size=1000, per_message_deflate=deflate)
    line = (
        engine.network.dial(engine.network.polling().sid) if probe else engine.network.websocket()
    )
    line.send("4" + "x" * 1000, "4" + "y" * 1000)
    line.wait_closed()
    line.ended()
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.levelname == "WARNING"
    assert "max_http_buffer_size, 1000 bytes" in record.getMessage()
    assert engine.handler.last[0].id[:6] in record.getMessage()


def test_the_messages_of_a_probe_are_limited(make_engine: MakeEngine) -> None:
    engine = make_engine(max_http_buffer_size=1000)
    line = engine.network.polling()
    ws = engine.network.dial(line.sid)
    ws.send("2" + "x" * 1001)
    assert ws.wait_closed() == 1009
    ws.ended()
    assert engine.handler.last[0].ready_state == "open"
