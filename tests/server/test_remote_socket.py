"""Sockets of another server, as ``fetch_sockets()`` returns them."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime import AckTimeout, Namespace, RemoteSocket, Socket, SocketDisconnected
from flask_realtime.adapters.values import RemoteState
from flask_realtime.server.namespace_core import NamespaceCore
from flask_realtime.server.remote_socket import RemoteHandshake
from tests.clients import Later, drain
from tests.fakes import settle, wait_until
from tests.server.together import Together
from tests.worlds import MakeServer


class Remote:
    """A client of the second server, as the first one sees it."""

    def __init__(self, make_server: MakeServer, namespace: str = "/") -> None:
        self.together = Together(make_server)
        self.here, self.there = self.together.servers
        for server in self.together.servers:
            server.of(namespace)
        self.client, self.socket = self.together.join(1, "red", namespace=namespace)
        self.socket.data["name"] = "Bé"
        (remote,) = self.here.of(namespace).fetch_sockets()
        assert isinstance(remote, RemoteSocket)
        self.remote = remote


@pytest.fixture
def world(make_server: MakeServer) -> Remote:
    return Remote(make_server)


def test_it_tells_what_the_socket_told_when_it_was_fetched(world: Remote) -> None:
    remote, socket = world.remote, world.socket
    assert isinstance(remote, RemoteSocket)
    assert remote.id == socket.id
    assert remote.rooms == {socket.id, "red"}
    assert remote.data == {"name": "Bé"}
    assert remote.handshake.to_dict() == socket.handshake.to_dict()
    assert remote.handshake.auth == {"index": 1}
    assert remote.handshake.headers == socket.handshake.headers
    assert repr(remote) == f"<RemoteSocket {socket.id} in />"


def test_what_is_changed_here_stays_here(world: Remote) -> None:
    world.remote.data["name"] = "other"
    world.remote.rooms.add("blue")
    assert world.socket.data == {"name": "Bé"}
    assert "blue" not in world.socket.rooms


def test_what_the_other_server_leaves_out_is_none() -> None:
    handshake = RemoteHandshake({"url": "/", "more": 1})
    assert handshake.url == "/"
    assert handshake.headers is handshake.auth is handshake.query is None
    assert set(handshake.to_dict()) == {
        "headers", "time", "issued", "address", "xdomain", "secure", "url", "query", "auth"
    }  # fmt: skip


def test_both_kinds_are_found_together(world: Remote) -> None:
    _, own = world.together.join(0, "red")
    found = world.here.in_("red").fetch_sockets()
    assert [type(item) for item in found] == [Socket, RemoteSocket]
    assert [item.id for item in found] == [own.id, world.socket.id]
    assert world.here.local.fetch_sockets() == [own]


def test_an_event_reaches_its_client_alone(world: Remote) -> None:
    other, _ = world.together.join(1)
    world.remote.emit("hello", 1)
    world.here.emit("end")
    assert world.client.event() == ["hello", 1]
    assert other.event() == ["end"]


def test_its_client_can_be_asked(world: Remote) -> None:
    asking = Later(world.remote.emit_with_ack, "question", 1)
    ack_id, data = world.client.question()
    assert data == ["question", 1]
    world.client.answer(ack_id, {"yes": 1})
    assert asking.wait() == {"yes": 1}


@pytest.mark.parametrize("values", [(1, 2), ("yes", None, {"a": [1]}), (None, None), ([1, 2], 3)])
def test_several_values_come_back_as_a_tuple_as_from_a_client_of_this_server(
    world: Remote, values: tuple[Any, ...]
) -> None:
    asking = Later(world.remote.emit_with_ack, "question")
    world.client.answer(world.client.question()[0], *values)
    assert asking.wait() == values
    here = Later(world.socket.emit_with_ack, "question")
    world.client.answer(world.client.question()[0], *values)
    assert here.wait() == values


def test_one_value_that_is_a_list_stays_one(world: Remote) -> None:
    asking = Later(world.remote.emit_with_ack, "question")
    world.client.answer(world.client.question()[0], [1, 2])
    assert asking.wait() == [1, 2]


def test_a_broadcast_gets_the_first_value_wherever_the_client_is(world: Remote) -> None:
    asking = Later(world.here.to("red").emit_with_ack, "question")
    world.client.answer(world.client.question()[0], "first", "second")
    assert asking.wait() == ["first"]


def test_an_answer_without_a_value_is_none(world: Remote) -> None:
    asking = Later(world.remote.emit_with_ack, "question")
    world.client.answer(world.client.question()[0])
    assert asking.wait() is None


def test_a_client_that_does_not_answer_costs_the_timeout(world: Remote) -> None:
    with pytest.raises(AckTimeout):
        world.remote.timeout(0.05).emit_with_ack("question")
    assert world.remote.timeout(0.05).id == world.remote.id


def test_an_answer_counts_though_another_server_is_silent(make_server: MakeServer) -> None:
    together = Together(make_server, 3)
    client, _ = together.join(1)
    (remote,) = together.servers[0].fetch_sockets()
    adapter: Any = together.servers[2].of("/").adapter
    hanging = adapter.receiver
    hanging.on_request = lambda *args: None
    asking = Later(remote.timeout(0.3).emit_with_ack, "question")
    client.answer(client.question()[0], "yes")
    assert asking.wait() == "yes"


def test_a_client_that_is_gone_cannot_be_asked(world: Remote) -> None:
    world.client.disconnect()
    wait_until(lambda: not world.there.sockets.sockets)
    with pytest.raises(SocketDisconnected, match="on no server"):
        world.remote.emit_with_ack("question")
    world.remote.emit("hello")
    world.remote.join("blue")
    world.remote.disconnect()


@pytest.mark.parametrize("seconds", [0, -1, None, True, "1", float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(world: Remote, seconds: Any) -> None:
    with pytest.raises(ValueError, match="above 0"):
        world.remote.timeout(seconds)


def test_it_joins_and_leaves_rooms_there(world: Remote) -> None:
    world.remote.join("blue")
    assert "blue" in world.socket.rooms
    world.remote.join(["green", "white"])
    world.remote.leave("red")
    assert world.socket.rooms == {world.socket.id, "blue", "green", "white"}
    assert world.remote.rooms == {world.socket.id, "red"}  # as it was


def test_it_can_be_disconnected(world: Remote) -> None:
    assert world.remote.disconnect() is world.remote
    assert world.client.receive() == "1"
    settle()
    assert not world.socket.connected
    assert world.socket.disconnected
    world.client.connect()  # the connection is still there


def test_its_connection_can_be_closed(world: Remote) -> None:
    world.remote.disconnect(close=True)
    drain(world.client)  # until the server has closed
    assert world.there.sockets.sockets == {}


@pytest.mark.parametrize("name", ["connect", "disconnect"])
def test_reserved_names_are_refused(world: Remote, name: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        world.remote.emit(name)


def test_it_belongs_to_its_namespace(make_server: MakeServer) -> None:
    world = Remote(make_server, "/chat")
    world.remote.emit("hello")
    assert world.client.receive() == '2/chat,["hello"]'
    assert world.here.fetch_sockets() == []
    assert repr(world.remote).endswith("in /chat>")


def test_data_that_cannot_be_carried_stays_with_the_socket(world: Remote) -> None:
    world.socket.data["user"] = object()
    (found,) = world.here.fetch_sockets()
    assert found.data == {"name": "Bé"}


def test_it_is_made_of_what_any_server_tells() -> None:
    core = NamespaceCore("/", Namespace("/"))
    (remote,) = core.sockets_of([RemoteState("x", {}, ["x"], {"a": 1})])
    assert (remote.id, remote.rooms, remote.data) == ("x", {"x"}, {"a": 1})
