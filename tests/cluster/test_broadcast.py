"""Broadcasts from one server reach exactly the right clients of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.client import Client
from tests.cluster.scene import Scene


@dataclass
class Crowd:
    """Clients of three servers in two rooms."""

    scene: Scene

    def __post_init__(self) -> None:
        scene = self.scene
        self.a, self.b = scene.room("a"), scene.room("b")
        self.clients = {
            "here": scene.client(scene.acting, self.a),
            "there": scene.client(scene.observing, self.a),
            "other": scene.client(scene.observing, self.b),
            "both": scene.client(scene.bystander, self.a, self.b),
        }

    def __getitem__(self, name: str) -> Client:
        return self.clients[name]

    def who_heard(self, event: list[Any]) -> set[str]:
        """Who heard this event; once, and nothing else."""
        heard = dict(zip(self.clients, self.scene.heard(*self.clients.values()), strict=True))
        assert all(events in ([], [event]) for events in heard.values()), heard
        return {name for name, events in heard.items() if events}


@pytest.fixture
def crowd(scene: Scene) -> Crowd:
    return Crowd(scene)


EVERYBODY = {"here", "there", "other", "both"}


def test_everybody_hears_what_is_for_everybody(crowd: Crowd) -> None:
    crowd.scene.emit("news", 1, "two")
    assert crowd.who_heard(["news", 1, "two"]) == EVERYBODY


def test_a_room_hears_what_is_for_the_room(crowd: Crowd) -> None:
    crowd.scene.emit("news", to=[crowd.a])
    assert crowd.who_heard(["news"]) == {"here", "there", "both"}


def test_a_client_in_several_of_the_rooms_hears_it_once(crowd: Crowd) -> None:
    crowd.scene.emit("news", to=[crowd.a, crowd.b])
    assert crowd.who_heard(["news"]) == EVERYBODY


def test_a_room_can_be_left_out(crowd: Crowd) -> None:
    crowd.scene.emit("news", except_=[crowd.b])
    assert crowd.who_heard(["news"]) == {"here", "there"}


def test_a_room_can_be_left_out_of_a_room(crowd: Crowd) -> None:
    crowd.scene.emit("news", to=[crowd.a], except_=[crowd.b])
    assert crowd.who_heard(["news"]) == {"here", "there"}


def test_a_client_of_another_server_can_be_addressed_by_its_id(crowd: Crowd) -> None:
    crowd.scene.emit("news", to=[crowd["other"].sid])
    assert crowd.who_heard(["news"]) == {"other"}


def test_a_client_of_another_server_can_be_left_out(crowd: Crowd) -> None:
    crowd.scene.emit("news", except_=[crowd["there"].sid])
    assert crowd.who_heard(["news"]) == EVERYBODY - {"there"}


def test_a_room_without_members_hears_nothing(crowd: Crowd) -> None:
    crowd.scene.emit("news", to=[crowd.scene.room("empty")])
    assert crowd.who_heard(["news"]) == set()


def test_a_socket_does_not_hear_its_own_broadcast(crowd: Crowd) -> None:
    crowd.scene.emit("news", from_=crowd["here"].sid)
    assert crowd.who_heard(["news"]) == EVERYBODY - {"here"}


def test_a_socket_does_not_hear_what_it_sends_to_its_room(crowd: Crowd) -> None:
    crowd.scene.emit("news", from_=crowd["here"].sid, to=[crowd.a])
    assert crowd.who_heard(["news"]) == {"there", "both"}


def test_local_stays_on_the_server(crowd: Crowd) -> None:
    crowd.scene.emit("news", flags={"local": True})
    assert crowd.who_heard(["news"]) == {"here"}


@pytest.mark.parametrize(
    "flags", [{"volatile": True}, {"compress": False}], ids=["volatile", "raw"]
)
def test_modifiers_change_nothing_for_clients_that_listen(
    crowd: Crowd, flags: dict[str, bool]
) -> None:
    crowd.scene.emit("news", 1, to=[crowd.a], flags=flags)
    assert crowd.who_heard(["news", 1]) == {"here", "there", "both"}


VALUES: dict[str, list[Any]] = {
    "nothing": [],
    "null": [None],
    "simple": [True, False, 0, -1, 255, 65_536, -2_147_483_649, 2**53 - 1, 0.1, 1e-300, ""],
    "text": ['grün, 漢字, 🙂, \u0000, \u2028, "quoted" \\ #{$}', "x" * 70_000],
    "nested": [{"a": {"b": [1, [2, {"c": None}]]}, "": 1, "ключ": []}, [], {}],
    "many": [list(range(300)), {str(number): number for number in range(300)}],
    "bytes": [b"", b"\x00\xff\x7b", bytes(range(256)) * 300],
    "bytes inside": [{"file": {"name": "a", "parts": [b"one", b"{two}"]}}, [b"three", 4]],
}


@pytest.mark.parametrize("name", VALUES)
def test_values_arrive_as_they_were(scene: Scene, name: str) -> None:
    here, there = scene.client(scene.acting), scene.client(scene.observing)
    values = VALUES[name]
    scene.emit("values", *values)
    assert scene.heard(here, there) == [[["values", *values]]] * 2


def test_half_an_emoji_breaks_no_message(scene: Scene) -> None:
    """Node writes and reads other characters for it in MessagePack, but not in JSON."""
    here, there = scene.client(scene.acting), scene.client(scene.observing)
    scene.emit("half", "\ud83d", {"a\udc4d": 1}, "after")
    scene.emit("half", "\ud83d" * 100, b"bytes", "after")
    for first, second in scene.heard(here, there):
        assert [first[0], *map(type, first[1:])] == ["half", str, dict, str]
        assert [second[0], type(second[1]), *second[2:]] == ["half", str, b"bytes", "after"]
        if {scene.acting.kind, scene.observing.kind} == {"python"}:
            assert [first[1], second[1]] == ["\ud83d", "\ud83d" * 100]
            assert first[2] == {"a\udc4d": 1}


def test_events_arrive_in_their_order(scene: Scene) -> None:
    room = scene.room("a")
    there = scene.client(scene.observing, room)
    for number in range(100):
        # By turns through the channel of everybody and that of the room.
        scene.start("emit", event="n", args=[number], to=[room] if number % 2 else [])
    assert scene.heard(there) == [[["n", number] for number in range(100)]]


ROOMS = ["with space", "#", "a#b#", "[a-z]*?", "grün 漢字", "42", "4.2", "{x}", "constructor"]


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_may_have_any_name(first_acts: Scene, name: str) -> None:
    scene = first_acts
    member, other = scene.client(scene.observing, name), scene.client(scene.observing)
    scene.emit("news", to=[name])
    assert scene.heard(member, other) == [[["news"]], []]


def test_a_room_may_look_like_the_id_of_a_socket(scene: Scene) -> None:
    room = scene.room("a").ljust(20, "x")
    member, other = scene.client(scene.observing, room), scene.client(scene.observing)
    scene.emit("news", to=[room])
    assert scene.heard(member, other) == [[["news"]], []]


def test_a_namespace_keeps_to_itself(scene: Scene) -> None:
    nsp = scene.namespace()
    room = scene.room("a")
    inside = scene.client(scene.observing, room, nsp=nsp)
    outside = scene.client(scene.observing, room)
    scene.emit("inside", b"1", nsp=nsp)
    scene.emit("inside", 2, nsp=nsp, to=[room])
    scene.emit("outside")
    assert scene.heard(inside, nsp=nsp) == [[["inside", b"1"], ["inside", 2]]]
    assert scene.heard(outside) == [[["outside"]]]


def test_a_namespace_named_like_a_pattern_hears_no_other(first_acts: Scene) -> None:
    scene = first_acts
    starred, plain = scene.namespace("n*"), scene.namespace("nn")
    hears_star = scene.client(scene.observing, nsp=starred)
    hears_plain = scene.client(scene.observing, nsp=plain)
    scene.emit("news", "plain", nsp=plain)
    scene.emit("news", "starred", nsp=starred)
    assert scene.heard(hears_star, nsp=starred) == [[["news", "starred"]]]
    assert scene.heard(hears_plain, nsp=plain) == [[["news", "plain"]]]
