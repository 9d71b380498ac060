"""``socketio.server``."""

from __future__ import annotations

import pytest

from flask_realtime.testing import TestClient
from tests.flask_socketio.worlds import World


def test_clients_are_asked_about_and_moved_by_their_ids(world: World) -> None:
    server = world.io.server
    assert server is not None
    with TestClient(world.app) as client:
        environ = server.get_environ(client.id)
        assert environ is not None
        assert environ in server.environ.values()
        assert server.manager.is_connected(client.id, "/")
        assert server.transport(client.id) == "polling"
        server.enter_room(client.id, 1)
        assert 1 in server.rooms(client.id)
        server.emit("x", {"a": 1}, 1)
        server.send("text", to=client.id)
        assert client.received == [("x", {"a": 1}), ("message", "text")]
        client.on("question", lambda: 5)
        assert server.call("question", to=client.id) == 5
        server.leave_room(client.id, 1)
        server.close_room(1)
        assert 1 not in server.rooms(client.id)
        server.disconnect(client.id)
        assert not client.connected
    assert server.get_namespaces() == ["/"]


def test_unknown_clients_are_not_here(world: World) -> None:
    server = world.io.server
    assert server is not None
    assert server.get_environ("unknown") is None
    assert not server.is_connected("unknown", "/")
    with pytest.raises(KeyError):
        server.transport("unknown")


def test_tasks_run_and_the_server_shuts_down(world: World) -> None:
    server = world.io.server
    assert server is not None
    done: list[int] = []
    server.start_background_task(done.append, 1).join()
    server.sleep(0)
    assert done == [1]
    with TestClient(world.app) as client:
        server.shutdown()
        assert not client.connected
