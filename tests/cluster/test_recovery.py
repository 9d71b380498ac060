"""Connection state recovery: a client goes on at another server where it left off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.client import Client
from tests.cluster.cluster import Cluster, Clusters
from tests.cluster.matrix import MEMBERS, PAIRS, STREAMS, pair_name
from tests.cluster.member import Member
from tests.cluster.scene import Scene, scene_of
from tests.processes import eventually
from tests.redis_server import RedisServer

WINDOW = 60


@pytest.fixture(params=PAIRS, ids=pair_name)
def scene(clusters: Clusters, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The client leaves the acting server and comes back to the observing one."""
    yield from scene_of(clusters.get(STREAMS, WINDOW), *request.param)


@pytest.fixture
def first_acts(clusters: Clusters) -> Iterator[Scene]:
    yield from scene_of(clusters.get(STREAMS, WINDOW), 0, len(MEMBERS) - 1)


def session_key(client: Client) -> str:
    return f"sio:session:{client.pid}"


def drop(cluster: Cluster, member: Member, client: Client) -> None:
    """Cut the connection, and wait until the session is kept."""
    client.close()
    member.saw("disconnect", sid=client.sid)
    redis: Any = cluster.redis
    eventually(lambda: redis.client.exists(session_key(client)), what="the kept session")


def come_back(cluster: Cluster, member: Member, client: Client, **auth: Any) -> Client:
    """The client connects again, as the official client does."""
    return cluster.client(member, pid=client.pid, offset=client.offset, **auth)


def emit(member: Member, event: str, *args: Any, **order: Any) -> None:
    member.call("emit", event=event, args=list(args), **order)


def leave_after_one_event(scene: Scene, *rooms: str, **auth: Any) -> Client:
    client = scene.client(scene.acting, *rooms, **auth)
    assert client.pid
    emit(scene.bystander, "first", to=[client.sid])
    client.expect("first")
    assert client.offset
    drop(scene.cluster, scene.acting, client)
    return client


def test_it_is_the_same_socket_with_its_rooms_and_its_data(scene: Scene) -> None:
    a, b = scene.room("a"), scene.room("b")
    data = {"name": "grün", "list": [1, None, {"x": 0.5}]}
    before = leave_after_one_event(scene, a, b, data=data)
    after = come_back(scene.cluster, scene.observing, before)
    assert (after.sid, after.pid) == (before.sid, before.pid)
    assert scene.observing.saw("connection", sid=before.sid)["recovered"] is True
    (found,) = scene.observing.call("fetch", to=[a])
    assert found["rooms"] == sorted([a, b, before.sid])
    assert found["data"] == data


def test_what_it_missed_arrives_in_order(scene: Scene) -> None:
    a, other = scene.room("a"), scene.room("other")
    before = leave_after_one_event(scene, a)
    servers = (scene.acting, scene.observing, scene.bystander)
    targets: list[dict[str, Any]] = [{}, {"to": [a]}, {"to": [before.sid]}, {"to": [a, other]}]
    for number in range(12):
        for server in servers:
            emit(server, str(server.port), number, {"b": b"\x00{"}, **targets[number % 4])
    emit(scene.bystander, "not meant", to=[other])
    emit(scene.bystander, "left out", except_=[a])
    emit(scene.bystander, "left out", to=[a], except_=[before.sid])
    for server in servers:
        emit(server, "last", server.port)
    after = come_back(scene.cluster, scene.observing, before)
    for server in servers:
        after.expect("last", server.port)
        # Each server keeps its order; between them there is none.
        missed = [[number, {"b": b"\x00{"}] for number in range(12)]
        assert after.named(str(server.port)) == missed
    assert after.named("not meant") == after.named("left out") == []
    # It goes on as if nothing had been.
    emit(scene.acting, "next", to=[a])
    after.expect("next")
    assert len(after.named("next")) == 1


def test_it_may_come_back_to_the_server_it_left(scene: Scene) -> None:
    before = leave_after_one_event(scene, scene.room("a"))
    emit(scene.observing, "missed", b"1")
    after = come_back(scene.cluster, scene.acting, before)
    after.expect("missed", b"1")
    assert after.sid == before.sid


def test_a_second_recovery_begins_where_the_first_ended(first_acts: Scene) -> None:
    scene = first_acts
    before = leave_after_one_event(scene, scene.room("a"))
    emit(scene.bystander, "missed", 1)
    second = come_back(scene.cluster, scene.observing, before)
    second.expect("missed", 1)
    emit(scene.bystander, "heard", 2)
    second.expect("heard", 2)
    drop(scene.cluster, scene.observing, second)
    emit(scene.bystander, "missed", 3)
    third = come_back(scene.cluster, scene.acting, second)
    third.expect("missed", 3)
    assert third.sid == before.sid
    assert third.events() == [["missed", 3]]


