"""A connection that has become a WebSocket gives its greenlet to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import gevent
import pytest
from gevent import get_hub, getcurrent
from gevent.event import Event
from gevent.pool import Pool

from flask_realtime import Middleware, Server
from flask_realtime.hosts.connection_greenlets import KEPT, ConnectionGreenlets
from flask_realtime.hosts.embedded import EmbeddedServer, QuietHandler
from tests.fakes import wait_until
from tests.hosts.test_embedded import HELLO, Connection

mark: ContextVar[str] = ContextVar("mark")


class World:
    """Connections that are functions, and the greenlets that have run them."""

    def __init__(self) -> None:
        self.pool = Pool()
        self.served: list[Any] = []
        self.greenlets = ConnectionGreenlets(self.pool, self._serve)

    def _serve(self, connection: Callable[[], None]) -> None:
        self.served.append(getcurrent())
        connection()

    def leave(self) -> None:
        """Become a WebSocket."""
        current: Any = getcurrent()
        self.pool.discard(current)

    def run(self, *connections: Callable[[], None]) -> None:
        """Accept connections, each in a turn of the hub."""
        for connection in connections:
            accepted = Event()
            get_hub().loop.run_callback(self.greenlets.start, (connection,))
            get_hub().loop.run_callback(accepted.set)
            accepted.wait()
            gevent.sleep(0)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.greenlets.close()
    gevent.sleep(0)
    assert not [one for one in made.served if not one.dead]


def test_the_greenlet_of_a_websocket_serves_the_next_connection(world: World) -> None:
    world.run(world.leave, world.leave, world.leave)
    assert len(set(world.served)) == 1
    assert len(world.greenlets) == 1
    assert not world.pool


def test_the_greenlet_of_another_connection_ends_with_it(world: World) -> None:
    world.run(world.leave, lambda: None, world.leave)
    first, second, third = world.served
    assert first is second is not third
    assert second.dead
    assert not world.pool


def test_a_greenlet_counts_as_a_connection_while_it_serves(world: World) -> None:
    counts: list[int] = []
    world.run(world.leave, lambda: counts.append(len(world.pool)))
    assert counts == [1]


def test_a_connection_sees_no_context_variable_of_the_one_before(world: World) -> None:
    found: list[str] = []

    def connection() -> None:
        found.append(mark.get("none"))
        mark.set("of another connection")
        world.leave()

    world.run(connection, connection)
    assert found == ["none", "none"]


def test_connections_at_the_same_time_have_greenlets_of_their_own(world: World) -> None:
    def connection() -> None:
        gevent.sleep(0.01)
        world.leave()

    for _ in range(KEPT + 2):
        world.greenlets.start((connection,))
    wait_until(lambda: not world.pool)
    assert len(set(world.served)) == KEPT + 2
    assert len(world.greenlets) == KEPT


def test_an_error_ends_the_greenlet_that_it_hits(world: World, quiet_hub: Any) -> None:
    def connection() -> None:
        raise ArithmeticError("a defect")

    world.run(world.leave, connection, world.leave)
    assert world.served[1].dead
    assert world.served[2] is not world.served[1]
    assert "a defect" in quiet_hub.getvalue()
    quiet_hub.seek(0)
    quiet_hub.truncate()


def test_a_kill_that_comes_too_late_costs_the_greenlet_alone(world: World) -> None:
    world.run(world.leave)
    world.served[0].kill()
    assert not len(world.greenlets)
    world.run(world.leave)
    assert world.served[1] is not world.served[0]


def test_a_connection_that_outlives_the_server_leaves_no_greenlet(world: World) -> None:
    def connection() -> None:
        world.greenlets.close()
        world.leave()

    world.run(connection)
    assert world.served[0].dead
    world.run(world.leave, world.leave)
    assert world.served[1] is world.served[2]


def test_the_embedded_server_answers_handshakes_on_one_greenlet(quiet_hub: Any) -> None:
    io = Server(serve_client=False)
    inner, seen = Middleware(io), []

    def app(environ: Any, start_response: Any) -> Any:
        seen.append(getcurrent())
        return inner(environ, start_response)

    http = EmbeddedServer(("127.0.0.1", 0), app, handler_class=QuietHandler, log=None)
    http.start()
    try:
        for _ in range(3):
            with Connection(int(http.server_port or 0)) as connection:
                connection.send(HELLO)
                connection.until(b"\r\n\r\n")
        assert len(set(seen)) == 1
        with Connection(int(http.server_port or 0)) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"404" in connection.rest()
        wait_until(lambda: seen[3].dead)
    finally:
        http.stop(timeout=1)
        io.close()
