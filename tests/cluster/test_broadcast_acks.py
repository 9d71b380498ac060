"""Broadcasts that ask: the answers of the clients of all servers come together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.client import Client
from tests.cluster.member import Refused
from tests.cluster.scene import Scene


def answering(scene: Scene, *rooms: str) -> list[Client]:
    """One client of each server that answers with the name of its server."""
    names = ("acting", "observing", "bystander")
    return [
        scene.client(getattr(scene, name), *rooms, answers={"question": name}) for name in names
    ]


def ask(scene: Scene, *args: Any, **order: Any) -> list[Any]:
    found: list[Any] = scene.act("emit_ack", event="question", args=list(args), **order)
    return found


def test_every_client_answers(scene: Scene) -> None:
    clients = answering(scene)
    assert sorted(ask(scene, 1, "two")) == ["acting", "bystander", "observing"]
    for client in clients:
        client.expect("question", 1, "two")


def test_several_clients_of_one_server_answer(scene: Scene) -> None:
    for number in range(5):
        scene.client(scene.observing, answers={"question": number})
    assert sorted(ask(scene)) == [0, 1, 2, 3, 4]


def test_only_the_rooms_that_are_meant_are_asked(scene: Scene) -> None:
    a, b = scene.room("a"), scene.room("b")
    for number, rooms in enumerate(([a], [b], [a, b], [])):
        scene.client(scene.observing, *rooms, answers={"question": number})
    assert sorted(ask(scene, to=[a])) == [0, 2]
    assert sorted(ask(scene, to=[a, b])) == [0, 1, 2]
    assert sorted(ask(scene, except_=[b])) == [0, 3]


def test_one_client_of_another_server_is_asked(scene: Scene) -> None:
    _, there, _ = answering(scene)
    assert ask(scene, to=[there.sid]) == ["observing"]


def test_local_asks_the_own_clients_only(scene: Scene) -> None:
    if scene.acting.kind == "node":
        return  # it waits for the other servers although it has not asked them
    answering(scene)
    assert ask(scene, flags={"local": True}) == ["acting"]


def test_nobody_gives_no_answers(scene: Scene) -> None:
    answering(scene)
    assert ask(scene, to=[scene.room("empty")]) == []


def test_the_first_value_of_each_answer_counts(scene: Scene) -> None:
    scene.client(scene.observing, answers={"question": ("first", "second")})
    assert ask(scene) == ["first"]


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1]}, b"\x00\xff", {"b": [b"1", "2"]}])
def test_values_come_back_as_they_were(first_acts: Scene, value: Any) -> None:
    first_acts.client(first_acts.observing, answers={"question": value})
    assert ask(first_acts, value) == [value]


def test_bytes_go_and_come(scene: Scene) -> None:
    there = scene.client(scene.observing, answers={"question": b"\x01{answer"})
    assert ask(scene, {"data": b"{\xff"}) == [b"\x01{answer"]
    there.expect("question", {"data": b"{\xff"})


def test_a_namespace_is_asked(scene: Scene) -> None:
    nsp = scene.namespace()
    scene.client(scene.observing, nsp=nsp, answers={"question": "inside"})
    scene.client(scene.observing, answers={"question": "outside"})
    assert ask(scene, nsp=nsp) == ["inside"]


def test_who_is_silent_costs_a_timeout_and_not_the_other_answers(scene: Scene) -> None:
    answering(scene)
    scene.client(scene.observing)
    with pytest.raises(Refused) as refused:
        ask(scene, timeout=0.3)
    assert refused.value.kind == "AckTimeout"
    assert sorted(refused.value.responses or []) == ["acting", "bystander", "observing"]


def test_a_client_answers_each_question_of_many(scene: Scene) -> None:
    answering(scene)
    waiting = [scene.start("emit_ack", event="question", args=[n]) for n in range(20)]
    for answer in waiting:
        assert sorted(answer.result(10)) == ["acting", "bystander", "observing"]
