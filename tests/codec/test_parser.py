"""Whole packets: the examples of the Socket.IO protocol, and round trips."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_realtime.codec.decoder import DefaultDecoder
from flask_realtime.codec.json_codec import OrjsonCodec, StandardCodec
from flask_realtime.codec.message import Message
from flask_realtime.codec.parser import DefaultParser
from flask_realtime.codec.socket_packet import RESERVED_EVENTS, Packet, PacketType
from tests.codec import values

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType
ONE, TWO = b"\x01", b"\x02"
FIRST = {"_placeholder": True, "num": 0}
SECOND = {"_placeholder": True, "num": 1}
MAX_SIZE = 1000

CODECS = [pytest.param(StandardCodec(), id="standard"), pytest.param(OrjsonCodec(), id="orjson")]


@pytest.fixture(params=CODECS)
def decoder(request: pytest.FixtureRequest) -> DefaultDecoder:
    return DefaultDecoder(request.param, 10, MAX_SIZE)


def parts(message: Message) -> list[str | bytes]:
    """What goes over the connection, without the digit of Engine.IO."""
    assert message.text is not None
    return [message.text.decode(), *message.attachments]


def decode(decoder: DefaultDecoder, sent: list[str | bytes]) -> Packet:
    *before, last = sent
    for part in before:
        assert decoder.add(part) is None
    packet = decoder.add(last)
    assert packet is not None
    return packet


# --- the examples ------------------------------------------------------------

# Packets that both sides send, from the protocol's "Sample session" and "Packet encoding".
EXAMPLES: list[tuple[Packet, list[str | bytes]]] = [
    (Packet(CONNECT), ["0"]),
    (Packet(CONNECT, "/", {"sid": "abc"}), ['0{"sid":"abc"}']),
    (Packet(CONNECT, "/admin", {"token": "123"}), ['0/admin,{"token":"123"}']),
    (Packet(CONNECT_ERROR, "/admin", {"message": "no"}), ['4/admin,{"message":"no"}']),
    (Packet(DISCONNECT), ["1"]),
    (Packet(DISCONNECT, "/admin"), ["1/admin,"]),
    (Packet(EVENT, "/", ["hey", "Jude"]), ['2["hey","Jude"]']),
    (Packet(EVENT, "/", ["hey"], 0), ['20["hey"]']),
    (Packet(EVENT, "/admin", ["project:delete", 123], 456), ['2/admin,456["project:delete",123]']),
    (Packet(EVENT, "/", ["\u20ac"]), ['2["\u20ac"]']),
    (Packet(ACK, "/", [], 12), ["312[]"]),
    (Packet(ACK, "/admin", [None, {"a": 1}], 456), ['3/admin,456[null,{"a":1}]']),
]

# Packets with bytes are EVENT or ACK to callers, and BINARY_EVENT or BINARY_ACK on the wire.
BINARY: list[tuple[Packet, list[str | bytes]]] = [
    (
        Packet(EVENT, "/", ["baz", ONE]),
        ['51-["baz",{"_placeholder":true,"num":0}]', ONE],
    ),
    (
        Packet(EVENT, "/admin", ["baz", {"a": [ONE, TWO]}], 23),
        [
            '52-/admin,23["baz",{"a":[' + json.dumps(FIRST) + "," + json.dumps(SECOND) + "]}]",
            ONE,
            TWO,
        ],
    ),
    (
        Packet(ACK, "/admin", [ONE], 456),
        ['61-/admin,456[{"_placeholder":true,"num":0}]', ONE],
    ),
]
ON_THE_WIRE = {EVENT: BINARY_EVENT, ACK: BINARY_ACK}


@pytest.mark.parametrize(("packet", "wire"), EXAMPLES + BINARY)
def test_packets_are_written_as_in_the_examples(packet: Packet, wire: list[str | bytes]) -> None:
    assert [squeezed(part) for part in parts(DefaultParser().encode(packet))] == [
        squeezed(part) for part in wire
    ]


def squeezed(part: str | bytes) -> str | bytes:
    return part.replace(": ", ":").replace(", ", ",") if isinstance(part, str) else part


@pytest.mark.parametrize(("packet", "wire"), EXAMPLES)
def test_packets_are_read_as_in_the_examples(
    decoder: DefaultDecoder, packet: Packet, wire: list[str | bytes]
) -> None:
    assert decode(decoder, wire) == packet


@pytest.mark.parametrize(("packet", "wire"), BINARY)
def test_attachments_are_put_back_where_they_were(
    decoder: DefaultDecoder, packet: Packet, wire: list[str | bytes]
) -> None:
    assert decode(decoder, wire) == packet._replace(type=ON_THE_WIRE[packet.type])


def test_a_namespace_needs_no_comma_when_nothing_follows(decoder: DefaultDecoder) -> None:
    assert decode(decoder, ["0/admin"]) == Packet(CONNECT, "/admin")


def test_a_placeholder_in_a_plain_event_is_data(decoder: DefaultDecoder) -> None:
    assert decode(decoder, ['2["e",' + json.dumps(FIRST) + "]"]).data == ["e", FIRST]


def test_a_packet_is_a_packet_however_it_was_read(decoder: DefaultDecoder) -> None:
    for text in ('2["short way"]', '21["long way"]'):
        packet = decode(decoder, [text])
        assert type(packet) is Packet
        assert packet.namespace == "/"


@pytest.mark.parametrize("packet_type", [CONNECT, CONNECT_ERROR])
def test_bytes_are_for_events_and_acknowledgements(packet_type: PacketType) -> None:
    with pytest.raises(TypeError, match=f"a {packet_type.name} packet cannot carry bytes"):
        DefaultParser().encode(Packet(packet_type, "/", {"data": ONE}))


def test_a_message_may_be_kept_from_compression() -> None:
    packet = Packet(EVENT, "/", ["hey"])
    assert DefaultParser().encode(packet).compress
    assert not DefaultParser().encode(packet, compress=False).compress


class Shouting:
    """A JSON module that is recognised by what it writes."""

    def dumps(self, value: Any) -> str:
        return json.dumps(value).upper()

    def loads(self, text: str) -> Any:
        return json.loads(text.lower())


def test_a_parser_uses_the_json_module_it_was_given() -> None:
    parser = DefaultParser(json=Shouting())
    assert parts(parser.encode(Packet(EVENT, "/", ["hey"]))) == ['2["HEY"]']
    for text in ('2["HEY"]', '2/a,1["HEY"]'):
        packet = parser.decoder(MAX_SIZE).add(text)
        assert packet is not None
        assert packet.data == ["hey"]


@pytest.mark.parametrize(
    "parser",
    [
        DefaultParser(dumps=Shouting().dumps, loads=Shouting().loads),
        DefaultParser(Shouting(), dumps=Shouting().dumps),
        DefaultParser(Shouting(), loads=Shouting().loads),
    ],
)
def test_a_parser_uses_the_functions_it_was_given(parser: DefaultParser) -> None:
    assert parts(parser.encode(Packet(EVENT, "/", ["hey"]))) == ['2["HEY"]']
    packet = parser.decoder(MAX_SIZE).add('2["HEY"]')
    assert packet is not None
    assert packet.data == ["hey"]


def test_one_function_is_enough() -> None:
    parser = DefaultParser(dumps=Shouting().dumps)
    assert parts(parser.encode(Packet(EVENT, "/", ["hey"]))) == ['2["HEY"]']
    assert parser.decoder(MAX_SIZE).add('2["hey"]') == Packet(EVENT, "/", ["hey"])


def test_what_is_not_callable_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match="dumps"):
        DefaultParser(dumps="json")  # type: ignore[arg-type]


# --- round trips -------------------------------------------------------------

namespaces = st.one_of(
    st.just("/"),
    st.text(st.characters(codec="utf-8", exclude_characters=","), max_size=8).map("/".__add__),
)
ids = st.none() | st.integers(0, 2**53)
names = st.text(max_size=8).filter(lambda name: name not in RESERVED_EVENTS)
arguments = st.lists(values.nested(values.leaves | st.binary(max_size=8)), max_size=3)
events = st.builds(
    Packet,
    st.just(EVENT),
    namespaces,
    st.builds(lambda name, rest: [name, *rest], names, arguments),
    ids,
)
acks = st.builds(Packet, st.just(ACK), namespaces, arguments, st.integers(0, 2**53))


def read_apart(message: Message) -> Packet:
    """A decoder of a few lines, after the grammar in the specification."""
    text, *attachments = parts(message)
    assert isinstance(text, str)
    match = re.fullmatch(r"([0-6])(?:([0-9]+)-)?(?:(/[^,]*),)?([0-9]+)?(.*)", text, re.DOTALL)
    assert match is not None
    digit, count, namespace, ack_id, rest = match.groups()
    assert int(count or 0) == len(attachments)

    def fill(value: dict[str, Any]) -> Any:
        return attachments[value["num"]] if value.get("_placeholder") is True else value

    data = json.loads(rest, object_hook=fill) if rest else None
    return Packet(PacketType(int(digit)), namespace or "/", data, int(ack_id) if ack_id else None)


def has_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_bytes, value.values()))
    return isinstance(value, bytes) or (isinstance(value, list) and any(map(has_bytes, value)))


@settings(max_examples=200)
@given(events | acks)
def test_any_packet_can_be_read_by_its_specification_and_by_the_decoder(packet: Packet) -> None:
    expected = packet
    if has_bytes(packet.data):
        expected = packet._replace(type=ON_THE_WIRE[packet.type])
    message = DefaultParser().encode(packet)
    assert read_apart(message) == expected
    for codec in (StandardCodec(), OrjsonCodec()):
        # As many attachments as the packet happens to have.
        assert decode(DefaultDecoder(codec, 100, MAX_SIZE), parts(message)) == expected


@given(events)
def test_no_text_of_an_application_ends_a_polling_packet_early(packet: Packet) -> None:
    text, *_ = parts(DefaultParser().encode(packet._replace(namespace="/")))
    assert isinstance(text, str)
    assert "\x1e" not in text
