"""Hostile WebSocket frames are refused with the right code, at once, in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.websocket import Control, FrameDecoder
from flask_realtime.errors import FrameError
from tests.codec.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    client_header,
)

LIMIT = 1_000_000


def refusal(*chunks: bytes, limit: int = LIMIT) -> int:
    """The close code with which the last chunk is answered, and nothing before it."""
    decoder = FrameDecoder(limit)
    for chunk in chunks[:-1]:
        assert decoder.receive(chunk) == []
    (error,) = decoder.receive(chunks[-1])
    assert isinstance(error, FrameError)
    return error.close_code


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """What is allocated inside stays below ``most`` bytes at all times."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


@contextmanager
def little_time(most: float) -> Iterator[None]:
    """The processor needs less than ``most`` seconds for what is inside."""
    start = time.process_time()
    yield
    assert time.process_time() - start < most


# --- headers -----------------------------------------------------------------

BEFORE = {
    "in the first frame": b"",
    "after a message": client_frame(PONG),
    "between fragments": client_frame(TEXT, b"x", fin=False),
}
CONTEXTS = [pytest.param(before, id=name) for name, before in BEFORE.items()]


def answer(before: bytes, wire: bytes) -> int:
    decoder = FrameDecoder(LIMIT)
    decoder.receive(before)
    (error,) = decoder.receive(wire)
    assert isinstance(error, FrameError)
    return error.close_code


@pytest.mark.parametrize("before", CONTEXTS)
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("reserved", [0x40, 0x20, 0x10, 0x70], ids=["RSV1", "RSV2", "RSV3", "all"])
def test_reserved_bits_are_refused(reserved: int, opcode: int, before: bytes) -> None:
    """CVE-2022-21676: a frame with RSV2 or RSV3 ended the server's process."""
    assert answer(before, client_frame(opcode, b"x", reserved=reserved)) == 1002


@pytest.mark.parametrize("before", CONTEXTS)
@pytest.mark.parametrize("fin", [True, False], ids=["final", "fragment"])
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_are_refused(opcode: int, fin: bool, before: bytes) -> None:
    """CVE-2022-21676."""
    assert answer(before, client_frame(opcode, b"x", fin=fin)) == 1002


@pytest.mark.parametrize("before", CONTEXTS)
@pytest.mark.parametrize("size", [0, 5, 200, 70_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_unmasked_frames_are_refused(opcode: int, size: int, before: bytes) -> None:
    """RFC 6455 §5.1; gevent-websocket 0.10.1 accepts them."""
    assert answer(before, client_header(opcode, size, masked=False) + bytes(size)) == 1002


@pytest.mark.parametrize("before", CONTEXTS)
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 65536], ids=["16 bits", "64 bits"])
def test_control_frames_above_125_bytes_are_refused(size: int, opcode: int, before: bytes) -> None:
    """ws before 1.0.1 disclosed memory through long pings; RFC 6455 §5.5."""
    assert answer(before, client_header(opcode, size)) == 1002


@pytest.mark.parametrize("before", CONTEXTS)
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_in_fragments_are_refused(opcode: int, before: bytes) -> None:
    assert answer(before, client_frame(opcode, b"x", fin=False)) == 1002


@pytest.mark.parametrize(
    ("wire", "size"),
    [
        pytest.param(b"\x82\xfe\x00\x00", 0, id="0 in 16 bits"),
        pytest.param(b"\x82\xfe\x00\x7d", 125, id="125 in 16 bits"),
        pytest.param(b"\x82\xff" + bytes(8), 0, id="0 in 64 bits"),
        pytest.param(b"\x82\xff" + bytes(7) + b"\x7e", 126, id="126 in 64 bits"),
        pytest.param(b"\x82\xff" + bytes(6) + b"\xff\xff", 65535, id="65535 in 64 bits"),
    ],
)
def test_lengths_in_more_bytes_than_they_need_are_refused(wire: bytes, size: int) -> None:
    """RFC 6455 §5.2: the minimal number of bytes must be used."""
    assert refusal(wire + bytes(4 + size)) == 1002


