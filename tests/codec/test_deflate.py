"""Compressed messages (RFC 7692 §6 and §7.2), against zlib and the examples of the RFC."""

from __future__ import annotations

import itertools
import json
import random
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.deflate import Compression, PerMessageDeflate
from flask_realtime.codec.deflate_agreement import Agreement
from flask_realtime.codec.message import Message
from flask_realtime.codec.websocket import Control, FrameDecoder, Incoming
from flask_realtime.errors import FrameError
from flask_realtime.options import DeflateSettings
from flask_realtime.testing.frames import BINARY, PING, RSV1, TEXT, FrameReader, frame
from tests.frames import TRAILER, Compressor

LIMIT = 100_000
CONTINUATION = 0
#: "Hello" in one block; in the window of the first; stored; with BFINAL; in two blocks (§7.2.3).
HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
AGAIN = bytes.fromhex("f2 00 11 00 00")
STORED = bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00")
FINAL = bytes.fromhex("f3 48 cd c9 c9 07 00 00")
TWO_BLOCKS = bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00")


def compression(
    *, takeover: bool = False, bits: int = 15, limit: int = LIMIT, **settings: Any
) -> Compression:
    extension = PerMessageDeflate(DeflateSettings(**settings), limit)
    return extension.compression(Agreement(bits, bits, takeover, takeover, ""))


def decoder(*, takeover: bool = False, bits: int = 15, limit: int = LIMIT) -> FrameDecoder:
    made = compression(takeover=takeover, bits=bits, limit=limit)
    return FrameDecoder(limit, made.inflate)


def received(data: bytes, **options: Any) -> list[Incoming]:
    return decoder(**options).receive(data)


def failure(data: bytes, **options: Any) -> int:
    (error,) = received(data, **options)
    assert isinstance(error, FrameError)
    return error.close_code


# --- what clients send


@pytest.mark.parametrize(
    "payload",
    [HELLO, STORED, FINAL, TWO_BLOCKS],
    ids=["one block", "a stored block", "a final block", "two blocks"],
)
@pytest.mark.parametrize("takeover", [True, False])
def test_the_examples_of_the_rfc_are_read(payload: bytes, takeover: bool) -> None:
    data = frame(TEXT | RSV1, payload)
    assert received(data + data, takeover=takeover) == ["Hello", "Hello"]


def test_the_example_with_the_window_of_the_message_before() -> None:
    """RFC 7692 §7.2.3.2."""
    data = frame(TEXT | RSV1, HELLO) + frame(TEXT | RSV1, AGAIN)
    assert received(data, takeover=True) == ["Hello", "Hello"]
    first, error = received(data, takeover=False)
    assert first == "Hello"
    assert isinstance(error, FrameError)
    assert error.close_code == 1007


def test_the_example_of_a_fragmented_message_with_a_ping_in_between() -> None:
    """RFC 7692 §7.2.3.1."""
    data = frame(TEXT | RSV1, HELLO[:3], final=False)
    data += frame(PING, b"now") + frame(CONTINUATION, HELLO[3:]) + frame(TEXT, b"plain")
    assert received(data) == [Control(PING, b"now"), "Hello", "plain"]


def test_an_empty_message() -> None:
    """RFC 7692 §7.2.3.6."""
    assert received(frame(TEXT | RSV1, b"\x00") + frame(BINARY | RSV1, b"\x02\x00")) == ["", b""]


def test_a_stream_that_ends_is_followed_by_another_one() -> None:
    data = [frame(TEXT | RSV1, payload) for payload in (HELLO, FINAL, HELLO, AGAIN)]
    assert received(b"".join(data), takeover=True) == ["Hello"] * 4


def test_plain_messages_stay_outside_of_the_context() -> None:
    client = Compressor(takeover=True)
    data = client.frame(TEXT, b"one two three") + frame(TEXT, b"four") + frame(BINARY, b"\xff")
    data += client.frame(TEXT, b"one two three")
    assert received(data, takeover=True) == ["one two three", "four", b"\xff", "one two three"]


