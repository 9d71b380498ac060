"""Options that change the channels or the formats, on both sides alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster, Clusters
from tests.cluster.matrix import MEMBERS, SHARDED, VARIANTS, Family, ordered_pairs
from tests.cluster.scene import Scene, scene_of
from tests.cluster.test_sockets import wait_in
from tests.redis_server import RedisCluster


def everything_works(scene: Scene) -> None:
    """Each way that a message can take, once."""
    a, new, event = scene.room("a"), scene.room("new"), scene.room("event")
    here = scene.client(scene.acting, a, answers={"question": "here"})
    there = scene.client(scene.observing, a, answers={"question": "there"})
    scene.emit("all", {"n": [1]})
    scene.emit("room", "text", to=[a])
    scene.emit("one", to=[there.sid])
    scene.emit("one", to=[here.sid])
    for client in (here, there):
        client.expect("all", {"n": [1]})
        client.expect("room", "text")
        client.expect("one")
    assert sorted(scene.act("emit_ack", event="question", args=[])) == ["here", "there"]
    assert scene.act("emit_ack", event="question", args=[], to=[there.sid]) == ["there"]
    assert {found["id"] for found in scene.act("fetch", to=[a])} == {here.sid, there.sid}
    scene.act("join", to=[there.sid], rooms=[new])
    wait_in(scene.observing, there, {a, new})
    for member in scene.cluster.members:
        member.call("listen", event=event, answer=1)
    others = len(scene.cluster.members) - 1
    assert scene.act("server_side_emit_ack", event=event, args=[{}]) == [1] * others
    scene.act("disconnect", to=[new], close=False)
    there.wait_ended()


def each_pair(cluster: Cluster) -> None:
    for acting, observing in ordered_pairs(MEMBERS):
        for scene in scene_of(cluster, acting, observing):
            everything_works(scene)


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Family:
    chosen: Family = request.param
    return chosen


def test_everything_works_with(variant: Family, clusters: Clusters) -> None:
    each_pair(clusters.get(variant))


@pytest.fixture
def redis_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as three:
        yield three


def test_the_sharded_adapter_works_on_a_redis_cluster(redis_cluster: RedisCluster) -> None:
    with Cluster(SHARDED, MEMBERS, redis_cluster) as cluster:
        each_pair(cluster)
