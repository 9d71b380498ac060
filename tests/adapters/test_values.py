"""Targets, flags and the state of sockets: what they mean, and that they stay as they are."""

from __future__ import annotations

import pytest

from flask_realtime.adapters.values import Flags, SavedSocket, Target, with_offset
from flask_realtime.codec.socket_packet import Packet, PacketType


def test_an_emit_is_for_everyone_everywhere_and_must_arrive_unless_it_says_otherwise() -> None:
    target = Target()
    assert (target.rooms, target.except_) == (frozenset(), frozenset())
    assert target.flags == Flags(volatile=False, compress=True, local=False, timeout=None)


@pytest.mark.parametrize(
    ("rooms", "except_", "is_included"),
    [
        ([], [], True),
        (["red"], [], True),
        (["blue"], [], False),
        (["blue", "red"], [], True),
        ([], ["red"], False),
        (["red"], ["green"], False),
        ([], ["blue"], True),
    ],
)
def test_a_target_is_the_union_of_its_rooms_without_those_left_out(
    rooms: list[str], except_: list[str], is_included: bool
) -> None:
    target = Target(frozenset(rooms), frozenset(except_))
    assert target.includes(frozenset({"red", "green"})) is is_included


def test_a_saved_socket_has_joined_no_room_at_a_known_time_unless_it_says_so() -> None:
    saved = SavedSocket("pid", "sid", frozenset({"sid"}), {}, "0-0")
    assert dict(saved.joined) == {}
    with pytest.raises(TypeError):
        saved.joined["red"] = 1  # type: ignore[index]


def test_an_offset_becomes_the_last_argument_of_a_new_packet() -> None:
    packet = Packet(PacketType.EVENT, "/", ("news", 1))
    assert with_offset(packet, "x").data == ["news", 1, "x"]
    assert packet.data == ("news", 1)
