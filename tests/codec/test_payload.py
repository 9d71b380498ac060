"""Polling payloads: the examples of the Engine.IO protocol, and bodies that are not payloads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.payload import decode_payload, encode_binary, encode_payload
from flask_realtime.errors import PacketError

# From the specification, sections "HTTP long-polling" and "Packet encoding".
EXAMPLES: list[tuple[list[str | bytes], bytes]] = [
    (["4hello", "2", "4world"], b"4hello\x1e2\x1e4world"),
    (["4hello"], b"4hello"),
    ([b"\x01\x02\x03\x04"], b"bAQIDBA=="),
    (["4test", b"\x01\x02\x03\x04"], b"4test\x1ebAQIDBA=="),
    (["4\u20ac", "2probe"], b"4\xe2\x82\xac\x1e2probe"),
]


def encoded(packet: str | bytes) -> bytes:
    return packet.encode() if isinstance(packet, str) else encode_binary(packet)


@pytest.mark.parametrize(("packets", "body"), EXAMPLES)
def test_payloads_are_written_as_in_the_examples(packets: list[str | bytes], body: bytes) -> None:
    assert encode_payload(map(encoded, packets)) == body


@pytest.mark.parametrize(("packets", "body"), EXAMPLES)
def test_payloads_are_read_as_in_the_examples(packets: list[str | bytes], body: bytes) -> None:
    assert list(decode_payload(body)) == packets


texts = st.text(st.characters(exclude_characters="\x1e", codec="utf-8"), max_size=50).map(
    lambda data: "4" + data
)


@given(st.lists(st.one_of(texts, st.binary(max_size=50)), min_size=1))
def test_any_packets_survive_the_way_through_a_payload(packets: list[str | bytes]) -> None:
    assert list(decode_payload(encode_payload(map(encoded, packets)))) == packets


def test_an_empty_binary_message_is_a_packet() -> None:
    assert list(decode_payload(b"b\x1e4")) == [b"", "4"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x1e", id="only a separator"),
        pytest.param(b"\x1e4a", id="a separator in front"),
        pytest.param(b"4a\x1e", id="a separator at the end"),
        pytest.param(b"4a\x1e\x1e4b", id="two separators"),
        pytest.param(b"abc", id="no type"),
        pytest.param(b"4a\x1e7", id="an unknown type"),
        pytest.param("\u0664".encode(), id="a digit of another script"),
        pytest.param(b"4\xff", id="not UTF-8"),
        pytest.param(b"4\xed\xa0\x80", id="a surrogate"),
        pytest.param(b"bA", id="a quarter of base64"),
        pytest.param(b"bAQIDBA", id="base64 without its padding"),
        pytest.param(b"bAQ ID", id="a space in base64"),
        pytest.param(b"bAQ\nID", id="a line break in base64"),
        pytest.param(b"bAQ-_", id="the alphabet of URLs"),
        pytest.param("bAQI\u00e9".encode(), id="base64 beyond ASCII"),
        pytest.param(b"b====", id="only padding"),
    ],
)
def test_what_is_not_a_payload_is_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        list(decode_payload(body))


def test_packets_before_a_broken_one_are_read() -> None:
    packets = decode_payload(b"4first\x1ebAQ==\x1eb!\x1e4never")
    assert [next(packets), next(packets)] == ["4first", b"\x01"]
    with pytest.raises(PacketError, match="base64"):
        next(packets)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_are_a_packet_error(body: bytes) -> None:
    try:
        packets = list(decode_payload(body))
    except PacketError:
        return
    assert packets
    assert all(isinstance(packet, (str, bytes)) for packet in packets)


def test_a_large_body_of_tiny_packets_takes_time_in_proportion_to_its_size() -> None:
    """engineio before 3.10 and 4.1: the rest of the body was copied for each packet."""
    start = time.process_time()
    assert sum(1 for _ in decode_payload(b"\x1e".join([b"2"] * 1_000_000))) == 1_000_000
    assert time.process_time() - start < 3
