"""Sockets of other servers: found, moved between rooms, spoken to, disconnected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.client import Client
from tests.cluster.member import Member, Refused
from tests.cluster.scene import Scene
from tests.processes import eventually

CLIENT_LEFT = "server namespace disconnect"


def fetch(scene: Scene, **order: Any) -> dict[str, dict[str, Any]]:
    found = scene.act("fetch", **order)
    assert len({socket["id"] for socket in found}) == len(found), "a socket was found twice"
    return {socket["id"]: socket for socket in found}


def wait_in(member: Member, client: Client, rooms: set[str]) -> None:
    """Wait until a client is in exactly these rooms, beside its own."""
    expected = sorted({*rooms, client.sid})
    eventually(
        lambda: member.call("rooms", nsp=client.nsp).get(client.sid) == expected,
        what=f"{client!r} in {expected}; {member.call('rooms')}",
    )


# Finding


def test_sockets_of_all_servers_are_found(scene: Scene) -> None:
    clients = [scene.client(m) for m in (scene.acting, scene.observing, scene.bystander)]
    assert fetch(scene).keys() == {client.sid for client in clients}


def test_sockets_are_found_by_their_rooms(scene: Scene) -> None:
    a, b = scene.room("a"), scene.room("b")
    in_a, in_b = scene.client(scene.observing, a), scene.client(scene.observing, b)
    in_both, here = scene.client(scene.bystander, a, b), scene.client(scene.acting)
    assert fetch(scene, to=[a]).keys() == {in_a.sid, in_both.sid}
    assert fetch(scene, to=[a, b]).keys() == {in_a.sid, in_b.sid, in_both.sid}
    assert fetch(scene, to=[a], except_=[b]).keys() == {in_a.sid}
    assert fetch(scene, except_=[a]).keys() == {in_b.sid, here.sid}
    assert fetch(scene, to=[in_b.sid]).keys() == {in_b.sid}
    assert fetch(scene, to=[scene.room("empty")]) == {}


def test_local_finds_the_own_sockets_only(scene: Scene) -> None:
    here, _ = scene.client(scene.acting), scene.client(scene.observing)
    assert fetch(scene, flags={"local": True}).keys() == {here.sid}


def test_a_socket_is_found_with_its_rooms_data_and_handshake(scene: Scene) -> None:
    a = scene.room("a")
    data = {"name": "Ada", "tags": ["x", {"y": None}], "n": 1.5}
    there = scene.client(scene.observing, a, data=data, token="grün")
    found = fetch(scene)[there.sid]
    assert found["rooms"] == sorted([a, there.sid])
    assert found["data"] == data
    handshake = found["handshake"]
    assert handshake["auth"] == {"rooms": [a], "data": data, "token": "grün"}
    assert handshake["query"]["from"] == "tests"
    assert handshake["headers"]["upgrade"] == "websocket"
    assert handshake["address"].endswith("127.0.0.1")
    assert handshake["url"].startswith("/socket.io/?EIO=4")
    assert handshake["secure"] is False
    assert handshake["xdomain"] is True  # the WebSocket client names an origin
    assert isinstance(handshake["issued"], int)
    assert isinstance(handshake["time"], str)


def test_a_namespace_finds_its_own_sockets(scene: Scene) -> None:
    nsp = scene.namespace()
    inside, _ = scene.client(scene.observing, nsp=nsp), scene.client(scene.observing)
    assert fetch(scene, nsp=nsp).keys() == {inside.sid}


def test_many_requests_at_once_do_not_mix(scene: Scene) -> None:
    rooms = [scene.room(str(number)) for number in range(10)]
    clients = [scene.client(scene.observing, room) for room in rooms]
    waiting = [scene.start("fetch", to=[room]) for room in rooms]
    found = [[socket["id"] for socket in answer.result(10)] for answer in waiting]
    assert found == [[client.sid] for client in clients]


# One found socket


def remote(scene: Scene, client: Client, action: str, **order: Any) -> Any:
    return scene.act("remote", sid=client.sid, action=action, **order)


def test_a_found_socket_is_spoken_to(scene: Scene) -> None:
    there, other = scene.client(scene.observing), scene.client(scene.observing)
    remote(scene, there, "emit", event="hello", args=[1, b"2"])
    assert scene.heard(there, other) == [[["hello", 1, b"2"]], []]


def test_a_found_socket_answers(scene: Scene) -> None:
    there = scene.client(scene.observing, answers={"question": {"a": b"1"}})
    question = {"event": "question", "args": [1], "timeout": 3}
    assert remote(scene, there, "emit_ack", **question) == {"a": b"1"}


def test_a_found_socket_answers_with_all_values_that_its_server_passes_on(scene: Scene) -> None:
    there = scene.client(scene.observing, answers={"question": ("first", {"second": 2}, None)})
    answer = remote(scene, there, "emit_ack", event="question", args=[], timeout=3)
    ours = scene.acting.kind == scene.observing.kind == "python"
    assert answer == (["first", {"second": 2}, None] if ours else "first")


def test_a_found_socket_may_stay_silent(scene: Scene) -> None:
    there = scene.client(scene.observing)
    with pytest.raises(Refused) as refused:
        remote(scene, there, "emit_ack", event="question", args=[], timeout=0.2)
    assert refused.value.kind == "AckTimeout"


def test_a_found_socket_joins_and_leaves(scene: Scene) -> None:
    a, b = scene.room("a"), scene.room("b")
    there, other = scene.client(scene.observing), scene.client(scene.observing)
    remote(scene, there, "join", rooms=[a, b])
    wait_in(scene.observing, there, {a, b})
    remote(scene, there, "leave", room=a)
    wait_in(scene.observing, there, {b})
    wait_in(scene.observing, other, set())


@pytest.mark.parametrize("close", [False, True], ids=["namespace", "connection"])
def test_a_found_socket_is_disconnected(scene: Scene, close: bool) -> None:
    there, other = scene.client(scene.observing), scene.client(scene.observing)
    remote(scene, there, "disconnect", close=close)
    assert there.wait_ended() == CLIENT_LEFT
    if close:
        there.wait_closed()
    assert scene.observing.saw("disconnect", sid=there.sid)["reason"] == CLIENT_LEFT
    assert scene.heard(other) == [[]]


# All that match


def test_sockets_of_all_servers_join_and_leave(scene: Scene) -> None:
    a, b = scene.room("a"), scene.room("b")
    members = (scene.acting, scene.observing, scene.bystander)
    clients = {member: scene.client(member) for member in members}
    scene.act("join", rooms=[a, b])
    for member, client in clients.items():
        wait_in(member, client, {a, b})
    scene.cluster.wait_rooms()
    scene.emit("news", to=[b])
    assert scene.heard(*clients.values()) == [[["news"]]] * 3
    scene.act("leave", rooms=[a])
    for member, client in clients.items():
        wait_in(member, client, {b})


def test_sockets_that_match_join(scene: Scene) -> None:
    a, b, new = scene.room("a"), scene.room("b"), scene.room("new")
    in_a, in_both = scene.client(scene.observing, a), scene.client(scene.observing, a, b)
    here = scene.client(scene.acting, a)
    scene.act("join", to=[a], except_=[b], rooms=[new])
    wait_in(scene.observing, in_a, {a, new})
    wait_in(scene.acting, here, {a, new})
    wait_in(scene.observing, in_both, {a, b})


def test_sockets_that_match_leave(scene: Scene) -> None:
    a, b = scene.room("a"), scene.room("b")
    in_a, in_both = scene.client(scene.observing, a), scene.client(scene.observing, a, b)
    scene.act("leave", to=[b], rooms=[a])
    wait_in(scene.observing, in_both, {b})
    wait_in(scene.observing, in_a, {a})


def test_one_socket_joins_by_its_id(scene: Scene) -> None:
    new = scene.room("new")
    there, other = scene.client(scene.observing), scene.client(scene.observing)
    scene.act("join", to=[there.sid], rooms=[new])
    wait_in(scene.observing, there, {new})
    wait_in(scene.observing, other, set())


def test_local_moves_the_own_sockets_only(scene: Scene) -> None:
    new = scene.room("new")
    here, there = scene.client(scene.acting), scene.client(scene.observing)
    scene.act("join", flags={"local": True}, rooms=[new])
    wait_in(scene.acting, here, {new})
    scene.heard(there)
    wait_in(scene.observing, there, set())


@pytest.mark.parametrize("close", [False, True], ids=["namespace", "connection"])
def test_sockets_that_match_are_disconnected(scene: Scene, close: bool) -> None:
    a, b = scene.room("a"), scene.room("b")
    in_a, here = scene.client(scene.observing, a), scene.client(scene.acting, a)
    in_both, outside = scene.client(scene.bystander, a, b), scene.client(scene.observing)
    scene.act("disconnect", to=[a], except_=[b], close=close)
    for member, client in ((scene.observing, in_a), (scene.acting, here)):
        assert client.wait_ended() == CLIENT_LEFT
        assert member.saw("disconnect", sid=client.sid)["reason"] == CLIENT_LEFT
        if close:
            client.wait_closed()
    assert scene.heard(in_both, outside) == [[], []]


def test_a_namespace_is_emptied_and_the_connections_stay(scene: Scene) -> None:
    nsp = scene.namespace()
    inside = [scene.client(member, nsp=nsp) for member in (scene.acting, scene.observing)]
    outside = scene.client(scene.observing)
    scene.act("disconnect", nsp=nsp, close=False)
    for client in inside:
        assert client.wait_ended() == CLIENT_LEFT
        assert not client.is_closed
    assert scene.heard(outside) == [[]]
