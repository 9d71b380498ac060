"""Frames between workers: any cut is understood, nothing unbounded is kept."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.hosts.workers.frames import (
    MAX_FRAME,
    Frame,
    FrameDecoder,
    Hello,
    Kind,
    encode_frame,
    join_numbers,
    join_parts,
    split_numbers,
    split_parts,
)

FRAMES = st.lists(st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=50)), max_size=6)


@given(FRAMES, st.integers(1, 40))
def test_frames_arrive_as_they_were_sent_in_pieces_of_any_size(
    frames: list[Frame], size: int
) -> None:
    data = b"".join(encode_frame(*frame) for frame in frames)
    decoder, found = FrameDecoder(), list[Frame]()
    for start in range(0, len(data), size):
        found += decoder.receive(data[start : start + size])
    assert found == frames


def test_a_frame_that_is_too_long_is_refused_before_it_has_arrived() -> None:
    with pytest.raises(ValueError, match="too long"):
        FrameDecoder().receive(struct.pack("!IB", MAX_FRAME + 1, Kind.HELLO))
    with pytest.raises(ValueError, match="too long"):
        encode_frame(Kind.HELLO, bytes(MAX_FRAME + 1))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        FrameDecoder().receive(struct.pack("!IB", 0, 99))


def test_a_greeting_says_version_tag_and_process() -> None:
    hello = Hello(1, "abcd", 7)
    assert Hello.decode(hello.encode()) == hello


@pytest.mark.parametrize("payload", [b"", b"1", b"{}", b'{"version":1,"tag":2,"pid":3}', b"\xff"])
def test_anything_else_is_no_greeting(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Hello.decode(payload)


def test_values_and_bytes_travel_together() -> None:
    about = {"number": 1, "peer": ["127.0.0.1", 2], "text": "é\x85"}
    assert split_parts(join_parts(about, b"\x00GET")) == (about, b"\x00GET")
    assert split_parts(join_parts({}, b"\x00GET")) == ({}, b"\x00GET")


def test_a_connection_has_its_numbers_before_all_else() -> None:
    assert split_numbers(join_numbers(2**40, 3, b"parts")) == (2**40, 3, b"parts")
    with pytest.raises(ValueError, match="cut off"):
        split_numbers(bytes(8))


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\5{}", b"\0\0\0\2[]", b"\0\0\0\2{]"])
def test_what_was_not_joined_cannot_be_split(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_parts(payload)