@pytest.mark.parametrize("fin", [True, False], ids=["final", "fragment"])
def test_a_continuation_of_nothing_is_refused(fin: bool) -> None:
    assert refusal(client_frame(CONTINUATION, b"x", fin=fin)) == 1002
    done = client_frame(TEXT, b"x", fin=False) + client_frame(CONTINUATION)
    assert answer(done, client_frame(CONTINUATION, b"x", fin=fin)) == 1002


@pytest.mark.parametrize("fin", [True, False], ids=["final", "fragment"])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_a_message_inside_a_message_is_refused(opcode: int, fin: bool) -> None:
    assert refusal(client_frame(TEXT, b"x", fin=False), client_frame(opcode, fin=fin)) == 1002


# --- contents ----------------------------------------------------------------

INVALID_UTF8 = {
    "a lone continuation": b"\x80",
    "a start without its continuation": b"\xc3",
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL in three bytes": b"\xe0\x80\x80",
    "an overlong euro in four bytes": b"\xf0\x82\x82\xac",
    "a surrogate": b"\xed\xa0\x80",
    "a surrogate pair": b"\xed\xa0\x80\xed\xb0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "0xFE": b"\xfe",
    "0xFF after a valid start": b"\xce\xba\xe1\xbd\xb9\xff",
}
INVALID = [pytest.param(text, id=name) for name, text in INVALID_UTF8.items()]


@pytest.mark.parametrize("text", INVALID)
@pytest.mark.parametrize("padding", [b"", b"x" * 200], ids=["short", "long"])
def test_text_that_is_not_utf8_is_refused(text: bytes, padding: bytes) -> None:
    assert refusal(client_frame(TEXT, padding + text)) == 1007


@pytest.mark.parametrize("text", INVALID)
def test_text_that_is_not_utf8_is_refused_across_fragments(text: bytes) -> None:
    first = client_frame(TEXT, b"ok " + text[:1], fin=False)
    assert refusal(first, client_frame(CONTINUATION, text[1:])) == 1007


def test_a_character_may_be_cut_by_a_fragment_but_not_by_the_end() -> None:
    smile = "\U0001f600".encode()
    parts = [client_frame(TEXT, smile[:1], fin=False), client_frame(CONTINUATION, smile[1:])]
    assert FrameDecoder(LIMIT).receive(b"".join(parts)) == ["\U0001f600"]
    assert refusal(parts[0], client_frame(CONTINUATION, smile[1:3])) == 1007


ALLOWED = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
REFUSED = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", ALLOWED)
def test_close_codes_that_peers_may_send_are_accepted(code: int) -> None:
    payload = code.to_bytes(2, "big") + b"bye"
    assert FrameDecoder(LIMIT).receive(client_frame(CLOSE, payload)) == [
        Control(CLOSE, payload, code)
    ]


@pytest.mark.parametrize("code", REFUSED)
def test_close_codes_that_must_not_be_sent_are_refused(code: int) -> None:
    """RFC 6455 §7.4: 1004 to 1006 and 1015 never travel, the rest is not assigned."""
    assert refusal(client_frame(CLOSE, code.to_bytes(2, "big"))) == 1002


def test_half_a_close_code_is_refused() -> None:
    assert refusal(client_frame(CLOSE, b"\x03")) == 1002


@pytest.mark.parametrize("text", INVALID)
def test_a_close_reason_that_is_not_utf8_is_refused(text: bytes) -> None:
    assert refusal(client_frame(CLOSE, b"\x03\xe8" + text)) == 1007


# --- after an error ----------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(client_frame(TEXT, b"\xff"), id="a short text"),
        pytest.param(client_frame(TEXT, b"\xff" * 200), id="a long text"),
        pytest.param(client_frame(3), id="an opcode"),
    ],
)
def test_nothing_is_read_after_an_error(wrong: bytes) -> None:
    good = client_frame(TEXT, b"good")
    decoder = FrameDecoder(LIMIT)
    first, error = decoder.receive(good + wrong + good)
    assert first == "good"
    assert isinstance(error, FrameError)
    assert decoder.receive(good) == []
    assert decoder.receive(client_frame(BINARY, bytes(300))) == []


