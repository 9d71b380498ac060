"""What is sent and done to clients, by namespace, room and id."""

from __future__ import annotations

import pytest

from flask_realtime.flask_socketio.outgoing import Outgoing, arguments_of
from flask_realtime.testing import TestClient
from tests.flask_socketio.worlds import World


def test_a_tuple_is_several_arguments_and_none_is_none() -> None:
    assert arguments_of((1, 2)) == (1, 2)
    assert arguments_of([1, 2]) == ([1, 2],)
    assert arguments_of(None) == ()
    assert arguments_of(0) == (0,)


def outgoing_of(world: World) -> Outgoing:
    return world.io.outgoing


def test_several_rooms_are_a_list_and_a_client_in_two_gets_one(world: World) -> None:
    with TestClient(world.app) as client, TestClient(world.app) as other:
        outgoing = outgoing_of(world)
        outgoing.join(client.id, "a", "/")
        outgoing.join(client.id, 1, "/")
        outgoing.emit("x", None, "/", to=["a", 1])
        outgoing.emit("y", None, "/", skip=client.id)
        outgoing.emit("z", None, "/", ignore_queue=True)
        assert client.received == [("x",), ("z",)]
        assert other.received == [("y",), ("z",)]
        assert outgoing.rooms(client.id, "/") == [1, client.id, "a"] or set(
            outgoing.rooms(client.id, "/")
        ) == {1, client.id, "a"}
        outgoing.leave(client.id, 1, "/")
        assert 1 not in outgoing.rooms(client.id, "/")


def test_clients_that_are_not_there_are_passed_over(world: World) -> None:
    outgoing = outgoing_of(world)
    outgoing.join("unknown", "a", "/")
    outgoing.leave("unknown", "a", "/nowhere")
    outgoing.disconnect("unknown", "/", print)
    outgoing.close_room("a", "/nowhere")
    outgoing.emit("x", None, "/", to="unknown")
    assert outgoing.rooms("unknown", "/") == []
    assert outgoing.socket("unknown", "/nowhere") is None


def test_reserved_names_raise_also_where_no_client_is(world: World) -> None:
    with pytest.raises(ValueError, match="reserved"):
        outgoing_of(world).emit("disconnect", None, "/nowhere")


def test_a_client_of_no_server_does_not_answer(world: World) -> None:
    with TestClient(world.app), pytest.raises(TimeoutError):
        outgoing_of(world).call("x", None, "/", "unknown", 0.01, ignore_queue=True)
    with pytest.raises(RuntimeError, match="serves the clients"):
        outgoing_of(world).call("x", None, "/nowhere", "unknown", 0.01, ignore_queue=False)
