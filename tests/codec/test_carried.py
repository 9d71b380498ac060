"""What a format can carry, and the path to what it cannot."""

from __future__ import annotations

import math
import traceback
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from flask_realtime.codec.carried import JSON, JSON_TEXT, MSGPACK, Carrier, carried
from flask_realtime.codec.json_codec import OrjsonCodec, StandardCodec
from flask_realtime.codec.msgpack_parser import MsgpackParser
from flask_realtime.codec.parser import DefaultParser, Parser
from flask_realtime.codec.socket_packet import Packet, PacketType
from tests.codec import values
from tests.codec.values import Colour, Pair, Point

STRANGER = object()
PARSERS = [pytest.param(DefaultParser(), id="json"), pytest.param(MsgpackParser(), id="msgpack")]


def left(value: Any, carrier: Carrier = JSON) -> Any:
    return carried(value, carrier, "data", depth=100).value


def path_in(value: Any) -> str | None:
    fault = carried(value, JSON, "data", depth=100).fault
    return fault and fault.path


def test_what_cannot_be_carried_is_left_out_and_the_rest_stays() -> None:
    value = {"a": 1, "b": {"c": STRANGER, "d": [1, STRANGER, math.nan, (2,)]}, "e": b"e"}
    found = carried(value, JSON, "data", depth=100)
    assert found.value == {"a": 1, "b": {"d": [1, None, None, [2]]}, "e": b"e"}
    assert found.fault is not None
    assert found.fault.path == 'data["b"]["c"]'
    assert found.faults == 3


def test_the_path_leads_through_lists_and_objects() -> None:
    assert path_in([{"a": [[], [1, STRANGER]]}]) == 'data[0]["a"][1][1]'
    assert path_in({'"\n': STRANGER}) == 'data["\\"\\n"]'
    assert path_in(STRANGER) == "data"
    assert path_in([1]) is None


def test_values_beyond_json_become_what_they_are_in_packets() -> None:
    value = {UUID(int=1): Point(Colour.RED, Pair(1, bytearray(b"a")))}
    text = "00000000-0000-0000-0000-000000000001"
    assert left(value) == {text: {"x": "red", "y": [1, b"a"]}}


def test_a_key_that_cannot_be_text_is_left_out_with_its_value() -> None:
    value = {"a": {(1, 2): 3, "b": 4}}
    assert left(value) == {"a": {"b": 4}}
    assert path_in(value) == 'data["a"]'


def test_the_number_of_values_that_are_searched_is_bounded() -> None:
    """A client may send half a million of them, and one that cannot be sent back."""
    many = [0] * 100_000
    found = carried({"a": many, "b": STRANGER}, JSON, "data", depth=9)
    assert len(found.value["a"]) < 30_000
    assert "20000 values" in str(found.fault)
    for packet in (
        Packet(PacketType.EVENT, "/", ("e", STRANGER, *many)),
        Packet(PacketType.EVENT, "/", ("e", *many, STRANGER)),
    ):
        error = error_of(MsgpackParser(), packet)
        assert "'object'" in str(error)
        assert ("(args[0])" in str(error)) == (packet.data[1] is STRANGER)


@pytest.mark.parametrize(
    ("carrier", "value", "is_carried"),
    [
        (JSON, b"a", True),
        (JSON_TEXT, b"a", False),
        (MSGPACK, b"a", True),
        (JSON, 2**70, True),
        (MSGPACK, 2**64, False),
        (MSGPACK, 2**64 - 1, True),
        (MSGPACK, -(2**63) - 1, False),
        (JSON, 10**400, False),
        (JSON, -(10**400), False),
    ],
)
def test_each_format_has_its_bounds(carrier: Carrier, value: Any, is_carried: bool) -> None:
    assert left([value], carrier) == [value if is_carried else None]


def test_what_is_nested_too_deeply_is_left_out() -> None:
    value: Any = []
    value.append(value)
    found = carried({"a": 1, "b": value}, JSON, "data", depth=100)
    assert found.value["a"] == 1
    assert found.faults == 1


def test_a_long_path_is_cut() -> None:
    assert len(str(carried({"k" * 1000: [STRANGER]}, JSON, "data", depth=9).fault)) < 200


@given(values.rich(values.rich_leaves | values.binary | values.strangers))
def test_what_is_left_can_be_sent(value: Any) -> None:
    found, fault, _ = carried([value], MSGPACK, "data", depth=200)
    packet = Packet(PacketType.EVENT, "/", ["e", found])
    DefaultParser().encode(packet)
    MsgpackParser().encode(packet)
    if fault is None:
        MsgpackParser().encode(packet._replace(data=["e", value]))


@given(values.rich(values.rich_leaves | values.binary | values.strangers))
def test_a_value_that_is_refused_has_a_path(value: Any) -> None:
    for codec in (StandardCodec(), OrjsonCodec()):
        try:
            codec.encode([value])
        except (TypeError, ValueError):
            assert path_in([value])
        else:
            assert path_in([value]) is None


# --- in the errors of packets


def error_of(parser: Parser, packet: Packet) -> Exception:
    with pytest.raises((TypeError, ValueError)) as caught:
        parser.encode(packet)
    return caught.value


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        (
            [1, {"user": {"when": STRANGER}}],
            TypeError,
            'a packet cannot carry a value of type \'object\' (args[1]["user"]["when"])',
        ),
        (
            [b"binary", [{1, 2}]],
            TypeError,
            "a packet cannot carry a value of type 'set' (args[1][0])",
        ),
        ([{"a": math.nan}], ValueError, 'JSON has neither NaN nor infinities (args[0]["a"])'),
        ([[{(1,): 2}]], TypeError, "keys must be text, numbers or None, not tuple (args[0][0])"),
    ],
    ids=["deep", "binary", "NaN", "key"],
)
def test_the_error_names_the_path(
    parser: Parser, args: list[Any], kind: type[Exception], message: str
) -> None:
    for packet in (
        Packet(PacketType.EVENT, "/", ("e", *args)),
        Packet(PacketType.ACK, "/", tuple(args), 1),
    ):
        error = error_of(parser, packet)
        assert type(error) is kind
        assert str(error) == message


def test_the_error_of_a_number_that_is_too_large_names_the_path() -> None:
    packet = Packet(PacketType.EVENT, "/", ("e", {"a": 10**400}))
    assert str(error_of(DefaultParser(), packet)).endswith('(args[0]["a"])')
    packet = Packet(PacketType.EVENT, "/", ("e", {"a": 2**64}))
    assert str(error_of(MsgpackParser(), packet)).endswith('64 bits (args[0]["a"])')


def test_the_payload_of_another_packet_is_its_data() -> None:
    packet = Packet(PacketType.CONNECT_ERROR, "/", {"message": "no", "data": STRANGER})
    assert str(error_of(DefaultParser(), packet)).endswith('(data["data"])')


@pytest.mark.parametrize("parser", PARSERS)
def test_the_error_is_one_traceback(parser: Parser) -> None:
    error = error_of(parser, Packet(PacketType.EVENT, "/", ("e", STRANGER)))
    assert "".join(traceback.format_exception(error)).count("Traceback") == 1


def test_the_errors_of_another_json_module_are_its_own() -> None:
    class Refusing:
        def dumps(self, value: Any) -> str:
            raise ValueError("today only")

        loads = staticmethod(lambda text: text)

    packet = Packet(PacketType.EVENT, "/", ("e", STRANGER))
    assert str(error_of(DefaultParser(json=Refusing()), packet)) == "today only"
