"""What a metrics exporter reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from flask_realtime.engine.traffic import Traffic, collect
from tests.fakes import settle
from tests.worlds import EngineWorld, MakeServer, ServerWorld


@dataclass
class FakeSession:
    transport_name: str
    buffered_bytes: int = 0


def test_sessions_are_counted_by_transport_with_what_waits_for_them() -> None:
    sessions: list[Any] = [
        FakeSession("polling", 5),
        FakeSession("websocket", 7),
        FakeSession("websocket"),
    ]
    found = collect(sessions, Traffic(), 0.25, [])
    assert (found["clients"], found["polling_clients"], found["websocket_clients"]) == (3, 1, 2)
    assert found["outbox_bytes"] == 12
    assert found["hub_lag"] == 0.25


def test_each_source_adds_its_own() -> None:
    found = collect([], Traffic(), 0.0, [lambda: {"one": 1}, lambda: {"two": 2}])
    assert (found["one"], found["two"]) == (1, 2)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_messages_and_bytes_are_counted_both_ways(server: ServerWorld, transport: str) -> None:
    @server.io.on("connection")
    def connected(socket: object) -> None: ...

    client = server.network.joined(transport)
    before = server.io.engine.stats()
    client.emit("event", "x" * 100)
    client.emit("event", "x" * 100)
    settle()
    server.io.emit("news", "y" * 1000)
    client.event()
    settle()
    after = server.io.engine.stats()
    grown = {name: after[name] - before[name] for name in after}
    assert grown["messages_in"] == 2
    assert grown["messages_out"] == 1
    assert 200 < grown["bytes_in"] < 400
    assert 1000 < grown["bytes_out"] < 1100


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_packet_is_counted_once_with_its_attachments_both_ways(
    server: ServerWorld, transport: str
) -> None:
    client = server.network.joined(transport)
    server.io.event("echo")(lambda socket, *args: socket.emit("echo", *args))
    before = server.io.engine.stats()

    def grown(name: str) -> float:
        return server.io.engine.stats()[name] - before[name]

    first, second = (f'{{"_placeholder":true,"num":{number}}}' for number in range(2))
    client.send(f'52-["echo",{first},{second}]', b"one")
    settle()
    assert grown("messages_in") == 0  # it is not complete
    client.line.send(b"two")
    assert client.receive().startswith("52-")
    assert [client.receive(), client.receive()] == [b"one", b"two"]
    assert (grown("messages_in"), grown("messages_out")) == (1, 1)


@pytest.mark.parametrize("packet", ["4text", b"\x00", "bAAE="])
def test_a_message_of_any_form_is_counted(engine: EngineWorld, packet: str | bytes) -> None:
    engine.network.websocket().send(packet)
    settle()
    assert engine.engine.stats()["messages_in"] == 1


def test_what_handlers_raise_is_counted(server: ServerWorld) -> None:
    @server.io.on("connection")
    def connected(socket: object) -> None:
        raise ValueError("a defect")

    server.network.joined()
    settle()
    assert server.io.engine.stats()["handler_errors"] == 1


def test_a_server_without_a_cluster_has_no_counters_of_one(make_server: MakeServer) -> None:
    assert not [name for name in make_server().io.engine.stats() if name.startswith("adapter")]
