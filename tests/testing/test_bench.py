"""When nothing is under way, as the clients of one server see it."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.server.server import BaseServer
from flask_realtime.testing import Late, TestClient
from flask_realtime.testing.bench import Bench, places_of_handlers
from tests.testing.apps import App


class Connection:
    is_closed = False
    is_busy = False


def test_the_clients_of_a_server_share_a_bench() -> None:
    one, two = BaseServer(), BaseServer()
    assert Bench.of(one) is Bench.of(one)
    assert Bench.of(one) is not Bench.of(two)
    assert len(one.runner.observers) == 1


def test_errors_are_taken_once() -> None:
    bench = Bench(BaseServer())
    error = KeyError("a defect")
    bench.failed(error)
    assert bench.has_errors
    assert (bench.take_errors(), bench.take_errors()) == ([error], [])
    assert not bench.has_errors


def test_a_wait_ends_with_what_it_waits_for_or_with_its_time() -> None:
    bench, seen = Bench(BaseServer()), list[int]()

    def happen() -> None:
        seen.append(1)
        bench.notify()

    gevent.spawn(happen)
    assert bench.wait_until(lambda: seen, 5)
    assert not bench.wait_until(lambda: len(seen) > 1, 0.01)
    assert bench.wait_until(lambda: True, 0)


def test_a_busy_connection_is_waited_for_until_it_is_over() -> None:
    bench, connection = Bench(BaseServer()), Connection()
    bench.enter(connection)
    bench.settle(1, "a step")
    connection.is_busy = connection.is_closed = True
    assert not bench.is_idle
    with pytest.raises(Late, match=r"a step: handlers are still at work after 0\.01 s, at a place"):
        bench.settle(0.01, "a step")
    connection.is_busy = False
    assert bench.is_idle
    connection.is_busy = True
    assert bench.is_idle, "it is over and forgotten"


def test_greenlets_of_the_application_do_not_count(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        task = gevent.spawn(gevent.sleep, 60)
        assert client.call("add", 1, 2) == 3
        client.emit("echo")
        task.kill()


def test_a_server_without_clients_is_idle(world: App) -> None:
    assert world.io.engine.is_idle
    with TestClient(world.flask) as client:
        assert world.io.engine.is_idle
        client.emit("slow", 0.02, wait=False)
        assert not world.io.engine.is_idle
        client.wait_for("slept")


def test_handlers_that_hang_are_named(world: App, transport: str) -> None:
    @world.io.event
    def hang(socket: Any) -> None:
        wait_long()

    def wait_long() -> None:
        gate.wait()

    gate = Event()
    with TestClient(world.flask, transport=transport, timeout=0.3) as client:
        with pytest.raises(Late, match=r"at test_bench\.py:\d+ in hang\(\); wait=False"):
            client.emit("hang")
        gate.set()
    assert places_of_handlers() == []
