"""What every adapter does for the sockets of its own server.

A new adapter joins with a class in its own test file::

    from flask_realtime.testing.pytest.adapter_contract import AdapterContract

    class TestMyAdapter(AdapterContract):
        def make(self, namespace: LocalSockets) -> Adapter:
            return MyAdapter(namespace)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from ...adapters.base import Adapter, LocalSockets
from ...adapters.values import Flags, Target
from ...codec.socket_packet import Packet, PacketType
from ..fakes import FakeCollector, FakeNamespace, FakeSocket
from ..waiting import wait_until

EVERYONE = Target()


def event(*args: Any) -> Packet:
    """Return an event packet."""
    return Packet(PacketType.EVENT, "/", list(args))


def to(*rooms: str, but: tuple[str, ...] = (), flags: Flags | None = None) -> Target:
    """Return a target."""
    return Target(frozenset(rooms), frozenset(but), flags or Flags())


# Four sockets: "a" in red, "b" in red and blue, "c" in blue, "d" in no room but its own.
TARGETS = [
    pytest.param(EVERYONE, "abcd", id="everyone"),
    pytest.param(to("red"), "ab", id="a room"),
    pytest.param(to("red", "blue"), "abc", id="rooms that overlap"),
    pytest.param(to("d"), "d", id="the room of an id"),
    pytest.param(to("nowhere"), "", id="an unknown room"),
    pytest.param(to("nowhere", "blue"), "bc", id="an unknown room and another"),
    pytest.param(to(but=("red",)), "cd", id="everyone but a room"),
    pytest.param(to(but=("a",)), "bcd", id="everyone but an id"),
    pytest.param(to(but=("red", "c")), "d", id="everyone but two rooms"),
    pytest.param(to(but=("nowhere",)), "abcd", id="everyone but an unknown room"),
    pytest.param(to("red", but=("blue",)), "a", id="a room but another"),
    pytest.param(to("red", "blue", but=("b",)), "ac", id="rooms but an id"),
    pytest.param(to("red", but=("red",)), "", id="a room but itself"),
]


class AdapterContract:
    """Tests that an adapter has to pass; see the head of the file."""

    def make(self, namespace: LocalSockets) -> Adapter:
        """Return the adapter under test for a namespace; to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def namespace(self) -> Iterator[FakeNamespace]:
        """A namespace that has the adapter under test."""
        namespace = FakeNamespace()
        namespace.adapter = self.make(namespace)
        yield namespace
        namespace.adapter.close()

    @pytest.fixture
    def adapter(self, namespace: FakeNamespace) -> Adapter:
        """The adapter under test."""
        return namespace.adapter

    @pytest.fixture
    def four(self, namespace: FakeNamespace) -> list[FakeSocket]:
        """Four sockets, in the rooms that ``TARGETS`` speaks of."""
        rooms = {"a": ["red"], "b": ["red", "blue"], "c": ["blue"], "d": []}
        return [namespace.connect(sid, *rooms[sid]) for sid in rooms]

    # --- rooms ---------------------------------------------------------------

    def test_a_new_adapter_knows_no_socket(self, adapter: Adapter) -> None:
        assert (adapter.rooms, adapter.sids) == ({}, {})
        assert adapter.sockets() == set()
        assert adapter.fetch_sockets(EVERYONE) == []

    def test_rooms_and_ids_are_each_others_mirror(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        assert adapter.rooms["red"] == {"a", "b"}
        assert adapter.rooms["blue"] == {"b", "c"}
        assert adapter.sids["b"] == {"b", "red", "blue"}
        assert adapter.socket_rooms("d") == {"d"}

    def test_the_rooms_of_an_unknown_socket_are_none(self, adapter: Adapter) -> None:
        assert adapter.socket_rooms("ghost") == set()
        assert "ghost" not in adapter.sids

    def test_the_rooms_that_are_handed_out_are_a_copy(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        adapter.socket_rooms("a").clear()
        assert adapter.socket_rooms("a") == {"a", "red"}

    def test_an_empty_room_is_forgotten(self, adapter: Adapter, four: list[FakeSocket]) -> None:
        adapter.remove("a", "red")
        assert adapter.rooms["red"] == {"b"}
        adapter.remove("b", "red")
        assert "red" not in adapter.rooms

    @pytest.mark.parametrize(("sid", "room"), [("a", "blue"), ("a", "nowhere"), ("ghost", "red")])
    def test_leaving_a_room_one_is_not_in_is_silent(
        self, adapter: Adapter, four: list[FakeSocket], sid: str, room: str
    ) -> None:
        told = journal(adapter)
        adapter.remove(sid, room)
        assert told == []
        assert adapter.rooms["red"] == {"a", "b"}

    def test_a_socket_that_is_removed_leaves_no_trace(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        for sid in ("b", "b", "ghost"):
            adapter.remove_all(sid)
        assert "b" not in adapter.sids
        assert adapter.rooms == {
            "a": {"a"}, "c": {"c"}, "d": {"d"}, "red": {"a"}, "blue": {"c"}
        }  # fmt: skip

    def test_rooms_may_come_from_a_generator(self, adapter: Adapter) -> None:
        adapter.add_all("a", (room for room in ("one", "two")))
        assert adapter.socket_rooms("a") == {"one", "two"}

    def test_who_joins_and_leaves_is_told_in_order(self, adapter: Adapter) -> None:
        told = journal(adapter)
        adapter.add_all("a", ["red"])
        adapter.add_all("b", ["red"])
        adapter.add_all("b", ["red"])
        adapter.remove("a", "red")
        adapter.remove_all("b")
        assert told == [
            ("create-room", "red"),
            ("join-room", "red", "a"),
            ("join-room", "red", "b"),
            ("leave-room", "red", "a"),
            ("leave-room", "red", "b"),
            ("delete-room", "red"),
        ]

    def test_a_room_that_is_filled_again_by_a_listener_stays(self, adapter: Adapter) -> None:
        adapter.add_all("a", ["red"])
        told = journal(adapter)
        adapter.once("leave-room", lambda room, sid: adapter.add_all("b", [room]))
        adapter.remove("a", "red")
        assert adapter.rooms["red"] == {"b"}
        assert ("delete-room", "red") not in told

    @pytest.mark.parametrize("event", ["create-room", "join-room"])
    def test_a_socket_that_a_listener_throws_out_stays_out(
        self, adapter: Adapter, event: str
    ) -> None:
        adapter.once(event, lambda *args: adapter.remove_all("a"))
        adapter.add_all("a", ["red", "blue"])
        assert (adapter.rooms, adapter.sids) == ({}, {})

    @pytest.mark.parametrize("seed", range(5))
    def test_after_any_joining_and_leaving_both_maps_agree(
        self, adapter: Adapter, seed: int
    ) -> None:
        choose = random.Random(seed)
        expected: set[tuple[str, str]] = set()
        for _ in range(300):
            sid, room = choose.choice("abcd"), choose.choice("123")
            match choose.choice(("join", "join", "leave", "go")):
                case "join":
                    adapter.add_all(sid, [room])
                    expected.add((sid, room))
                case "leave":
                    adapter.remove(sid, room)
                    expected.discard((sid, room))
                case "go":
                    adapter.remove_all(sid)
                    expected = {pair for pair in expected if pair[0] != sid}
            assert {(sid, room) for room, sids in adapter.rooms.items() for sid in sids} == expected
            assert {
                (sid, room) for sid, rooms in adapter.sids.items() for room in rooms
            } == expected
            assert all(adapter.rooms.values())

    # --- broadcasts ----------------------------------------------------------

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_a_broadcast_reaches_each_socket_of_its_target_once(
        self, adapter: Adapter, four: list[FakeSocket], target: Target, sids: str
    ) -> None:
        adapter.broadcast(event("hello"), target)
        assert [socket.events for socket in four] == [
            ["hello"] if socket.id in sids else [] for socket in four
        ]

    def test_a_broadcast_is_encoded_once_for_all(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        adapter.broadcast(event("hello", b"bytes"), EVERYONE)
        first, *others = [socket.delivered[0][1] for socket in four]
        assert all(message is first for message in others)
        assert first.text == b'51-["hello",{"_placeholder":true,"num":0}]'
        assert first.attachments == [b"bytes"]

    def test_packets_arrive_in_the_order_of_their_emits(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        for number in range(10):
            adapter.broadcast(event(number), EVERYONE)
        assert [socket.events for socket in four] == [list(range(10))] * 4

    @pytest.mark.parametrize("volatile", [True, False])
    @pytest.mark.parametrize("compress", [True, False])
    def test_the_modifiers_reach_the_socket(
        self, adapter: Adapter, four: list[FakeSocket], volatile: bool, compress: bool
    ) -> None:
        flags = Flags(volatile=volatile, compress=compress)
        adapter.broadcast(event("hello"), to("d", flags=flags))
        ((_, message, was_volatile),) = four[3].delivered
        assert (was_volatile, message.compress) == (volatile, compress)

    def test_what_cannot_be_encoded_reaches_no_client(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        with pytest.raises(TypeError):
            adapter.broadcast(event("hello", object()), EVERYONE)
        assert not any(socket.delivered for socket in four)

    def test_a_socket_that_is_gone_but_still_in_a_room_is_passed_over(
        self, adapter: Adapter, namespace: FakeNamespace, four: list[FakeSocket]
    ) -> None:
        gone = namespace.sockets.pop("a")
        adapter.broadcast(event("hello"), to("red"))
        adapter.broadcast(event("hello"), to(but=("blue",)))
        assert gone.delivered == []
        assert adapter.sockets(["red"]) == {"b"}

    @pytest.mark.parametrize(
        "target", [EVERYONE, to("red"), to(but=("d",))], ids=["all", "to", "but"]
    )
    def test_who_leaves_and_joins_meanwhile_does_not_disturb_a_broadcast(
        self, adapter: Adapter, namespace: FakeNamespace, four: list[FakeSocket], target: Target
    ) -> None:
        one, two = four[:2]

        def change() -> None:
            for socket in (one, two):
                socket.on_deliver = lambda: None
                socket.disconnect()
            namespace.connect("new", "red")

        one.on_deliver = two.on_deliver = change
        adapter.broadcast(event("hello"), target)
        assert (one.events, two.events) == (["hello"], ["hello"])
        assert namespace.sockets["new"].delivered == []

    # --- acknowledgements ----------------------------------------------------

    def test_everyone_is_asked_with_one_id_and_every_answer_is_collected(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        collector = FakeCollector()
        adapter.broadcast_with_ack(event("ready?"), to("red", "blue"), collector)
        asked = four[:3]
        assert collector.expected == 3
        assert {packet.id for socket in asked for packet, _, _ in socket.delivered} == {0}
        assert {message.text for socket in asked for _, message, _ in socket.delivered} == {
            b'20["ready?"]'
        }
        for socket in asked:
            socket.answer(socket.id)
        assert sorted(collector.answers) == [("a",), ("b",), ("c",)]
        assert four[3].delivered == []

    def test_an_answer_may_come_at_once(self, adapter: Adapter, four: list[FakeSocket]) -> None:
        for socket in four:
            socket.on_deliver = socket.answer
        collector = FakeCollector()
        adapter.broadcast_with_ack(event("ready?"), EVERYONE, collector)
        assert collector.expected == len(collector.answers) == 4

    def test_no_answer_is_expected_when_no_client_was_asked(self, adapter: Adapter) -> None:
        collector = FakeCollector()
        adapter.broadcast_with_ack(event("ready?"), EVERYONE, collector)
        assert collector.expected == 0
        collector.end()

    def test_every_question_has_its_own_id(self, adapter: Adapter, four: list[FakeSocket]) -> None:
        first, second = FakeCollector(), FakeCollector()
        adapter.broadcast_with_ack(event("first?"), to("d"), first)
        adapter.broadcast_with_ack(event("second?"), to("d"), second)
        four[3].answer("second")
        assert (first.answers, second.answers) == ([], [("second",)])

    def test_sockets_forget_a_question_that_is_over(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        """The reference server keeps expired acknowledgements until the client leaves."""
        collector, other = FakeCollector(), FakeCollector()
        adapter.broadcast_with_ack(event("ready?"), EVERYONE, collector)
        adapter.broadcast_with_ack(event("sure?"), to("a"), other)
        four[0].disconnect()
        collector.end()
        assert [len(socket.collectors) for socket in four] == [1, 0, 0, 0]

    # --- what servers do to sockets ------------------------------------------

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_a_target_can_be_fetched(
        self, adapter: Adapter, four: list[FakeSocket], target: Target, sids: str
    ) -> None:
        assert sorted(socket.id for socket in adapter.fetch_sockets(target)) == list(sids)

    @pytest.mark.parametrize(
        ("rooms", "sids"), [((), "abcd"), (("red",), "ab"), (["red", "d"], "abd"), (("x",), "")]
    )
    def test_the_ids_in_rooms_can_be_asked_for(
        self, adapter: Adapter, four: list[FakeSocket], rooms: Any, sids: str
    ) -> None:
        assert adapter.sockets(rooms) == set(sids)

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_a_target_join_rooms_at_once(
        self, adapter: Adapter, four: list[FakeSocket], target: Target, sids: str
    ) -> None:
        adapter.add_sockets(target, (room for room in ("new", "newer")))
        assert adapter.rooms.get("new", set()) == adapter.rooms.get("newer", set()) == set(sids)

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_a_target_leave_rooms_at_once(
        self, adapter: Adapter, four: list[FakeSocket], target: Target, sids: str
    ) -> None:
        adapter.del_sockets(target, (room for room in ("red", "blue")))
        assert adapter.rooms.get("red", set()) == {"a", "b"} - set(sids)
        assert adapter.rooms.get("blue", set()) == {"b", "c"} - set(sids)

    @pytest.mark.parametrize("close", [True, False])
    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_a_target_are_disconnected_at_once(
        self, adapter: Adapter, four: list[FakeSocket], target: Target, sids: str, close: bool
    ) -> None:
        adapter.disconnect_sockets(target, close)
        assert [socket.closed for socket in four] == [
            close if socket.id in sids else None for socket in four
        ]

    # --- the cluster of one server -------------------------------------------

    def test_a_server_on_its_own_is_the_whole_cluster(self, adapter: Adapter) -> None:
        assert adapter.server_count() == 1

    def test_no_other_server_means_no_answers_and_no_error(self, adapter: Adapter) -> None:
        """The reference server warns and never calls back."""
        answers: list[Any] = []
        adapter.server_side_emit(
            ["hello"], lambda error, responses: answers.append((error, responses))
        )
        wait_until(lambda: answers)
        assert answers == [(None, [])]

    def test_an_event_for_the_other_servers_stays_away_from_clients(
        self, adapter: Adapter, four: list[FakeSocket]
    ) -> None:
        adapter.server_side_emit(["hello"], None)
        assert not any(socket.delivered for socket in four)

    def test_closing_twice_is_harmless(self, adapter: Adapter) -> None:
        adapter.close()
        adapter.close()


def journal(adapter: Adapter) -> list[tuple[str, ...]]:
    """What listeners are told from now on."""
    told: list[tuple[str, ...]] = []
    for name in ("create-room", "join-room", "leave-room", "delete-room"):
        adapter.on(name, lambda *args, name=name: told.append((name, *args)))
    return told
