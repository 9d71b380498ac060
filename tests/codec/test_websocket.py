"""Messages and frames: the examples of RFC 6455, every length form, every way of arriving."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Control,
    FrameDecoder,
    encode_close,
    encode_frame,
    message_frame,
)
from flask_realtime.errors import FrameError
from tests.codec.frames import CONTINUATION, Frame, client_frame, client_header, server_frames

LIMIT = 1_000_000
SIZES = [0, 1, 124, 125, 126, 127, 511, 512, 513, 65535, 65536, 65537]


def receive(*chunks: bytes, limit: int = LIMIT) -> list[Any]:
    """Everything that a new decoder returns; errors as ``(close code, text)``."""
    decoder = FrameDecoder(limit)
    return [plain(item) for chunk in chunks for item in decoder.receive(chunk)]


def plain(item: object) -> object:
    return (item.close_code, str(item)) if isinstance(item, FrameError) else item


# --- what the server sends ---------------------------------------------------


@pytest.mark.parametrize(
    ("opcode", "payload", "head"),
    [
        pytest.param(TEXT, b"Hello", "8105", id="text"),
        pytest.param(PING, b"Hello", "8905", id="ping"),
        pytest.param(BINARY, bytes(256), "827e0100", id="256 bytes"),
        pytest.param(BINARY, bytes(65536), "827f0000000000010000", id="64 KiB"),
    ],
)
def test_frames_are_those_of_the_examples(opcode: int, payload: bytes, head: str) -> None:
    """RFC 6455 §5.7, the unmasked ones."""
    assert encode_frame(opcode, payload) == bytes.fromhex(head) + payload


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_is_final_unmasked_and_as_long_as_its_payload(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    assert server_frames(encode_frame(BINARY, payload[:size])) == [
        Frame(True, BINARY, payload[:size])
    ]


@pytest.mark.parametrize("size", SIZES)
def test_the_frame_of_a_message_begins_with_the_digit_of_engine_io(size: int) -> None:
    assert server_frames(message_frame(b"x" * size)) == [Frame(True, TEXT, b"4" + b"x" * size)]


@pytest.mark.parametrize(
    ("frame", "payload"),
    [
        pytest.param(encode_close(), b"", id="no code"),
        pytest.param(encode_close(1000), b"\x03\xe8", id="a code"),
        pytest.param(encode_close(1009, "too big"), b"\x03\xf1too big", id="a code and a reason"),
        pytest.param(
            encode_close(1000, "x" * 123), b"\x03\xe8" + b"x" * 123, id="as long as it can"
        ),
        pytest.param(encode_close(1000, "x" * 124), b"\x03\xe8" + b"x" * 123, id="cut"),
    ],
)
def test_a_close_frame_carries_its_code_and_reason(frame: bytes, payload: bytes) -> None:
    assert server_frames(frame) == [Frame(True, CLOSE, payload)]


@pytest.mark.parametrize(
    "reason",
    ["é" * 62, "x" + "€" * 41, "xy" + "\U0001f600" * 31],
    ids=["two bytes", "three bytes", "four bytes"],
)
def test_a_long_reason_is_cut_between_characters(reason: str) -> None:
    """RFC 6455 §5.5.1: the reason is UTF-8; clients answer anything else with 1007."""
    (frame,) = server_frames(encode_close(1000, reason))
    assert len(frame.payload) <= 125
    assert reason.startswith(frame.payload[2:].decode())


# --- what the client sends ---------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param("818537fa213d7f9f4d5158", ["Hello"], id="text"),
        pytest.param("8a8537fa213d7f9f4d5158", [Control(PONG, b"Hello")], id="pong"),
        pytest.param("898537fa213d7f9f4d5158", [Control(PING, b"Hello")], id="ping"),
        pytest.param("018337fa213d7f9f4d808237fa213d5b95", ["Hello"], id="fragments"),
        pytest.param("818000000000", [""], id="empty text"),
        pytest.param("828000000000", [b""], id="empty binary"),
    ],
)
def test_masked_frames_are_read_as_in_the_examples(wire: str, expected: list[Any]) -> None:
    """RFC 6455 §5.7, the masked ones."""
    assert receive(bytes.fromhex(wire)) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_messages_of_every_length_form_are_unmasked(opcode: int, size: int) -> None:
    payload = (b"0123456789abcdef!" * (size // 17 + 1))[:size]
    expected = payload.decode() if opcode == TEXT else payload
    assert receive(client_frame(opcode, payload)) == [expected]


@given(st.binary(max_size=2000), st.binary(min_size=4, max_size=4))
def test_any_payload_and_any_key_come_out_plain(payload: bytes, key: bytes) -> None:
    assert receive(client_frame(BINARY, payload, key=key)) == [payload]


def test_a_binary_message_is_bytes_whatever_its_size() -> None:
    for size in (0, 10, 600):
        (message,) = FrameDecoder(LIMIT).receive(client_frame(BINARY, bytes(size)))
        assert type(message) is bytes


def test_a_ping_between_fragments_is_returned_before_the_message() -> None:
    wire = (
        client_frame(TEXT, b"one ", fin=False)
        + client_frame(PING, b"?")
        + client_frame(CONTINUATION, b"two ", fin=False)
        + client_frame(PONG)
        + client_frame(CONTINUATION, b"three")
    )
    assert receive(wire) == [Control(PING, b"?"), Control(PONG, b""), "one two three"]


def test_a_short_text_frame_that_arrives_while_another_is_unfinished_waits_for_it() -> None:
    first, second = client_frame(TEXT, b"first"), client_frame(TEXT, b"second")
    assert receive(first[:5], first[5:] + second, second) == ["first", "second", "second"]


def test_a_message_may_be_fragmented_and_the_next_one_whole() -> None:
    assert receive(
        client_frame(BINARY, b"a", fin=False),
        client_frame(CONTINUATION, b"b"),
        client_frame(TEXT, b"c"),
    ) == [b"ab", "c"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"", Control(CLOSE, b"", 1005), id="no body"),
        pytest.param(b"\x03\xe8", Control(CLOSE, b"\x03\xe8", 1000), id="a code"),
        pytest.param(
            b"\x03\xe8bye \xe2\x82\xac",
            Control(CLOSE, b"\x03\xe8bye \xe2\x82\xac", 1000),
            id="a code and a reason",
        ),
    ],
)
def test_a_close_frame_tells_its_code(payload: bytes, expected: Control) -> None:
    assert receive(client_frame(CLOSE, payload)) == [expected]


# --- however it arrives ------------------------------------------------------

messages = st.one_of(st.text(max_size=200), st.binary(max_size=200), st.just("x" * 70_000))
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)).map(
    lambda control: Control(*control)
)


@st.composite
def sent(draw: st.DrawFn) -> tuple[list[Any], bytes]:
    """Messages in fragments with control frames between them, and the same on the wire."""
    expected: list[Any] = []
    wire = b""
    for message in draw(st.lists(messages, min_size=1, max_size=4)):
        payload = message.encode() if isinstance(message, str) else message
        opcode = TEXT if isinstance(message, str) else BINARY
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        edges = [0, *cuts, len(payload)]
        for index, (start, end) in enumerate(pairwise(edges)):
            key = draw(st.sampled_from([bytes(4), b"\x37\xfa\x21\x3d", b"\xff\xff\xff\xff"]))
            part = payload[start:end]
            wire += client_frame(opcode, part, fin=index == len(cuts), key=key)
            opcode = CONTINUATION
            if index < len(cuts) and draw(st.booleans()):
                control = draw(controls)
                expected.append(control)
                wire += client_frame(control.opcode, control.payload)
        expected.append(message)
    return expected, wire


def chunked(wire: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges)]


@given(sent(), st.lists(st.integers(0, 100_000), max_size=8))
def test_the_same_messages_come_out_however_the_bytes_are_cut(
    messages_and_wire: tuple[list[Any], bytes], cuts: list[int]
) -> None:
    expected, wire = messages_and_wire
    assert receive(wire) == expected
    assert receive(*chunked(wire, cuts)) == expected


def test_frames_may_arrive_byte_by_byte() -> None:
    wire = b"".join(
        [
            client_frame(TEXT, b"short"),
            client_frame(BINARY, bytes(range(200))),
            client_frame(TEXT, "é".encode()[:1], fin=False),
            client_frame(CONTINUATION, "é".encode()[1:]),
            client_frame(CLOSE, b"\x03\xe9"),
        ]
    )
    expected = ["short", bytes(range(200)), "é", Control(CLOSE, b"\x03\xe9", 1001)]
    assert receive(*(wire[index : index + 1] for index in range(len(wire)))) == expected


def test_short_texts_of_one_read_are_returned_up_to_the_first_that_is_no_utf8() -> None:
    good, bad = client_frame(TEXT, b"good"), client_frame(TEXT, b"\xff")
    assert receive(good + good + bad + good, good) == ["good", "good", (1007, "invalid UTF-8")]


def test_short_texts_of_one_read_are_returned_up_to_the_first_over_the_limit() -> None:
    wire = client_frame(TEXT, b"x" * 20) * 2 + client_frame(TEXT, b"x" * 21) + client_frame(TEXT)
    *texts, error = receive(wire, limit=20)
    assert texts == ["x" * 20] * 2
    assert error[0] == 1009


def test_a_frame_without_a_mask_behind_short_texts_is_refused() -> None:
    wire = client_frame(TEXT, b"good") + client_header(TEXT, 4, masked=False) + b"plain"
    assert receive(wire) == ["good", (1002, "a client frame must be masked")]


# --- the limit ---------------------------------------------------------------


@pytest.mark.parametrize("limit", [10, 125, 126, 600, 65535, 65536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_a_message_may_be_as_large_as_the_limit_and_no_larger(opcode: int, limit: int) -> None:
    fits = client_frame(opcode, b"x" * limit)
    assert [len(message) for message in receive(fits, limit=limit)] == [limit]
    over = client_frame(opcode, b"x" * (limit + 1))
    assert receive(over, limit=limit) == [
        (1009, f"a message is larger than max_http_buffer_size, {limit} bytes")
    ]


def test_the_limit_counts_all_fragments_of_a_message() -> None:
    half = client_frame(TEXT, b"x" * 50, fin=False)
    rest = client_frame(CONTINUATION, b"x" * 50)
    assert receive(half, rest, half, rest, limit=100) == ["x" * 100, "x" * 100]
    assert receive(half, client_frame(CONTINUATION, b"x" * 51), limit=100)[0][0] == 1009


def test_control_frames_do_not_count_towards_the_limit() -> None:
    ping = client_frame(PING, bytes(125))
    wire = [client_frame(TEXT, b"1234", fin=False), ping, client_frame(CONTINUATION, b"5")]
    assert receive(*wire, limit=5) == [Control(PING, bytes(125)), "12345"]


@pytest.mark.parametrize(
    "size", [LIMIT + 1, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
)
def test_a_length_above_the_limit_is_refused_before_the_payload(size: int) -> None:
    assert receive(client_header(BINARY, size))[0][0] == 1009


def test_a_continuation_above_the_limit_is_refused_before_its_payload() -> None:
    first = client_frame(BINARY, bytes(60), fin=False)
    assert receive(first, client_header(CONTINUATION, 41), limit=100)[0][0] == 1009
