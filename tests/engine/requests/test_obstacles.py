"""What keeps clients from WebSockets is told once, with the remedy."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_realtime.engine.requests.host import NoHost
from flask_realtime.engine.requests.obstacles import (
    Obstacle,
    Obstacles,
    handshake_obstacle,
    request_obstacle,
)
from flask_realtime.hosts.remedies import REMEDIES
from tests.fakes import CONNECTION, UPGRADE_HEADERS, Answer, FakeHost, request, value_of
from tests.old_clients import old_polling
from tests.worlds import EngineWorld, MakeEngine

OLD = {"SERVER_PROTOCOL": "HTTP/1.0"}
WEBSOCKET = "EIO=4&transport=websocket"


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("more", "has_socket", "expected"),
    [
        ({}, True, None),
        ({}, False, Obstacle.NO_SOCKET),
        ({"SERVER_PROTOCOL": "HTTP/2.0"}, False, Obstacle.HTTP_2),
        (OLD, True, Obstacle.OLD_HTTP),
        (OLD, False, Obstacle.OLD_HTTP),
    ],
)
def test_what_a_handshake_shows(more: Any, has_socket: bool, expected: Obstacle | None) -> None:
    host = FakeHost() if has_socket else NoHost()
    environ = request(**more, wsgi={CONNECTION: object()})
    assert handshake_obstacle(value_of(environ, host=host)) is expected


@pytest.mark.parametrize(
    ("query", "headers", "more", "expected"),
    [
        (WEBSOCKET, UPGRADE_HEADERS, {}, None),
        (WEBSOCKET, {}, {}, Obstacle.NO_UPGRADE),
        (WEBSOCKET, UPGRADE_HEADERS | {"Connection": "close"}, {}, Obstacle.NO_UPGRADE),
        (WEBSOCKET, {}, OLD, Obstacle.OLD_HTTP),
        (WEBSOCKET, UPGRADE_HEADERS, OLD, Obstacle.OLD_HTTP),
        ("EIO=4&transport=polling", {}, OLD, None),
    ],
)
def test_what_a_refused_request_shows(
    query: str, headers: Any, more: Any, expected: Obstacle | None
) -> None:
    environ = request(query=query, headers=headers, **more)
    assert request_obstacle(value_of(environ)) is expected


def test_each_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    obstacles = Obstacles(FakeHost())
    for obstacle in (*Obstacle, *Obstacle):
        obstacles.tell(obstacle)
    middle = ": clients stay on HTTP long-polling; "
    assert told(caplog) == [found.value + middle + REMEDIES[found] for found in Obstacle]


def test_a_host_without_a_remedy_leaves_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    Obstacles(NoHost()).tell(Obstacle.NO_SOCKET)
    assert told(caplog) == [Obstacle.NO_SOCKET.value + ": clients stay on HTTP long-polling"]


# --- in the engine ---------------------------------------------------------------


def test_a_handshake_over_http_1_0_is_the_fault_of_a_proxy(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert engine.network.polling(**OLD).handshake["upgrades"] == []
    (line,) = told(caplog)
    assert "proxy_http_version 1.1" in line
    assert "Upgrade" in line
    assert "WSGI server" not in line


@pytest.mark.parametrize("more", [OLD, {}], ids=["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("begun", [True, False])
def test_a_websocket_whose_headers_are_gone_is_the_fault_of_a_proxy(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture, more: Any, begun: bool
) -> None:
    sid = f"&sid={engine.network.polling().sid}" if begun else ""
    for _ in range(2):
        assert engine.network.request("GET", WEBSOCKET + sid, **more).status == 400
    (line,) = told(caplog)
    assert "proxy_set_header Connection" in line


def test_a_server_that_gives_no_sockets_is_named(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert engine.network.request().handshake["upgrades"] == []
    (line,) = told(caplog)
    assert "this WSGI server does not give its sockets" in line


@pytest.mark.parametrize("options", [{"allow_upgrades": False}, {"transports": ["polling"]}])
def test_where_no_upgrade_is_wanted_nothing_is_told(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture, options: Any
) -> None:
    make_engine(**options).network.polling(**OLD)
    assert told(caplog) == []


# --- a middleware that keeps what is written --------------------------------------


def keep_writes(engine: EngineWorld) -> None:
    """Put a middleware around the engine that keeps ``write`` to itself."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        kept: list[bytes] = []

        def start(*args: Any) -> Any:
            start_response(*args)
            return kept.append

        body = engine.engine.handle(environ, start)
        return [*kept, *body]

    engine.network.app = app


def test_behind_such_a_middleware_no_upgrade_is_offered(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    keep_writes(engine)
    for _ in range(2):
        line = engine.network.polling()
        assert line.handshake["upgrades"] == []
        line.send("4hello")
    (warning,) = told(caplog)
    assert "a WSGI middleware around the application keeps its responses" in warning
    assert engine.handler.last[1].messages == ["hello"]


def test_clients_of_version_2_are_offered_none_either(make_engine: MakeEngine) -> None:
    engine = make_engine(allow_eio3=True)
    assert old_polling(engine.network).handshake["upgrades"] == ["websocket"]
    keep_writes(engine)
    assert old_polling(engine.network).handshake["upgrades"] == []


def test_behind_such_a_middleware_websockets_are_refused(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    keep_writes(engine)
    errors: list[Any] = []
    engine.engine.on("connection_error", errors.append)
    polling = engine.network.polling()
    for sid in ("", polling.sid):
        line = engine.network.dial(sid)
        line.ended()
        answer: Answer = line.answer
        assert answer.status == 400
        assert answer.json["code"] == 3
        assert "middleware" in answer.json["message"]
        assert errors.pop().context["name"] == "TRANSPORT_HANDSHAKE_ERROR"
    assert engine.engine.clients_count == 1
    assert len(told(caplog)) == 1
    polling.send("4still here")
    assert engine.handler.last[1].messages == ["still here"]