def test_nothing_is_kept_after_an_error() -> None:
    decoder = FrameDecoder(LIMIT)
    assert len(decoder.receive(client_frame(3))) == 1
    chunk = bytes(100_000)
    with little_memory(10_000):
        for _ in range(100):
            assert decoder.receive(chunk) == []


heads = st.builds(
    lambda first, second, rest: bytes((first, second)) + rest,
    st.sampled_from([0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0x83]),
    st.sampled_from([0x80, 0x81, 0x82, 0x85, 0xFD, 0xFE, 0xFF, 0x05]),
    st.binary(max_size=20),
)


@given(st.lists(st.one_of(st.binary(max_size=300), heads), max_size=12))
def test_any_bytes_are_read_without_an_exception(chunks: list[bytes]) -> None:
    decoder = FrameDecoder(200)
    received = [item for chunk in chunks for item in decoder.receive(chunk)]
    assert all(isinstance(item, (str, bytes, Control, FrameError)) for item in received)
    assert not any(isinstance(item, FrameError) for item in received[:-1])


# --- limits ------------------------------------------------------------------


def test_a_claim_of_2_to_the_62_bytes_is_refused_without_memory() -> None:
    """gevent-websocket 0.10.1 passes such a length on to read()."""
    with little_memory(20_000):
        assert refusal(client_header(BINARY, 1 << 62)) == 1009


def test_endless_empty_fragments_take_no_memory() -> None:
    """CVE-2026-48779 and CVE-2026-42786: an object for each fragment outgrew its payload."""
    decoder = FrameDecoder(LIMIT)
    decoder.receive(client_frame(TEXT, fin=False))
    fragments = client_frame(CONTINUATION, fin=False) * 100
    with little_memory(50_000):
        for _ in range(1000):
            assert decoder.receive(fragments) == []


def test_fragments_of_one_byte_take_as_much_memory_as_the_message() -> None:
    """CVE-2026-48779."""
    decoder = FrameDecoder(LIMIT)
    decoder.receive(client_frame(BINARY, fin=False))
    fragments = client_frame(CONTINUATION, b"x", fin=False) * 100
    with little_memory(100_000):
        for _ in range(300):
            assert decoder.receive(fragments) == []
    (message,) = decoder.receive(client_frame(CONTINUATION))
    assert message == b"x" * 30_000


def test_an_unfinished_frame_takes_as_much_memory_as_has_arrived() -> None:
    decoder = FrameDecoder(LIMIT)
    with little_memory(50_000):
        assert decoder.receive(client_header(BINARY, LIMIT) + bytes(4 + 10_000)) == []


def test_a_decoder_without_an_unfinished_message_holds_nothing() -> None:
    decoder = FrameDecoder(LIMIT)
    tracemalloc.start()
    try:
        decoder.receive(client_frame(BINARY, bytes(900_000), key=bytes(4)) + client_frame(PING))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000


def test_a_large_message_in_small_pieces_takes_time_in_proportion_to_its_size() -> None:
    """CVE-2020-36048: each piece copied all that had come before it, here 64 GB."""
    decoder = FrameDecoder(1 << 30)
    piece = bytes(2048)
    with little_time(2):
        assert decoder.receive(client_header(BINARY, 16 << 20) + bytes(4)) == []
        for _ in range((8 << 10) - 1):
            assert decoder.receive(piece) == []
        (message,) = decoder.receive(piece)
    assert message == bytes(16 << 20)


def test_many_frames_at_once_take_time_in_proportion_to_their_number() -> None:
    wire = client_frame(PONG) * 100_000
    with little_time(3):
        assert len(FrameDecoder(LIMIT).receive(wire)) == 100_000
