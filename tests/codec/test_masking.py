"""Unmasking: the routine in C and the one in Python return the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.speedups import apply_mask

from flask_realtime.codec.masking import unmask, unmask_in_python
from tests.codec.frames import KEY, masked

Routine: TypeAlias = "Callable[[bytes | bytearray, bytes | bytearray], bytes | bytearray]"

ROUTINES = [pytest.param(apply_mask, id="C"), pytest.param(unmask_in_python, id="Python")]
KINDS = [pytest.param(bytes, id="bytes"), pytest.param(bytearray, id="bytearray")]
WIRE = bytes(range(256)) * 1024
#: Every short length, the edges of both ways of the routine in Python, and two long ones.
SIZES = [*range(201), 511, 512, 513, 65_535, 65_536, 65_539]

# Reads frames of every length form without the package, all in one read and in small ones.
WITHOUT = """
import sys; sys.modules["websockets"] = None
from flask_realtime.codec import masking
from flask_realtime.codec.websocket import TEXT, FrameDecoder
from tests.codec.frames import client_frame
assert masking.unmask is masking.unmask_in_python
texts = ["x" * size for size in (0, 1, 5, 125, 126, 511, 512, 70_000)]
wire = b"".join([client_frame(TEXT, text.encode()) for text in texts])
pieces = [wire[start : start + 7] for start in range(0, len(wire), 7)]
for chunks in ([wire], pieces):
    decoder = FrameDecoder(100_000)
    assert [text for chunk in chunks for text in decoder.receive(chunk)] == texts
"""


@pytest.mark.parametrize("routine", ROUTINES)
def test_the_example_of_the_specification_is_unmasked(routine: Routine) -> None:
    """RFC 6455 §5.7, "a single-frame masked text message"."""
    assert routine(bytes.fromhex("7f9f4d5158"), KEY) == b"Hello"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("routine", ROUTINES)
def test_every_length_is_unmasked_wherever_it_begins(
    routine: Routine, kind: type[bytes | bytearray]
) -> None:
    for size in SIZES:
        for start in (0, 1, 6, 7, 13):
            plain = WIRE[start : start + size]
            found = routine(kind(masked(plain, KEY)), kind(KEY))
            assert found == plain, (size, start)


@given(st.binary(max_size=3000), st.binary(min_size=4, max_size=4))
def test_both_return_the_same_for_any_payload_and_key(payload: bytes, key: bytes) -> None:
    assert apply_mask(payload, key) == unmask_in_python(payload, key) == masked(payload, key)


@pytest.mark.parametrize("routine", ROUTINES)
def test_what_was_given_is_not_changed(routine: Routine) -> None:
    for size in (64, 1000):
        payload, key = bytearray(WIRE[:size]), bytearray(KEY)
        assert routine(payload, key) is not payload
        assert bytes(payload) == WIRE[:size]
        assert bytes(key) == KEY


def test_the_routine_in_c_is_used_when_it_is_installed() -> None:
    assert unmask is apply_mask


def test_without_the_package_frames_are_read_in_python() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
