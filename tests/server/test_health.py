"""What probes are told."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from flask.typing import ResponseReturnValue

from flask_realtime import Realtime, Server
from flask_realtime.adapters.base import Adapter
from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.testing.fakes import FakeBus


def test_a_server_is_ready_until_it_is_told_to_stop() -> None:
    server = Server()
    expected = {"ready": True, "accepting": True, "connected": True, "clients": 0}
    assert server.health() == expected
    server.refuse()
    assert server.health() == {**expected, "ready": False, "accepting": False}
    server.close()
    assert not server.health()["ready"]


def test_sessions_are_counted(quiet_hub: io.StringIO) -> None:
    server = Server()
    with server.test_client():
        assert server.health()["clients"] == 1


def test_with_other_servers_it_is_ready_while_they_are_within_reach() -> None:
    bus = FakeBus()

    def adapter(namespace: Any) -> Adapter:
        return ClusterAdapter(namespace, bus)

    app = Flask(__name__)
    io = Realtime(app, adapter=adapter)

    @app.get("/ready")
    def ready() -> ResponseReturnValue:
        health = io.health()
        return health, 200 if health["ready"] else 503

    assert not io.health()["ready"]
    client = app.test_client()
    # The first request of any kind lets the server join.
    assert client.get("/ready").status_code == 200
    bus.count = None
    answer = client.get("/ready")
    assert (answer.status_code, answer.json["connected"]) == (503, False)  # type: ignore[index]
    assert answer.json["accepting"]  # type: ignore[index]
    bus.count = 2
    assert client.get("/ready").status_code == 200


@pytest.mark.parametrize("name", ["ready", "accepting", "connected"])
def test_the_answers_are_truth_values(name: str) -> None:
    assert dict(Server().health())[name] is True
