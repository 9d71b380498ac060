"""Servers that come, go, die and hang while others wait for their answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.matrix import MEMBERS
from tests.cluster.member import Member, Refused
from tests.cluster.scene import Scene, scene_of

Guest = Callable[[str], Member]
SHORT = 0.5  # seconds to wait for those who will not answer
names = itertools.count(1)
KINDS = sorted(set(MEMBERS))


@pytest.fixture
def scene(cluster: Cluster) -> Iterator[Scene]:
    yield from scene_of(cluster, 0, len(MEMBERS) - 1)


@pytest.fixture
def invite(scene: Scene) -> Iterator[Guest]:
    """Let one more server take part until the end of the test."""
    guests: list[Member] = []

    def add(kind: str) -> Member:
        guests.append(scene.cluster.add(kind))
        return guests[-1]

    yield add
    for guest in guests:
        if guest in scene.cluster.members:
            scene.cluster.remove(guest)


def raised(answer: Future[Any]) -> Refused:
    with pytest.raises(Refused) as refused:
        answer.result(15)
    return refused.value


def ask_everything(scene: Scene, event: str) -> tuple[Future[Any], Future[Any], Future[Any]]:
    """The three requests that need the answers of all servers."""
    fetched = scene.start("fetch", timeout=SHORT)
    server_side = scene.start("server_side_emit_ack", event=event, args=[], timeout=SHORT)
    asked = scene.start("emit_ack", event="question", args=[], timeout=SHORT)
    return server_side, fetched, asked


def everything_is_answered(scene: Scene) -> None:
    """Requests wait for nobody who is not there."""
    members = scene.cluster.members
    name = scene.room(str(next(names)))  # an event, and a room
    for member in members:
        member.call("listen", event=name, answer=member.port)
    clients = [scene.client(member, name, answers={"question": member.port}) for member in members]
    ports = {member.port for member in members}
    answers = scene.act("server_side_emit_ack", event=name, args=[])
    assert sorted(answers) == sorted(ports - {scene.acting.port})
    found = scene.act("fetch", to=[name])
    assert {socket["id"] for socket in found} == {client.sid for client in clients}
    assert sorted(scene.act("emit_ack", event="question", args=[], to=[name])) == sorted(ports)
    assert scene.act("server_count") == len(members)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["hangs", "dies"])
def test_a_server_that_is_asked(scene: Scene, invite: Guest, how: str, kind: str) -> None:
    """It costs a timeout, and not the answers of the others."""
    guest = invite(kind)
    event = scene.room("event")
    for number, member in enumerate(scene.cluster.members[:-1]):
        scene.client(member, answers={"question": number})
        member.call("listen", event=event, answer="here")
    silent = scene.client(scene.bystander)
    scene.client(guest, answers={"question": "never"})
    guest.hang()  # Redis counts it as long as its connections are open
    server_side, fetched, asked = ask_everything(scene, event)
    if how == "dies":
        scene.bystander.saw("server_side", event=event)
        silent.expect("question")
        guest.kill()
    error = raised(server_side)
    assert error.kind == "ClusterTimeout"
    assert error.responses == ["here"] * (len(MEMBERS) - 1)
    error = raised(fetched)
    assert error.kind == "ClusterTimeout"
    error = raised(asked)
    assert error.kind == "AckTimeout"
    assert sorted(error.responses or []) == list(range(len(MEMBERS)))
    scene.cluster.remove(guest)
    everything_is_answered(scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_closes_is_waited_for_no_longer(
    scene: Scene, invite: Guest, kind: str
) -> None:
    guest = invite(kind)
    everything_is_answered(scene)
    guest.request_end()
    scene.cluster.remove(guest)
    everything_is_answered(scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_joins_takes_part_at_once(scene: Scene, invite: Guest, kind: str) -> None:
    guest = invite(kind)
    there = scene.cluster.client(guest, ["lobby"])
    scene.emit("news", b"1", to=["lobby"])
    assert scene.heard(there) == [[["news", b"1"]]]
    everything_is_answered(scene)
