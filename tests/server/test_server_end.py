"""The end of a server, as its hosts bring it about: refuse, drain, end."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from flask import Flask
from gevent.event import Event

from flask_realtime import MemoryAdapter, Realtime
from flask_realtime.engine.requests.router import Router
from flask_realtime.engine.state import Life
from tests.fakes import deadline, settle, wait_until
from tests.worlds import MakeServer

POLLING = "EIO=4&transport=polling"


def test_a_server_refuses_then_drains_then_ends(make_server: MakeServer) -> None:
    closed: list[str] = []

    class Closing(MemoryAdapter):
        def close(self) -> None:
            closed.append(self.namespace.name)

    server = make_server(adapter=Closing)
    reasons: list[str] = []
    server.io.event("disconnect")(lambda socket, reason: reasons.append(reason))
    server.io.event("sum")(lambda socket, a, b: a + b)
    client = server.network.joined()
    server.io.refuse()
    assert server.network.request("GET", POLLING).status == 503
    assert client.call("sum", 1, 2) == [3]
    draining = gevent.spawn(server.io.drain, 5.0)
    settle()
    assert reasons == ["server shutting down"]
    assert (draining.ready(), server.io.engine.life) == (False, Life.CLOSING)
    client.line.leave()
    with deadline("the end of the wait"):
        draining.get()
    assert closed == []  # handlers of the end may still broadcast
    for _ in range(2):
        server.io.end(5.0)
        assert (closed, server.io.engine.life) == (["/"], Life.CLOSED)


def test_a_server_without_clients_ends_at_once(make_server: MakeServer) -> None:
    server = make_server()
    with deadline("the end"):
        server.io.drain(5.0)
        server.io.end(5.0)
    assert server.network.request("GET", POLLING).status == 503


def test_clients_are_closed_one_after_the_other_before_the_server_drains(
    make_server: MakeServer,
) -> None:
    server = make_server(drain_seconds=8)
    clients = [server.network.joined() for _ in range(4)]
    reasons: list[str] = []
    server.io.event("disconnect")(lambda socket, reason: reasons.append(reason))
    server.io.event("sum")(lambda socket, a, b: a + b)
    spreading = gevent.spawn(server.io.spread, server.io.options.drain_seconds, Event())
    for count in range(1, 4):
        wait_until(lambda: len(reasons) == count)  # noqa: B023
        assert server.network.request("GET", POLLING).status == 503
        assert clients[-1].call("sum", 1, 2) == [3]
        server.time.advance(2.0)
    with deadline("the last client"):
        spreading.get()
    assert reasons == ["server shutting down"] * 4
    assert server.io.engine.life is Life.DRAINING


def test_without_a_time_no_client_is_closed_before_the_server_drains(
    make_server: MakeServer,
) -> None:
    server = make_server()
    server.network.joined()
    server.io.spread(server.io.options.drain_seconds, Event())
    assert (server.io.engine.clients_count, server.io.engine.life) == (1, Life.DRAINING)


@pytest.mark.parametrize("is_late", [False, True])
def test_what_answers_requests_is_built_once(
    monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """Whether the options come with the server or with ``init_app``, and from the config."""
    built: list[object] = []

    def counted(*args: Any) -> Router:
        built.append(args)
        return Router(*args)

    monkeypatch.setattr("flask_realtime.engine.engine.Router", counted)
    app = Flask(__name__)
    app.config["REALTIME_PING_INTERVAL"] = 3
    io = Realtime() if is_late else Realtime(app)
    if is_late:
        io.init_app(app)
    assert built == []
    for _ in range(2):
        response = app.test_client().get(f"/socket.io/?{POLLING}")
        assert '"pingInterval":3000' in response.text
    assert len(built) == 1
