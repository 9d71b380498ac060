"""New sessions, and what the engine passes on from them."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.engine.engine import Engine
from flask_realtime.engine.requests.host import Host
from flask_realtime.options import Options
from tests.clients import network_of
from tests.fakes import FakeHost
from tests.worlds import EngineWorld, MakeEngine

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


@TRANSPORTS
def test_the_engine_tells_what_leaves_its_sessions(engine: EngineWorld, transport: str) -> None:
    seen: list[Any] = []
    engine.engine.on("flush", lambda session, messages: seen.append((session, len(messages))))
    engine.engine.on("drain", lambda session: seen.append(session))
    line = engine.network.line(transport)
    session, _ = engine.handler.last
    session.send("a")
    assert line.receive() == "4a"
    assert seen == [(session, 1), session]


@TRANSPORTS
def test_sessions_that_opened_before_are_not_watched(engine: EngineWorld, transport: str) -> None:
    line = engine.network.line(transport)
    session, _ = engine.handler.last
    engine.engine.on("drain", lambda session: pytest.fail("nobody asked for it in time"))
    session.send("a")
    assert line.receive() == "4a"
    assert not session.has_listeners


def test_a_session_is_watched_for_what_is_asked_for_alone(engine: EngineWorld) -> None:
    engine.engine.on("connection", lambda session: None)
    engine.network.polling()
    assert not engine.handler.last[0].has_listeners
    engine.engine.on("drain", lambda session: None)
    engine.network.polling()
    assert engine.handler.last[0].event_names() == ["drain"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["websocket"]),
        ({"allow_upgrades": False}, []),
        ({"transports": ["polling"]}, []),
    ],
)
def test_upgrades_depend_on_the_options(
    make_engine: MakeEngine, options: dict[str, Any], expected: list[str]
) -> None:
    engine = make_engine(**options)
    assert engine.engine.upgrades("polling") == expected
    assert engine.engine.upgrades("websocket") == []
    assert engine.network.polling().handshake["upgrades"] == expected


# --- an engine by itself


def echo(engine: Engine) -> list[Any]:
    ends: list[Any] = []

    @engine.on("connection")
    def opened(session: Any) -> None:
        session.on("message", session.send)
        session.on("close", lambda reason, description: ends.append(reason))

    return ends


@pytest.mark.parametrize("host", [None, FakeHost()], ids=["no host", "a host"])
def test_an_engine_by_itself_is_a_server(quiet_hub: Any, host: Host | None) -> None:
    engine = Engine()
    engine.bind(host=host)
    ends = echo(engine)
    with network_of(engine.handle) as network:
        line = network.polling()
        assert line.handshake["pingInterval"] == 25_000
        line.send("4hello", b"\x01")
        assert [line.receive(), line.receive()] == ["4hello", b"\x01"]
        assert bool(line.handshake["upgrades"]) is (host is not None)
        if host is None:
            line.leave()
        else:
            ws = network.upgrade(line)
            ws.send("4on")
            assert ws.receive() == "4on"
            ws.leave()
            ws.ended()
    assert ends == ["transport close"]
    assert engine.clients_count == 0


def test_an_engine_by_itself_takes_options(quiet_hub: Any) -> None:
    engine = Engine()
    engine.configure(Options.build({"ping_interval": 3, "generate_id": lambda environ: "abc"}))
    with network_of(engine.handle) as network:
        assert network.polling().handshake["pingInterval"] == 3000
        assert list(engine.clients) == ["abc"]
        engine.close()


def test_a_session_without_a_layer_above_can_forget_its_request(quiet_hub: Any) -> None:
    engine = Engine()
    ends = echo(engine)
    engine.on("connection", lambda session: session.forget_request())
    with network_of(engine.handle) as network:
        line = network.polling()
        line.send("4hello")
        assert line.receive() == "4hello"
        line.leave()
    assert ends == ["transport close"]
