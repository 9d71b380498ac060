"""Polling payloads of Engine.IO protocol 3: vectors, properties, and what is refused."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.message import Message
from flask_realtime.codec.payload3 import (
    Payload3,
    base64_packet,
    decode_binary_packet,
    decode_text_packet,
)
from flask_realtime.errors import PacketError

Packet = str | bytes

# The bodies are what the reference server's parser writes; tests/interop/test_payload3_reference.py
# asks it.
VECTORS: list[tuple[list[Packet], bytes, bytes]] = [
    (["2"], b"1:2", b"1:2"),
    (["2probe", "6"], b"6:2probe1:6", b"6:2probe1:6"),
    (["4hello"], b"6:4hello", b"6:4hello"),
    (["4\u20ac\u00e4"], "3:4\u20ac\u00e4".encode(), "3:4\u20ac\u00e4".encode()),
    (["4\U0001f600", "3"], "3:4\U0001f6001:3".encode(), "3:4\U0001f6001:3".encode()),
    ([b"\x01\x02\x03"], b"6:b4AQID", b"\x01\x04\xff\x04\x01\x02\x03"),
    ([b""], b"2:b4", b"\x01\x01\xff\x04"),
    (
        ["4\U0001f600", b"\xff\x00", "6"],
        "3:4\U0001f6006:b4/wA=1:6".encode(),
        b"\x00\x05\xff4\xf0\x9f\x98\x80\x01\x03\xff\x04\xff\x00\x00\x01\xff6",
    ),
    (["4" + "x" * 122], b"123:4" + b"x" * 122, b"123:4" + b"x" * 122),
    (
        [b"\x07" * 122],
        b"166:b4" + b"BwcH" * 40 + b"Bwc=",
        b"\x01\x01\x02\x03\xff\x04" + b"\x07" * 122,
    ),
]


each_vector = pytest.mark.parametrize(
    ("packets", "text", "binary"), VECTORS, ids=map(str, range(len(VECTORS)))
)


def encode(packets: list[Packet], takes_binary: bool) -> tuple[bytes, bool]:
    codec = Payload3(takes_binary)
    parts: list[bytes] = []
    for packet in packets:
        if isinstance(packet, str):
            parts.append(packet.encode())
        else:
            parts += codec.packets(Message(None, [packet]))
    return codec.encode(parts)


def decode(body: bytes, is_binary: bool = False) -> list[Packet]:
    return list(Payload3().decode(body, is_binary))


@each_vector
def test_payloads_are_written_as_the_reference_writes_them(
    packets: list[Packet], text: bytes, binary: bytes
) -> None:
    assert encode(packets, takes_binary=False) == (text, False)
    assert encode(packets, takes_binary=True) == (binary, binary[0] < 2)


@each_vector
def test_payloads_are_read_as_the_reference_reads_them(
    packets: list[Packet], text: bytes, binary: bytes
) -> None:
    assert decode(text) == packets
    assert decode(binary, is_binary=binary[0] < 2) == packets


def test_a_message_is_written_with_its_attachments() -> None:
    message = Message('51-["é"]'.encode(), [b"\x00"])
    codec = Payload3()
    body = b'\x00\x01\x00\xff451-["\xc3\xa9"]\x01\x02\xff\x04\x00'
    assert codec.encode(codec.packets(message)) == (body, True)
    codec = Payload3(takes_binary=False)
    assert codec.encode(codec.packets(message))[0] == '9:451-["é"]6:b4AA=='.encode()


texts = st.builds(
    "{}{}".format,
    st.sampled_from("0123456"),
    st.text(st.characters(codec="utf-8"), max_size=30),
)
payloads = st.lists(st.one_of(texts, st.binary(max_size=300)), min_size=1, max_size=8)


@given(packets=payloads, takes_binary=st.booleans())
def test_any_packets_survive_the_way_through_a_payload(
    packets: list[Packet], takes_binary: bool
) -> None:
    assert decode(*encode(packets, takes_binary)) == packets


# --- what is no payload --------------------------------------------------------

SMILE = "\U0001f600".encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b":", id="no length"),
        pytest.param(b"2", id="only a length"),
        pytest.param(b"4a", id="a payload of protocol 4"),
        pytest.param(b"3:4a", id="a length beyond the end"),
        pytest.param(b"2:4a9", id="a digit at the end"),
        pytest.param(b"1:4a", id="something between two packets"),
        pytest.param(b"-2:4a", id="a negative length"),
        pytest.param(b"+2:4a", id="a length with a sign"),
        pytest.param(b" 2:4a", id="a length with a space"),
        pytest.param(b"0x2:4a", id="a hexadecimal length"),
        pytest.param(b"2e0:4a", id="a length with an exponent"),
        pytest.param(b"2.0:4a", id="a length with a fraction"),
        pytest.param("\u0662:4a".encode(), id="a length in digits of another script"),
        pytest.param(b"99999999999:4a", id="a huge length"),
        pytest.param(b"9" * 100_000 + b":4a", id="a length of many digits"),
        pytest.param(b"9999999999:4a", id="the largest length"),
        pytest.param(b"00000000002:4a", id="a length with too many zeros"),
        pytest.param(b"2:7a", id="an unknown type"),
        pytest.param(b"1:x", id="no type"),
        pytest.param("2:\u0664a".encode(), id="a type in digits of another script"),
        pytest.param(b"2:4\xff", id="not UTF-8"),
        pytest.param(b"2:4\xed\xa0\x80", id="a surrogate"),
        pytest.param(b"1:b", id="base64 without a type"),
        pytest.param(b"6:b2AQID", id="base64 that is no message"),
        pytest.param(b"5:b4AQI", id="base64 without its padding"),
        pytest.param(b"6:b4AQ-_", id="the alphabet of URLs"),
        pytest.param(b"2:4" + SMILE, id="a length inside a character"),
        pytest.param(b"4:4" + SMILE, id="a length beyond a wide character"),
        pytest.param(b"2:4a" + SMILE + b":4b", id="a wide character as length"),
        pytest.param(b"3:4" + SMILE + b"1", id="no length after a wide character"),
        pytest.param(b"3:4" + SMILE + b"9" * 50, id="many digits after a wide character"),
    ],
)
def test_what_is_not_a_text_payload_is_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"2:4a", id="a text payload"),
        pytest.param(b"\x00", id="only a kind"),
        pytest.param(b"\x00\xff4", id="no length"),
        pytest.param(b"\x00\x02", id="no end of the length"),
        pytest.param(b"\x00\x02\xff4", id="a length beyond the end"),
        pytest.param(b"\x00\x00\xff", id="an empty text"),
        pytest.param(b"\x01\x00\xff", id="an empty binary packet"),
        pytest.param(b"\x02\x02\xff4a", id="an unknown kind"),
        pytest.param(b"\xff\x02\xff4a", id="a kind that ends the length"),
        pytest.param(b"\x00" + b"2\xff4a", id="digits as characters"),
        pytest.param(b"\x00\x0a\xff4a", id="a digit above nine"),
        pytest.param(b"\x00" + b"\x09" * 11 + b"\xff4a", id="a huge length"),
        pytest.param(b"\x00" + b"\x09" * 100_000 + b"\xff4a", id="a length of many digits"),
        pytest.param(b"\x00" + b"\x09" * 10 + b"\xff4a", id="the largest length"),
        pytest.param(b"\x00\x02\xff7a", id="an unknown type"),
        pytest.param(b"\x01\x02\xff\x02a", id="a binary ping"),
        pytest.param(b"\x01\x02\xff4a", id="a type as a character"),
        pytest.param(b"\x00\x02\xff4\xff", id="not UTF-8"),
        pytest.param(b"\x00\x02\xff4a\x00", id="something at the end"),
    ],
)
def test_what_is_not_a_binary_payload_is_refused(body: bytes) -> None:
    with pytest.raises(PacketError):
        decode(body, is_binary=True)


def test_empty_parts_are_passed_over() -> None:
    """What clients send for a payload without packets."""
    assert decode(b"0:") == []
    assert decode(b"0:2:4a0:") == ["4a"]


def test_packets_before_a_broken_one_are_read() -> None:
    packets = Payload3().decode(b"6:4first6:b4AQID9:4never", is_binary=False)
    assert [next(packets), next(packets)] == ["4first", b"\x01\x02\x03"]
    with pytest.raises(PacketError, match="shorter"):
        next(packets)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_are_a_packet_error(body: bytes, is_binary: bool) -> None:
    try:
        packets = decode(body, is_binary)
    except PacketError:
        return
    assert all(isinstance(packet, (str, bytes)) for packet in packets)


@given(st.text("0123456789:b4A=\U0001f600", max_size=40), st.booleans())
def test_nothing_like_a_payload_raises_anything_but_a_packet_error(
    text: str, is_binary: bool
) -> None:
    body = text.encode()
    if is_binary:
        body = body.translate(bytes.maketrans(b"0123456789:", bytes([*range(10), 255])))
    with contextlib.suppress(PacketError):
        decode(body, is_binary)


@pytest.mark.parametrize(
    ("body", "is_binary"),
    [(b"1:2" * 300_000, False), (b"\x00\x01\xff2" * 300_000, True), (b"0:" * 450_000, False)],
)
def test_a_large_body_of_tiny_packets_takes_time_in_proportion_to_its_size(
    body: bytes, is_binary: bool
) -> None:
    start = time.process_time()
    assert sum(1 for _ in Payload3().decode(body, is_binary)) in (0, 300_000)
    wide = b"3:4" + SMILE
    assert sum(1 for _ in Payload3().decode(wide + body * (not is_binary), False)) >= 1
    assert time.process_time() - start < 5


# --- single packets --------------------------------------------------------------


def test_a_text_packet_is_itself_or_base64() -> None:
    assert decode_text_packet("2probe") == "2probe"
    assert decode_text_packet("b4AQID") == b"\x01\x02\x03"
    for packet in ("", "7", "b", "b4A", "b5AQID"):
        with pytest.raises(PacketError):
            decode_text_packet(packet)


def test_a_binary_packet_begins_with_its_type() -> None:
    assert decode_binary_packet(b"\x04\x04") == b"\x04"
    assert decode_binary_packet(b"\x04") == b""
    for packet in (b"", b"4a", b"\x02"):
        with pytest.raises(PacketError):
            decode_binary_packet(packet)


def test_a_binary_packet_becomes_text_for_clients_without_binary() -> None:
    assert base64_packet(b"\x04\x01\x02\x03") == b"b4AQID"
    assert base64_packet(b"4text") == b"4text"
