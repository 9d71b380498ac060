"""Messages between workers: JSON, then the bytes that stand in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.values import SavedSocket, Target
from flask_realtime.adapters.wire.host import (
    FindSession,
    FoundSession,
    SessionFound,
    decode_host,
    encode_host,
)
from flask_realtime.adapters.wire.messages import Broadcast, ServerSideEmit
from flask_realtime.codec.message import Message
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


@pytest.mark.parametrize("offset", [None, "abc.1"])
def test_a_session_is_asked_for(offset: str | None) -> None:
    question = FindSession("pid", offset, "1")
    assert decode_host(encode_host(question)).message("me", "/") == question


def test_a_session_moves_with_what_its_client_has_missed() -> None:
    session = SavedSocket("pid", "sid", frozenset({"a", "b"}), {"n": [1, b"x"]}, "")
    missed = [Message(b'2["a"]'), Message(b"5", [b"x", b"y"], False), Message(None, [b"z"])]
    answer = SessionFound("1", FoundSession(session, missed, {"tag1": 7}))
    arrived = decode_host(encode_host(answer)).message("me", "/")
    assert isinstance(arrived, SessionFound)
    found = arrived.found
    assert found is not None
    assert (found.session, found.seen) == (session, {"tag1": 7})
    forms = [(message.text, [*message.attachments], message.compress) for message in found.missed]
    assert forms == [(b'2["a"]', [], True), (b"5", [b"x", b"y"], False), (None, [b"z"], True)]


def test_a_session_that_is_not_there_is_an_answer_as_well() -> None:
    answer = SessionFound("1", None)
    assert decode_host(encode_host(answer)).message("me", "/") == answer


def test_a_broadcast_that_is_kept_has_a_number() -> None:
    packet = Packet(PacketType.EVENT, "/", ["hello"])
    broadcast = Broadcast(packet, Target())
    arrived = decode_host(encode_host(broadcast, 2**40))
    assert (arrived.number, arrived.message("me", "/")) == (2**40, broadcast)


@given(st.binary(max_size=60))
def test_anything_else_is_a_value_error_at_the_most(data: bytes) -> None:
    try:
        decode_host(data).message("me", "/")
    except ValueError:
        pass


def test_cut_attachments_are_malformed() -> None:
    message = encode_host(ServerSideEmit(["hello", b"abc"]))
    for end in range(len(message)):
        with pytest.raises(ValueError, match=r"."):
            decode_host(message[:end]).data()
