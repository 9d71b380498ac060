"""Events from server to server, with and without answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.member import Member, Refused
from tests.cluster.scene import Scene
from tests.processes import eventually

VALUES: list[Any] = [1, 0.5, "grün", None, True, [1, [2]], {"a": {"b": None}}]


def others(scene: Scene) -> list[Member]:
    return [member for member in scene.cluster.members if member is not scene.acting]


def listen(scene: Scene, event: str, **more: Any) -> None:
    """Let every server listen, and answer with its place in the cluster."""
    for number, member in enumerate(scene.cluster.members):
        member.call("listen", **{"event": event, "answer": number, **more})


def ask(scene: Scene, event: str, *args: Any, **more: Any) -> list[Any]:
    found: list[Any] = scene.act("server_side_emit_ack", event=event, args=list(args), **more)
    return found


def test_the_other_servers_hear_it(scene: Scene) -> None:
    event = scene.room("event")
    listen(scene, event)
    scene.act("server_side_emit", event=event, args=VALUES)
    for member in others(scene):
        assert member.saw("server_side", event=event)["args"] == VALUES
    # The answer of another server shows that everything before it has been handled.
    ask(scene, event, "again")
    assert scene.acting.reports("server_side", event=event) == []
    eventually(
        lambda: len(scene.observing.reports("server_side", event=event)) == 2, what="two reports"
    )


def test_clients_do_not_hear_it(scene: Scene) -> None:
    event = scene.room("event")
    listen(scene, event)
    there = scene.client(scene.observing)
    ask(scene, event)
    assert scene.heard(there) == [[]]


def test_each_other_server_answers(scene: Scene) -> None:
    event = scene.room("event")
    listen(scene, event)
    expected = [n for n, m in enumerate(scene.cluster.members) if m is not scene.acting]
    assert sorted(ask(scene, event, 1)) == expected


def test_values_go_and_come(scene: Scene) -> None:
    event = scene.room("event")
    listen(scene, event, answer=VALUES)
    assert ask(scene, event, *VALUES) == [VALUES] * len(others(scene))
    assert scene.observing.saw("server_side", event=event)["args"] == VALUES


def test_bytes_go_and_come_where_the_format_has_them(scene: Scene) -> None:
    if scene.cluster.family.adapter == "classic":
        return  # JSON alone, also between Node's servers
    event = scene.room("event")
    listen(scene, event, answer={"b": b"{\xff"})
    assert ask(scene, event, b"\x00", [b"{"]) == [{"b": b"{\xff"}] * len(others(scene))
    assert scene.observing.saw("server_side", event=event)["args"] == [b"\x00", [b"{"]]


def test_namespaces_are_separate(scene: Scene) -> None:
    event, nsp = scene.room("event"), scene.namespace()
    listen(scene, event, nsp=nsp, answer="inside")
    listen(scene, event, answer="outside")
    assert ask(scene, event, nsp=nsp) == ["inside"] * len(others(scene))
    assert scene.observing.reports("server_side", event=event, nsp="/") == []


def test_there_is_no_answer_where_there_is_no_other_server(scene: Scene) -> None:
    nsp = f"/alone-{scene.tag}"
    scene.act("of", nsp=nsp)
    assert ask(scene, scene.room("event"), nsp=nsp) == []


def test_many_questions_at_once_do_not_mix(scene: Scene) -> None:
    events = [scene.room(str(number)) for number in range(10)]
    for event in events:
        listen(scene, event, answer=event)
    waiting = [scene.start("server_side_emit_ack", event=event, args=[]) for event in events]
    found = [answer.result(10) for answer in waiting]
    assert found == [[event] * len(others(scene)) for event in events]


def test_who_is_silent_costs_a_timeout_and_not_the_other_answers(first_acts: Scene) -> None:
    event = first_acts.room("event")
    first_acts.observing.call("listen", event=event, silent=True)
    first_acts.bystander.call("listen", event=event, answer="here")
    with pytest.raises(Refused) as refused:
        ask(first_acts, event, timeout=0.3)
    assert refused.value.kind == "ClusterTimeout"
    assert refused.value.responses == ["here"]


def test_a_server_without_a_listener_costs_a_timeout(first_acts: Scene) -> None:
    event = first_acts.room("event")
    first_acts.bystander.call("listen", event=event, answer="here")
    with pytest.raises(Refused) as refused:
        ask(first_acts, event, timeout=0.3)
    assert refused.value.responses == ["here"]


def test_all_servers_are_counted(scene: Scene) -> None:
    assert scene.act("server_count") == len(scene.cluster.members)
    nsp = scene.namespace()
    assert scene.act("server_count", nsp=nsp) == len(scene.cluster.members)
