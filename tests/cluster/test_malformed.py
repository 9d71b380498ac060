"""What nobody of the cluster would send is ignored, and the cluster goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.matrix import FAMILIES, MEMBERS
from tests.cluster.scene import Scene, scene_of
from tests.processes import eventually
from tests.redis_server import RedisServer

# Not even the beginning of a message.
NOISE = [b"", b"\x00", b"\xff\xfe", b"{", b"[", b"\xc1", b"\xdf\xff\xff\xff\xff", b"{" * 1000]
ODD: list[Any] = [None, [], {}, "text", 7, [1, 2], [[], {}, {}], {"type": None}]

CLASSIC_REQUESTS: list[Any] = [
    {"type": 99, "uid": "x"},
    {"type": 1, "uid": "x"},
    {"type": "5", "uid": "x", "requestId": "y"},
    {"type": 6, "uid": "x", "data": []},
    {"type": 2, "sid": "nobody", "room": "r", "requestId": "y"},
]
CLASSIC_RESPONSES: list[Any] = [
    {"requestId": "unknown", "sockets": []},
    {"requestId": None},
    {"type": 9, "requestId": "unknown", "packet": 1},
]
CLUSTER_MESSAGES: list[Any] = [
    {"uid": "x", "nsp": "/", "type": 99},
    {"uid": "x", "nsp": "/", "type": "text", "data": {}},
    {"uid": "x", "nsp": "/other", "type": 3, "data": {}},
    {"uid": "x", "nsp": "/", "type": 8, "data": {"requestId": "unknown", "sockets": []}},
    {"uid": "x", "nsp": "/", "type": 10, "data": {"requestId": "unknown"}},
]
# Node's servers do not survive these: their listeners raise inside of the Redis client.
WORSE_BROADCASTS: list[Any] = [
    ["x"],
    ["x", {"type": 2, "data": "text", "nsp": "/"}, {}],
    ["x", {"type": 2, "data": ["news"], "nsp": "/"}, None],
    ["x", {"type": 2, "data": ["news"], "nsp": "/"}, {"rooms": 5}],
    ["x", {"type": 2, "nsp": "/"}, {"rooms": [], "except": []}],
    ["x", {"type": 2, "data": [{}], "nsp": "/"}, {"rooms": [[1]], "except": [{}]}],
]
WORSE_REQUESTS: list[Any] = [
    {"type": 2, "opts": {"rooms": 5}, "rooms": 7},
    {"type": 2, "opts": {"rooms": [{}]}, "rooms": [[]]},
    {"type": 4, "opts": {"rooms": [], "except": 1}},
    {"type": 5, "uid": "x", "requestId": {}, "opts": None},
    {"type": 6, "uid": "x", "data": 7},
    {"type": 6, "uid": "x", "data": [["no name"]], "requestId": "y"},
    {"type": 7, "uid": "x", "requestId": "y", "packet": None, "opts": {}},
]
WORSE_DATA: list[Any] = [
    *(None, {}, [], "text", {"opts": None}),
    {"opts": {"rooms": 5}, "packet": 7},
]
WORSE_MESSAGES: list[Any] = [
    {"uid": "x", "nsp": "/", "type": kind, "data": data}
    for kind in range(3, 13)
    for data in WORSE_DATA
]


def both(values: list[Any]) -> list[bytes]:
    """As JSON and as MessagePack."""
    return [text(value) for value in values] + [msgpack.packb(value) for value in values]


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def publish_classic(redis: RedisServer, *, worse: bool) -> int:
    sent: list[tuple[str, bytes]] = []
    requests, responses = both(CLASSIC_REQUESTS), both(CLASSIC_RESPONSES)
    if worse:
        requests += [*NOISE, *both(WORSE_REQUESTS + ODD)]
        responses += [*NOISE, *both(ODD)]
        for broadcast in [*NOISE, *both(WORSE_BROADCASTS + ODD)]:
            sent += [("socket.io#/#", broadcast), ("socket.io#/#lobby#", broadcast)]
    sent += [("socket.io-request#/#", request) for request in requests]
    sent += [("socket.io-response#/#", response) for response in responses]
    for channel, payload in sent:
        redis.client.publish(channel, payload)
    return len(sent)


def publish_sharded(redis: RedisServer, *, worse: bool) -> int:
    sent = both(CLUSTER_MESSAGES)
    if worse:
        sent += [*NOISE, *both(WORSE_MESSAGES + ODD)]
    for payload in sent:
        redis.client.execute_command("SPUBLISH", "socket.io#/#", payload)
    return len(sent)


def publish_streams(redis: RedisServer, *, worse: bool) -> int:
    entries: list[dict[str, Any]] = [
        {"nothing": "known"},
        {"uid": "x", "nsp": "/", "type": "99"},
        {"uid": "x", "nsp": "/", "type": "3", "data": "{"},
        {"uid": "x", "nsp": "/other", "type": "3", "data": "{}"},
    ]
    pubsub = [msgpack.packb(message) for message in CLUSTER_MESSAGES] + NOISE[1:4]
    if worse:
        pubsub += [*NOISE, *both(WORSE_MESSAGES + ODD)]
        for message in WORSE_MESSAGES:
            entries.append({**message, "data": text(message["data"])})
        for noise in [*NOISE, b"!!!!", b"AAAA"]:
            entries.append({"uid": "x", "nsp": "/", "type": "3", "data": noise})
            entries.append({"uid": noise, "nsp": "/", "type": noise})
    for entry in entries:
        redis.client.xadd("socket.io", entry)
    for payload in pubsub:
        redis.client.publish("socket.io#/#", payload)
    return len(entries) + len(pubsub)


PUBLISH: dict[str, Callable[..., int]] = {
    "classic": publish_classic,
    "sharded": publish_sharded,
    "streams": publish_streams,
}


@pytest.fixture(params=FAMILIES, ids=str)
def attacked(request: pytest.FixtureRequest) -> Iterator[tuple[Scene, RedisServer]]:
    """A cluster of its own: only servers of the first kind, and nobody else is disturbed."""
    with (
        RedisServer() as redis,
        Cluster(request.param, (MEMBERS[0],) * 3, redis) as cluster,
    ):
        for scene in scene_of(cluster, 0, 1):
            yield scene, redis


def test_malformed_messages_are_ignored(attacked: tuple[Scene, RedisServer]) -> None:
    scene, redis = attacked
    here, there = scene.client(scene.acting, "lobby"), scene.client(scene.observing, "lobby")
    judged = scene.acting.kind == "python"
    PUBLISH[scene.cluster.family.adapter](redis, worse=judged)
    scene.emit("news", b"1", to=["lobby"])
    assert scene.heard(here, there) == [[["news", b"1"]]] * 2
    assert {found["id"] for found in scene.act("fetch")} == {here.sid, there.sid}
    assert scene.act("server_count") == 3
    if judged:
        eventually(
            lambda: scene.observing.call("stats")["adapter_malformed"] > 0, what="a count of them"
        )
        assert not scene.observing.has_traceback
