"""What the module needs of the server beyond its public interface."""

from __future__ import annotations

from typing import Any

import gevent

from flask_realtime import MemoryAdapter
from flask_realtime.adapters.values import Target
from flask_realtime.flask_socketio.seam import (
    admit_early,
    ask_each,
    is_here,
    remote_socket,
    replace_adapter,
    run_as_event,
)
from flask_realtime.testing import TestClient
from tests.flask_socketio.worlds import World


def test_a_client_that_is_asked_gets_broadcasts_and_nothing_stays_of_it(world: World) -> None:
    io = world.io.realtime

    admit_early(io.sockets)

    @io.use
    def ask(socket: Any) -> None:
        world.seen.append(is_here(socket))
        io.emit("to all")

    with TestClient(world.app) as client:
        assert client.received == [("to all",)]
        assert world.seen == [True]
    assert not io.sockets.sockets
    assert not io.sockets.adapter.rooms


def test_each_answer_calls_back_and_a_function_runs_as_an_event(world: World) -> None:
    nsp = world.io.realtime.sockets
    with TestClient(world.app) as client:
        client.on("q", lambda value: (value, 2))
        ask_each(nsp, "q", (1,), Target(), lambda *values: world.seen.append(values))
        client.wait_for("q")
        gevent.sleep(0.01)
        run_as_event(nsp.sockets[client.id], "x", world.seen.append, "called")
        assert remote_socket(nsp, client.id).emit_with_ack("q", 5) == (5, 2)
    assert world.seen == [(1, 2), "called"]


def test_an_adapter_takes_the_place_of_another(world: World) -> None:
    nsp = world.io.realtime.sockets
    core = nsp.adapter.namespace
    adapter = MemoryAdapter(core)
    replace_adapter(core, adapter)
    assert nsp.adapter is adapter
    assert world.client().is_connected()
