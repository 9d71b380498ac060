"""Engines that are not the one that a server makes for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flask_realtime import MemoryAdapter, Socket
from flask_realtime.engine.engine import Engine
from flask_realtime.server.server import BaseServer
from tests.clients import Network, SocketClient, network_of
from tests.fakes import FakeHost, settle
from tests.worlds import MakeServer, ServerWorld

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


class NumberedEngine(Engine):
    """Counts its sessions and its requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0

    def generate_id(self, environ: Mapping[str, Any]) -> str:
        return f"session-{self.requests}"

    def handle(self, environ: Any, start_response: Any) -> Any:
        self.requests += 1
        return super().handle(environ, start_response)


def answering(io: BaseServer) -> list[Socket]:
    sockets: list[Socket] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        sockets.append(socket)
        socket.on("sum", lambda a, b: a + b)

    return sockets


@TRANSPORTS
def test_a_bound_engine_does_the_work(make_server: MakeServer, transport: str) -> None:
    world = make_server(ping_interval=3)
    engine = NumberedEngine()
    world.io.bind(engine)
    answering(world.io)
    line = world.network.line(transport)
    assert (line.sid, line.handshake["pingInterval"]) == ("session-1", 3000)
    client = SocketClient(line)
    client.connect()
    assert client.call("sum", 1, 2) == [3]
    assert world.io.engine is engine
    assert engine.requests >= 1
    assert list(engine.clients) == ["session-1"]
    assert engine.stats()["handler_errors"] == 0


def test_the_option_wins_over_the_method_of_an_engine(make_server: MakeServer) -> None:
    world = make_server(generate_id=lambda environ: "by option")
    world.io.bind(NumberedEngine())
    assert world.network.polling().sid == "by option"


def test_the_end_of_the_server_is_that_of_its_engine(server: ServerWorld) -> None:
    engine = NumberedEngine()
    server.io.bind(engine)
    client = server.network.joined()
    server.io.close()
    assert engine.is_closed
    client.line.leave()
    settle()
    assert engine.clients_count == 0


def test_options_that_come_later_reach_a_bound_engine(server: ServerWorld) -> None:
    engine = NumberedEngine()
    server.io.bind(engine)
    server.io.configure({"ping_interval": 7})
    assert server.network.polling().handshake["pingInterval"] == 7000


@pytest.mark.parametrize("engine", [None, Engine, "engine"])
def test_only_an_engine_can_be_bound(server: ServerWorld, engine: Any) -> None:
    with pytest.raises(TypeError, match="takes an Engine"):
        server.io.bind(engine)


def test_no_engine_is_bound_after_the_first_request(server: ServerWorld) -> None:
    server.network.polling()
    with pytest.raises(RuntimeError, match="before the first request"):
        server.io.bind(NumberedEngine())


def test_an_engine_has_one_server(server: ServerWorld, make_server: MakeServer) -> None:
    engine = NumberedEngine()
    server.io.bind(engine)
    for io in (server.io, make_server().io):
        before = io.engine
        with pytest.raises(RuntimeError, match="in use"):
            io.bind(engine)
        assert io.engine is before


def test_an_engine_at_work_cannot_be_bound(server: ServerWorld) -> None:
    engine = NumberedEngine()
    with network_of(engine.handle) as network:
        network.polling().leave()
    with pytest.raises(RuntimeError, match="in use"):
        server.io.bind(engine)


# --- sessions of another engine


class Taken:
    """A server that takes the sessions of an engine of its own owner."""

    def __init__(self, network: Network, engine: Engine, world: ServerWorld) -> None:
        self.network = network
        self.engine = engine
        self.world = world
        self.sockets = answering(world.io)


@pytest.fixture
def taken(server: ServerWorld) -> Any:
    engine = Engine()
    engine.bind(host=FakeHost())
    engine.on("connection", server.io.onconnection)
    with network_of(engine.handle) as network:
        yield Taken(network, engine, server)


@TRANSPORTS
def test_sessions_of_another_engine_are_taken_over(taken: Taken, transport: str) -> None:
    client = taken.network.joined(transport)
    assert client.call("sum", 1, 2) == [3]
    taken.world.io.emit("news", 1)
    assert client.event() == ["news", 1]
    assert taken.engine.clients_count == 1
    assert taken.world.io.engine.clients_count == 0
    client.line.leave()
    settle()
    assert not taken.sockets[0].connected
    assert taken.engine.clients_count == 0


def test_who_joins_nothing_is_closed_by_the_time_of_the_server(taken: Taken) -> None:
    taken.network.websocket()
    taken.world.time.advance(46)
    assert [session.ready_state for session in taken.engine.clients.values()] == ["closing"]


def test_the_end_of_the_server_ends_the_sessions_that_it_took(taken: Taken) -> None:
    client = taken.network.joined()
    reasons: list[str] = []
    taken.sockets[0].on("disconnect", lambda reason: reasons.append(reason))
    taken.world.io.close()
    assert client.line.wait_closed() == 1001  # type: ignore[attr-defined]
    client.line.leave()
    settle()
    assert reasons == ["server shutting down"]
    assert not taken.engine.is_closed
    late = taken.network.websocket()
    assert late.wait_closed() == 1001
    late.leave()


def test_a_session_is_taken_once(taken: Taken) -> None:
    taken.network.joined()
    session = taken.sockets[0].conn
    for io in (taken.world.io, BaseServer()):
        with pytest.raises(RuntimeError, match="belongs to a server already"):
            io.onconnection(session)


@pytest.mark.parametrize("session", [None, "session", 5])
def test_only_a_session_can_be_taken(server: ServerWorld, session: Any) -> None:
    with pytest.raises(TypeError, match="takes a session"):
        server.io.onconnection(session)


def test_a_server_that_takes_a_session_listens_to_its_cluster(make_server: MakeServer) -> None:
    started: list[str] = []

    class Listening(MemoryAdapter):
        def start(self) -> None:
            started.append("started")

    engine = Engine()
    engine.on("connection", make_server(adapter=Listening).io.onconnection)
    with network_of(engine.handle) as network:
        network.polling().leave()
    assert started == ["started"]
