"""Messages between workers: JSON, then the bytes that stand in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.base import Target
from flask_realtime.adapters.wire.host import decode_host, encode_host
from flask_realtime.adapters.wire.messages import Broadcast, ServerSideEmit
from flask_realtime.codec.socket_packet import Packet, PacketType

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_values_and_bytes_arrive_as_they_were(value: Any) -> None:
    message = decode_host(encode_host(ServerSideEmit(["hello", value])))
    assert message.data() == {"packet": ["hello", value]}


@pytest.mark.parametrize(
    ("rooms", "request_id", "room"),
    [
        (frozenset(), None, ""),
        (frozenset({"réd"}), None, "réd"),
        (frozenset({"red", "blue"}), None, ""),
        (frozenset({"red"}), "1", ""),
        (frozenset({"x" * 70_000}), None, ""),
    ],
)
def test_the_room_is_in_front_when_there_is_one_and_no_answer_is_due(
    rooms: frozenset[str], request_id: str | None, room: str
) -> None:
    packet = Packet(PacketType.EVENT, "/", ["hello"])
    message = encode_host(Broadcast(packet, Target(rooms), request_id))
    assert decode_host(message).room == room


@given(st.binary(max_size=60))
def test_anything_else_is_a_value_error_at_the_most(data: bytes) -> None:
    try:
        decode_host(data).data()
    except ValueError:
        pass


def test_cut_attachments_are_malformed() -> None:
    message = encode_host(ServerSideEmit(["hello", b"abc"]))
    for end in range(len(message)):
        with pytest.raises(ValueError, match=r"."):
            decode_host(message[:end]).data()
