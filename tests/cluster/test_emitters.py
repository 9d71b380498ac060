"""Processes without a server reach the clients and the servers of a whole cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.cluster import Clusters
from tests.cluster.matrix import FAMILIES, MEMBERS, Family, emitters
from tests.cluster.member import EMITTERS, Member, Obedient
from tests.cluster.scene import Scene, scene_of
from tests.cluster.test_sockets import CLIENT_LEFT, wait_in
from tests.redis_server import RedisServer

CASES = [(family, kind) for family in FAMILIES for kind in emitters(family)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> tuple[Family, str]:
    found: tuple[Family, str] = request.param
    return found


@pytest.fixture(scope="module")
def emitter(case: tuple[Family, str], redis: RedisServer) -> Iterator[Obedient]:
    family, kind = case
    settings = {"adapter": family.adapter, "redis": redis.urls, "options": dict(family.options)}
    with Obedient(EMITTERS[kind](), settings) as running:
        yield running
        assert not running.has_traceback, running.stderr


@pytest.fixture
def stage(clusters: Clusters, case: tuple[Family, str]) -> Iterator[Scene]:
    yield from scene_of(clusters.get(case[0]), 0, len(MEMBERS) - 1)


def on_each(stage: Scene, *rooms: str, **more: Any) -> list[Any]:
    """One client of each server."""
    return [stage.client(member, *rooms, **more) for member in stage.cluster.members]


def emit(emitter: Obedient, event: str, *args: Any, **order: Any) -> None:
    emitter.call("emit", event=event, args=list(args), **order)


VALUES = [1, "grün", None, {"a": [b"\x00{", 0.1]}]


def test_the_clients_of_all_servers_hear_it(stage: Scene, emitter: Obedient) -> None:
    clients = on_each(stage)
    emit(emitter, "news", *VALUES)
    for client in clients:
        client.expect("news", *VALUES)


def test_rooms_are_meant_and_left_out(stage: Scene, emitter: Obedient) -> None:
    a, b = stage.room("a"), stage.room("b")
    in_a, in_b, in_both = on_each(stage, a), on_each(stage, b), on_each(stage, a, b)
    emit(emitter, "one", to=[a])
    emit(emitter, "one but", to=[a], except_=[b])
    emit(emitter, "two", to=[a, b])
    emit(emitter, "but", except_=[a])
    emit(emitter, "last")
    for clients, expected in (
        (in_a, ["one", "one but", "two", "last"]),
        (in_b, ["two", "but", "last"]),
        (in_both, ["one", "two", "last"]),
    ):
        for client in clients:
            client.expect("last")
            assert client.events() == [[event] for event in expected]


def test_modifiers_change_nothing_for_clients_that_listen(stage: Scene, emitter: Obedient) -> None:
    clients = on_each(stage)
    emit(emitter, "news", flags={"volatile": True, "compress": False})
    for client in clients:
        client.expect("news")


def test_one_client_hears_it(stage: Scene, emitter: Obedient) -> None:
    clients = on_each(stage)
    for client in clients:
        emit(emitter, "you", client.sid, to=[client.sid])
    for client in clients:
        client.expect("you", client.sid)
    assert stage.heard(*clients) == [[["you", client.sid]] for client in clients]


def test_a_namespace_hears_it(stage: Scene, emitter: Obedient) -> None:
    nsp = stage.namespace()
    inside, outside = on_each(stage, nsp=nsp), on_each(stage)
    emit(emitter, "news", nsp=nsp)
    emit(emitter, "news", 2, nsp=nsp[1:])  # without its slash
    for client in inside:
        client.expect("news")
        client.expect("news", 2)
    assert stage.heard(*outside) == [[]] * len(outside)


def test_sockets_join_and_leave(stage: Scene, emitter: Obedient) -> None:
    a, new = stage.room("a"), stage.room("new")
    in_a, others = on_each(stage, a), on_each(stage)
    emitter.call("join", to=[a], rooms=[new])
    for member, client in zip(stage.cluster.members, in_a, strict=True):
        wait_in(member, client, {a, new})
    emitter.call("leave", except_=[others[0].sid], rooms=[a, new])
    for member, client in zip(stage.cluster.members, in_a, strict=True):
        wait_in(member, client, set())
    for member, client in zip(stage.cluster.members, others, strict=True):
        wait_in(member, client, set())


@pytest.mark.parametrize("close", [False, True], ids=["namespace", "connection"])
def test_sockets_are_disconnected(stage: Scene, emitter: Obedient, close: bool) -> None:
    a = stage.room("a")
    in_a, others = on_each(stage, a), on_each(stage)
    emitter.call("disconnect", to=[a], close=close)
    for client in in_a:
        assert client.wait_ended() == CLIENT_LEFT
        if close:
            client.wait_closed()
    assert stage.heard(*others) == [[]] * len(others)


def test_servers_hear_it(stage: Scene, emitter: Obedient) -> None:
    event, values = stage.room("event"), [1, "grün", {"a": [None]}]
    members: list[Member] = stage.cluster.members
    for member in members:
        member.call("listen", event=event)
    emitter.call("server_side_emit", event=event, args=values)
    for member in members:
        assert member.saw("server_side", event=event)["args"] == values


def test_an_emitter_is_not_counted_as_a_server(stage: Scene, emitter: Obedient) -> None:
    emit(emitter, "news")
    assert stage.act("server_count") == len(stage.cluster.members)
