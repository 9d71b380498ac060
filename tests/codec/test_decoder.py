"""Hostile packets are refused, within the limits."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_realtime.codec.decoder import DefaultDecoder
from flask_realtime.codec.json_codec import OrjsonCodec, StandardCodec
from flask_realtime.codec.parser import DefaultParser
from flask_realtime.codec.socket_packet import RESERVED_EVENTS, Packet, PacketType
from flask_realtime.errors import PacketError

ONE = b"\x01"
MAX_SIZE = 1000

CODECS = [pytest.param(StandardCodec(), id="standard"), pytest.param(OrjsonCodec(), id="orjson")]


@pytest.fixture(params=CODECS)
def decoder(request: pytest.FixtureRequest) -> DefaultDecoder:
    return DefaultDecoder(request.param, 10, MAX_SIZE)


BROKEN = [
    "", "2", "2{}", "2[]", '2[["a"]]', "2null", '2"a"', "2[", '2["a"', '2["a"]x', '2["a"]["b"]',
    "2[NaN]", '2["a",Infinity]', "2[null]", "2[true]", '2[{"toString":"foo"}]', '2/admin["a"]',
    "2/admin,", "9", "9[]", "x", "0[]", '0"a"', "0{", "1{}", "1[]", "3", "3{}", "31", "4", "4[]",
    "41", "5", "5[]", '5["a"]', "51", "51-", "51-{}", "51-[]", '51-["a"', "6", "61-", "61-{}",
    '2["a"]\x00', "\ufeff2[1]", "21", "21{}", "2-1[1]", "0null", "1null", "3null", "4null",
    "0/a,null", "21null", "2\u0661[1]", '2"[1]', "\x002[1]",
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=ascii)
def test_text_that_is_not_a_packet_is_refused(decoder: DefaultDecoder, text: str) -> None:
    """What python-socketio answers with a traceback and an open connection."""
    with pytest.raises(PacketError):
        decoder.add(text)


@pytest.mark.parametrize("head", ["2", "21", "2/admin,", "2/admin,1"])
@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_a_client_cannot_send_a_reserved_event(
    decoder: DefaultDecoder, head: str, name: str
) -> None:
    """socket.io-parser 4.2.4, on the short and on the long way through the decoder."""
    with pytest.raises(PacketError):
        decoder.add(f'{head}["{name}","data"]')


@pytest.mark.parametrize("name", ["connect", "disconnect"])
def test_a_client_cannot_hide_a_reserved_event(decoder: DefaultDecoder, name: str) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    for text in (f'2["{escaped}"]', f'2[ "{name}"]', f'51-["{name}"]', f'50-["{name}"]'):
        with pytest.raises(PacketError):
            decoder.add(text)


@pytest.mark.parametrize(
    "name", ["error", "close", "__init__", "_private", "constructor", "__class__"]
)
def test_other_names_are_only_names(decoder: DefaultDecoder, name: str) -> None:
    """CVE-2024-38355: an event called "error" is like any other."""
    assert decoder.add(f'2["{name}"]') == Packet(PacketType.EVENT, "/", [name])


@pytest.mark.parametrize(
    "num", ["-1", "1", "1.5", "0.0", '"0"', "true", "false", "null", "{}", "[0]", "1e9", "1e999"]
)
def test_a_placeholder_that_is_not_an_index_is_refused(decoder: DefaultDecoder, num: str) -> None:
    """CVE-2022-2421; python-socketio takes -1 for the last attachment."""
    assert decoder.add('51-["e",{"_placeholder":true,"num":' + num + "}]") is None
    with pytest.raises(PacketError, match="illegal attachments"):
        decoder.add(ONE)


def test_one_attachment_for_many_placeholders_is_refused(decoder: DefaultDecoder) -> None:
    """90 kB of text and one attachment became gigabytes when a handler sent its argument on."""
    mark = '{"_placeholder":true,"num":0}'
    assert decoder.add(f'51-["e",[{",".join([mark] * 3000)}]]') is None
    with pytest.raises(PacketError, match="same attachment"):
        decoder.add(bytes(MAX_SIZE))


@pytest.mark.parametrize("count", ["11", "100", "9999999999", "1" + "0" * 100])
def test_more_than_ten_attachments_are_refused_before_any_arrives(
    decoder: DefaultDecoder, count: str
) -> None:
    """CVE-2026-33151, CVE-2026-69185; python-socketio waits for 9999999999."""
    with pytest.raises(PacketError, match="attachment"):
        decoder.add(f'5{count}-["e"]')


def test_a_parser_can_allow_more_attachments_or_none() -> None:
    assert DefaultParser(max_attachments=20).decoder(MAX_SIZE).add('520-["e"]') is None
    with pytest.raises(PacketError):
        DefaultParser(max_attachments=0).decoder(MAX_SIZE).add('51-["e"]')
    with pytest.raises(PacketError):
        DefaultParser().decoder(MAX_SIZE).add('511-["e"]')


def test_a_header_without_attachments_is_a_packet_and_leaves_nothing_behind(
    decoder: DefaultDecoder,
) -> None:
    """python-socketio waits for ever; in socket.io the next packet ends the connection."""
    assert decoder.add('50-["e"]') == Packet(PacketType.BINARY_EVENT, "/", ["e"])
    assert decoder.add("60-7[]") == Packet(PacketType.BINARY_ACK, "/", [], 7)
    assert decoder.add('2["next"]') == Packet(PacketType.EVENT, "/", ["next"])


@pytest.mark.parametrize("text", ['2["e"]', '21["e"]', "0", '51-["e"]', ""])
def test_text_between_a_header_and_its_attachments_is_refused(
    decoder: DefaultDecoder, text: str
) -> None:
    """CVE-2026-48804; python-socketio swallows the text as an attachment."""
    assert decoder.add('52-["e"]') is None
    assert decoder.add(ONE) is None
    with pytest.raises(PacketError, match="attachments"):
        decoder.add(text)


WHOLE = '51-["e",{"_placeholder":true,"num":0}]'


@pytest.mark.parametrize("before", [[], ['2["e"]'], ['50-["e"]'], [WHOLE, ONE]], ids=len)
def test_an_unannounced_attachment_is_refused(
    decoder: DefaultDecoder, before: list[str | bytes]
) -> None:
    for part in before:
        decoder.add(part)
    with pytest.raises(PacketError, match="announced"):
        decoder.add(ONE)


def test_a_packet_that_is_never_finished_is_bounded_in_bytes() -> None:
    """CVE-2026-48804."""
    decoder = DefaultDecoder(StandardCodec(), 10, max_size=300_000)
    tracemalloc.start()
    try:
        assert decoder.add('59-["e"]') is None
        for _ in range(3):
            assert decoder.add(bytes(100_000)) is None
        with pytest.raises(PacketError, match="too large"):
            decoder.add(bytes(100_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000


DEEP = "[" * 50_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2" + DEEP, id="event"),
        pytest.param('2["e",' + DEEP + "]" * 50_001, id="argument"),
        pytest.param("0" + '{"a":' * 50_000, id="auth"),
        pytest.param("31" + DEEP, id="ack"),
        pytest.param('50-["e",' + DEEP + "]" * 50_001, id="binary event"),
    ],
)
def test_data_nested_too_deeply_is_refused(decoder: DefaultDecoder, text: str) -> None:
    with pytest.raises(PacketError):
        decoder.add(text)


@pytest.mark.parametrize("depth", range(100, 1100, 100))
def test_data_of_any_depth_is_read_or_refused(decoder: DefaultDecoder, depth: int) -> None:
    for head in ('2["e",', '50-["e",'):
        try:
            packet = decoder.add(head + "[" * depth + "]" * (depth + 1))
        except PacketError:
            continue
        assert packet is not None


@pytest.mark.parametrize("digits", [30, 310, 400, 401, 4301, 1_000_000])
def test_giant_integers_are_numbers_of_some_kind(decoder: DefaultDecoder, digits: int) -> None:
    """blog.caller.xyz/socketio-engineio-dos: a million digits kept a server busy."""
    packet = decoder.add('2["x",' + "9" * digits + "]")
    assert packet is not None
    assert isinstance(packet.data[1], int if 308 < digits <= 4300 else float)


pieces = st.sampled_from(
    [*"0123456789/,[]{}-", "/admin,", "1-", "2-", "10-", "11-", '["e"]', '["e",', "{}", '"',
     '"num":', '"_placeholder":true', '{"_placeholder":true,"num":0}', "null", "NaN", "1e999",
     "\\ud800", '"connect"', "\x1e", "9" * 20, "9" * 350, " "]
)  # fmt: skip
texts = st.one_of(st.text(max_size=30), st.lists(pieces, max_size=10).map("".join))
starts = st.sampled_from(
    ['51-["e",{"_placeholder":true,"num":0}]', '52-["e"]', "61-1[]", '2["e"]', "0"]
)


@settings(max_examples=300)
@given(st.lists(texts | starts | st.binary(max_size=600), max_size=6))
def test_any_messages_are_read_or_are_a_packet_error(sent: list[str | bytes]) -> None:
    for codec in (StandardCodec(), OrjsonCodec()):
        decoder = DefaultDecoder(codec, 10, MAX_SIZE)
        for part in sent:
            try:
                packet = decoder.add(part)
            except PacketError:
                break
            assert packet is None or isinstance(packet, Packet)