@given(
    st.lists(st.binary(max_size=2000) | st.text(max_size=500), max_size=8),
    st.booleans(),
    st.integers(8, 15),
    st.integers(1, 40),
    st.randoms(use_true_random=False),
)
def test_what_a_client_compresses_is_read(
    messages: list[str | bytes], takeover: bool, bits: int, pieces: int, rng: random.Random
) -> None:
    client = Compressor(takeover=takeover, bits=bits)
    stream = b""
    for message in messages:
        opcode = TEXT if isinstance(message, str) else BINARY
        payload = client.deflate(message.encode() if isinstance(message, str) else message)
        cuts = sorted(rng.randrange(len(payload) + 1) for _ in range(rng.randrange(4)))
        parts = [payload[i:j] for i, j in itertools.pairwise([0, *cuts, len(payload)])]
        for index, part in enumerate(parts):
            first = CONTINUATION if index else opcode | RSV1
            stream += frame(first, part, final=index == len(parts) - 1)
            stream += frame(PING, b"") if rng.random() < 0.3 else b""
    reader = decoder(takeover=takeover, bits=bits)
    step = max(1, len(stream) // pieces)
    chunks = [stream[i : i + step] for i in range(0, len(stream), step)]
    found = [item for chunk in chunks for item in reader.receive(chunk)]
    assert [item for item in found if not isinstance(item, Control)] == messages


# --- what they must not send


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("payload", [b"\xff" * 10, b"\x06" * 20, b"\x00" + b"Hello"], ids=repr)
def test_corrupt_data_closes_with_1007(payload: bytes, takeover: bool) -> None:
    assert failure(frame(TEXT | RSV1, payload), takeover=takeover) == 1007


def test_data_behind_the_end_of_a_stream_closes_with_1007() -> None:
    assert failure(frame(TEXT | RSV1, FINAL + HELLO)) == 1007
    # Nor does a row of ends keep the server busy.
    assert failure(frame(TEXT | RSV1, b"\x03\x00" * 40_000)) == 1007


def test_utf_8_is_checked_after_inflation() -> None:
    client = Compressor()
    assert failure(client.frame(TEXT, b"\xff\xfe")) == 1007
    assert received(client.frame(BINARY, b"\xff\xfe")) == [b"\xff\xfe"]


@pytest.mark.parametrize("takeover", [True, False])
def test_a_message_may_inflate_to_the_limit_and_not_beyond(takeover: bool) -> None:
    fits = Compressor().frame(TEXT, b"x" * LIMIT)
    assert received(fits, takeover=takeover) == ["x" * LIMIT]
    assert failure(Compressor().frame(TEXT, b"x" * (LIMIT + 1)), takeover=takeover) == 1009


@pytest.mark.parametrize("takeover", [True, False])
def test_a_bomb_takes_no_more_memory_than_the_limit(takeover: bool) -> None:
    """CVE-2026-42786 and GHSA-frh3-6pv6-rc8j: some kilobytes that inflate to gigabytes."""
    bomb = Compressor().frame(BINARY, bytes(80_000_000))
    assert len(bomb) < LIMIT
    reader = decoder(takeover=takeover)
    tracemalloc.start()
    try:
        (error,) = reader.receive(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, FrameError)
    assert error.close_code == 1009
    assert peak < 10 * LIMIT


def test_the_fragments_of_a_bomb_are_one_message() -> None:
    payload = Compressor().deflate(bytes(LIMIT + 1))
    data = frame(BINARY | RSV1, payload[:5], final=False) + frame(CONTINUATION, payload[5:])
    assert failure(data) == 1009


def test_what_is_sent_is_limited_before_it_is_waited_for() -> None:
    """Many fragments, or a frame that is announced: CVE-2026-42786."""
    assert failure(frame(BINARY | RSV1, bytes(LIMIT + 1))[:10]) == 1009
    parts = [frame(CONTINUATION, bytes(1000), final=False) for _ in range(100)]
    assert failure(frame(BINARY | RSV1, b"x", final=False) + b"".join(parts)) == 1009


@pytest.mark.parametrize(
    "data",
    [
        frame(PING | RSV1, b""),
        frame(CONTINUATION | RSV1, b""),
        frame(TEXT | 0x20, HELLO),
        frame(TEXT | 0x10, HELLO),
        frame(TEXT | RSV1 | 0x20, HELLO),
        frame(TEXT | RSV1, b"", final=False) + frame(CONTINUATION | RSV1, HELLO),
        frame(TEXT, b"", final=False) + frame(CONTINUATION | RSV1, HELLO),
        frame(TEXT, b"", final=False) + frame(TEXT | RSV1, HELLO),
    ],
)
def test_other_uses_of_the_reserved_bits_close_with_1002(data: bytes) -> None:
    assert failure(data) == 1002


def test_without_the_extension_its_bit_closes_with_1002() -> None:
    (error,) = FrameDecoder(LIMIT).receive(frame(TEXT | RSV1, HELLO))
    assert isinstance(error, FrameError)
    assert error.close_code == 1002


# --- what the server sends


def read(data: bytes, client: Compressor) -> tuple[list[tuple[int, bytes]], int]:
    """The messages, and how many of them were compressed."""
    reader = FrameReader(client.inflate)
    reader.feed(data)
    found = []
    while message := reader.next():
        found.append(message)
    assert reader.is_empty
    return found, len(reader.compressed)


def rows(size: int) -> bytes:
    return json.dumps([{"id": number, "name": "x"} for number in range(size // 22)]).encode()


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("level", [-1, 0, 1, 9])
def test_a_client_with_the_agreed_window_reads_what_is_sent(
    takeover: bool, bits: int, level: int
) -> None:
    """zlib cannot compress with a window of 256 bytes; the reader here has no larger one."""
    deflater = compression(takeover=takeover, bits=bits, threshold=0, level=level).deflater
    client = Compressor(takeover=takeover, bits=bits)
    rng = random.Random(bits)
    block = rng.randbytes(100)
    # Repetitions at every distance around the windows of 256 and 512 bytes.
    far = b"".join(block + rng.randbytes(gap) for gap in range(100, 500, 3))
    for text, attachment in [(rows(5000), far), (rows(5000), far), (b"0", b"")]:
        found, _ = read(deflater.frames(Message(text, [attachment])), client)
        assert found == [(TEXT, b"4" + text), (BINARY, attachment)]


@given(
    st.lists(st.tuples(st.text(max_size=300), st.lists(st.binary(max_size=200), max_size=3))),
    st.booleans(),
    st.integers(8, 15),
    st.integers(0, 300),
)
def test_what_the_server_compresses_is_read(
    packets: list[tuple[str, list[bytes]]], takeover: bool, bits: int, threshold: int
) -> None:
    deflater = compression(takeover=takeover, bits=bits, threshold=threshold).deflater
    client = Compressor(takeover=takeover, bits=bits)
    for text, attachments in packets:
        found, _ = read(deflater.frames(Message(text.encode(), attachments)), client)
        assert found == [(TEXT, b"4" + text.encode()), *[(BINARY, data) for data in attachments]]


@pytest.mark.parametrize("takeover", [True, False])
def test_messages_from_the_threshold_on_are_compressed(takeover: bool) -> None:
    made = compression(takeover=takeover, threshold=100).deflater
    client = Compressor(takeover=takeover)
    for text, attachments, expected in [
        (b"x" * 98, [], 0),  # one more with the type of the packet
        (b"x" * 99, [], 1),
        (b"x" * 98, [b"y" * 99, b"z" * 100], 1),
        (None, [b"z" * 100], 1),
    ]:
        found, compressed = read(made.frames(Message(text, attachments)), client)
        assert compressed == expected
        assert b"".join(data for _, data in found).count(b"x") == (text or b"").count(b"x")


@pytest.mark.parametrize("takeover", [True, False])
def test_nothing_is_sent_as_it_is(takeover: bool) -> None:
    """zlib has no block for it after a flush (RFC 7692 §7.2.3.6)."""
    deflater = compression(takeover=takeover, threshold=0).deflater
    deflater.frames(Message(b"before"))
    assert deflater.frames(Message(None, [b""])) == b"\x82\x00"


@pytest.mark.parametrize("takeover", [True, False])
def test_a_message_can_opt_out(takeover: bool) -> None:
    made = compression(takeover=takeover)
    message = Message(rows(5000), compress=False)
    assert made.deflater.frames(message) is message.frames()


@pytest.mark.parametrize("takeover", [True, False])
def test_a_short_message_has_the_frames_of_every_client(takeover: bool) -> None:
    message = Message(b'2["a"]')
    assert compression(takeover=takeover).deflater.frames(message) is message.frames()


def test_a_broadcast_is_compressed_once_for_each_window() -> None:
    extension = PerMessageDeflate(DeflateSettings(), LIMIT)

    def member(bits: int, takeover: bool = False) -> Compression:
        return extension.compression(Agreement(bits, 15, takeover, False, ""))

    message = Message(rows(5000))
    shared = member(15).deflater.frames(message)
    assert member(15).deflater.frames(message) is shared
    assert member(10).deflater.frames(message) is not shared
    assert member(10).deflater.frames(message) is member(10).deflater.frames(message)
    assert member(15, takeover=True).deflater.frames(message) is not shared
    for bits in (10, 15):
        found, compressed = read(member(bits).deflater.frames(message), Compressor(bits=bits))
        assert (found, compressed) == ([(TEXT, b"4" + rows(5000))], 1)


def test_with_context_takeover_what_was_sent_before_is_used() -> None:
    client = Compressor(takeover=True)
    deflater = compression(takeover=True).deflater
    first, again = (deflater.frames(Message(rows(5000))) for _ in range(2))
    assert len(again) < len(first) / 4
    assert read(first + again, client) == ([(TEXT, b"4" + rows(5000))] * 2, 2)


def test_without_it_messages_are_as_long_as_if_they_were_alone() -> None:
    """The length of a message reveals nothing about another one."""
    deflater = compression().deflater
    lengths = {len(deflater.frames(Message(rows(5000)))) for _ in range(3)}
    deflater.frames(Message(rows(30_000)))
    assert lengths == {len(deflater.frames(Message(rows(5000))))}


def test_what_does_not_get_shorter_is_sent_as_it_is() -> None:
    noise = random.Random(1).randbytes(5000)
    assert read(compression().deflater.frames(Message(None, [noise])), Compressor()) == (
        [(BINARY, noise)],
        0,
    )
    # With context takeover the client's window has to go on with the server's.
    own = compression(takeover=True).deflater
    client = Compressor(takeover=True)
    for _ in range(3):
        assert read(own.frames(Message(None, [noise])), client) == ([(BINARY, noise)], 1)


@pytest.mark.parametrize("takeover", [True, False])
def test_a_message_that_fails_leaves_nothing_in_those_behind_it(takeover: bool) -> None:
    """What was compressed of it has not been sent: the client's window does not have it."""
    deflater = compression(takeover=takeover).deflater
    client = Compressor(takeover=takeover)
    read(deflater.frames(Message(rows(3000))), client)
    broken: Any = "not bytes" * 500
    with pytest.raises(TypeError):
        deflater.frames(Message(rows(9000), [broken]))
    assert read(deflater.frames(Message(rows(9000))), client) == ([(TEXT, b"4" + rows(9000))], 1)


def test_level_and_memory_are_given_to_zlib() -> None:
    text = rows(50_000)
    sizes = [
        len(compression(level=level, mem_level=memory).deflater.frames(Message(text)))
        for level, memory in [(0, 8), (1, 8), (9, 9)]
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > len(text)  # zlib's level 0 only wraps: such a message is sent as it is
    expected = zlib.compressobj(9, wbits=-15, memLevel=9)
    data = expected.compress(b"4" + text) + expected.flush(zlib.Z_FULL_FLUSH)
    assert (
        compression(level=9, mem_level=9)
        .deflater.frames(Message(text))
        .endswith(data[: -len(TRAILER)])
    )