def test_many_missed_events_all_arrive(first_acts: Scene) -> None:
    scene = first_acts
    before = leave_after_one_event(scene)
    witness = scene.client(scene.observing)
    for answer in [
        scene.bystander.start("emit", event="missed", args=[number]) for number in range(500)
    ]:
        answer.result(10)
    witness.expect("missed", 499)
    after = come_back(scene.cluster, scene.observing, before)
    after.expect("missed", 499)
    assert after.named("missed") == [[number] for number in range(500)]


def test_what_is_sent_while_it_comes_back_arrives_once(scene: Scene) -> None:
    """An event may be in what it missed, and at the same time be on its way to the server."""
    if scene.observing.kind == "node":
        return  # it sends such events twice
    before = leave_after_one_event(scene)
    answers = [
        scene.bystander.start("emit", event="missed", args=[number]) for number in range(500)
    ]
    after = come_back(scene.cluster, scene.observing, before)
    for answer in answers:
        answer.result(10)
    after.expect("missed", 499)
    assert after.named("missed") == [[number] for number in range(500)]


@pytest.mark.parametrize("wrong", ["pid", "offset", "form"])
def test_who_cannot_be_recovered_is_a_new_socket(first_acts: Scene, wrong: str) -> None:
    scene = first_acts
    before = leave_after_one_event(scene, scene.room("a"))
    if wrong == "pid":
        before.pid = "somebody-else"
    else:
        before.offset = "1-1" if wrong == "offset" else "not an offset"
    after = come_back(scene.cluster, scene.observing, before)
    assert after.sid != before.sid
    assert after.pid not in ("", before.pid)
    assert scene.observing.saw("connection", sid=after.sid)["recovered"] is False
    assert scene.observing.call("rooms")[after.sid] == [after.sid]


def test_a_session_is_recovered_once(first_acts: Scene) -> None:
    scene = first_acts
    before = leave_after_one_event(scene)
    first = come_back(scene.cluster, scene.observing, before)
    second = come_back(scene.cluster, scene.bystander, before)
    assert first.sid == before.sid
    assert second.sid != before.sid


def test_who_was_disconnected_by_the_server_is_not_recovered(first_acts: Scene) -> None:
    scene = first_acts
    before = scene.client(scene.acting)
    emit(scene.bystander, "first")
    before.expect("first")
    scene.bystander.call("disconnect", to=[before.sid], close=False)
    before.wait_ended()
    scene.acting.saw("disconnect", sid=before.sid)
    after = come_back(scene.cluster, scene.observing, before)
    assert after.sid != before.sid


def test_what_no_server_was_meant_to_keep_is_not_sent_again(first_acts: Scene) -> None:
    """A question is for those who are there; so is what stays on a server."""
    scene = first_acts
    before = leave_after_one_event(scene)
    scene.bystander.start("emit_ack", event="question", args=[], timeout=0.2)
    emit(scene.bystander, "local", flags={"local": True})
    emit(scene.bystander, "missed")
    after = come_back(scene.cluster, scene.observing, before)
    after.expect("missed")
    assert after.events() == [["missed"]]


@pytest.mark.parametrize("kind", sorted(set(MEMBERS)))
@pytest.mark.parametrize("how", ["dies", "closes"])
def test_the_server_it_left_may_be_gone(first_acts: Scene, kind: str, how: str) -> None:
    scene, cluster = first_acts, first_acts.cluster
    guest = cluster.add(kind)
    before = cluster.client(guest, [scene.room("a")])
    emit(guest, "first")
    before.expect("first")
    if how == "dies":
        drop(cluster, guest, before)
    else:
        guest.call("close")
        before.wait_closed()
        redis: Any = cluster.redis
        eventually(lambda: redis.client.exists(session_key(before)), what="the kept session")
    cluster.remove(guest)
    emit(scene.bystander, "missed", 1, to=[scene.room("a")])
    after = come_back(cluster, scene.observing, before)
    after.expect("missed", 1)
    assert after.sid == before.sid


def newest_entry(redis: RedisServer) -> str:
    return str(redis.client.xrevrange("socket.io", count=1))


def test_redis_may_have_been_restarted() -> None:
    with (
        RedisServer(keeps=True) as redis,
        Cluster(STREAMS, MEMBERS, redis, recovery=WINDOW) as cluster,
    ):
        for scene in scene_of(cluster, 0, len(MEMBERS) - 1):
            before = leave_after_one_event(scene, "a")
            emit(scene.bystander, "missed", 1, to=["a"])
            eventually(lambda: "missed" in newest_entry(redis), what="the entry")
            redis.restart()
            cluster.wait_complete()
            emit(scene.bystander, "missed", 2, to=["a"])
            after = come_back(cluster, scene.observing, before)
            after.expect("missed", 2)
            assert after.sid == before.sid
            assert after.events() == [["missed", 1], ["missed", 2]]
