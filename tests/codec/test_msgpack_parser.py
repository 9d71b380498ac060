"""The format of socket.io-msgpack-parser; vectors are what notepack.io 2.2 and 3.0 write."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.parser import DefaultParser
from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.errors import PacketError
from flask_realtime.parsers import MsgpackParser
from tests.codec.values import Colour, Level, Pair, Point
from tests.ids import case

PARSER = MsgpackParser()
NOON = datetime(2026, 1, 2, 12, 0, 0, 123_000, tzinfo=timezone.utc)
EVENT = PacketType.EVENT


def encode(packet: Packet) -> bytes:
    message = PARSER.encode(packet)
    assert message.text is None
    (data,) = message.attachments
    return bytes(data)


def decode(data: str | bytes) -> Packet:
    return PARSER.decoder(1_000_000).add(data)


def event(*args: Any) -> Any:
    """The arguments of an event as the client reads them."""
    return msgpack.unpackb(encode(Packet(EVENT, "/", ("a", *args))))["data"][1:]


def received(raw: bytes) -> Any:
    """The argument of an event whose MessagePack is given."""
    return decode(b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a" + raw).data[1]


@pytest.mark.parametrize(
    ("packet", "form"),
    [
        (
            Packet(PacketType.CONNECT, "/", {"sid": "x"}),
            {"type": 0, "nsp": "/", "data": {"sid": "x"}},
        ),
        (Packet(PacketType.DISCONNECT, "/a"), {"type": 1, "nsp": "/a"}),
        (Packet(EVENT, "/", ("a", 1), 0), {"type": 2, "nsp": "/", "data": ["a", 1], "id": 0}),
        (
            Packet(PacketType.ACK, "/", (b"\0",), 7),
            {"type": 3, "nsp": "/", "data": [b"\0"], "id": 7},
        ),
        (
            Packet(PacketType.CONNECT_ERROR, "/", {"message": "no"}),
            {"type": 4, "nsp": "/", "data": {"message": "no"}},
        ),
    ],
    ids=lambda value: value.type.name if isinstance(value, Packet) else "",
)
def test_a_packet_is_one_map_both_ways(packet: Packet, form: dict[str, Any]) -> None:
    data = encode(packet)
    assert msgpack.unpackb(data) == form
    values = list(packet.data) if isinstance(packet.data, tuple) else packet.data
    assert decode(data) == packet._replace(data=values)


def test_additional_keys_of_a_client_are_ignored() -> None:
    data = {"type": 2, "nsp": "/", "data": ["a"], "options": {"compress": True}}
    assert decode(msgpack.packb(data)) == Packet(EVENT, "/", ["a"])


@pytest.mark.parametrize("compress", [True, False])
def test_a_message_carries_whether_it_may_be_compressed(compress: bool) -> None:
    assert PARSER.encode(Packet(EVENT, "/", ("a",)), compress).compress is compress


# --- values


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.binary(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_what_json_and_bytes_carry_comes_back(value: Any) -> None:
    assert decode(encode(Packet(EVENT, "/", ("a", value)))).data == ["a", value]


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", False: "b", None: "c", 0.5: "d"},
        Colour.RED,
        Colour.TWO,
        Level.LOW,
        Point(1, [2]),
        Pair(1, {2: 3}),
        Decimal("1.50"),
        UUID(int=1),
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4, 5),
        {"deep": [(Point(Decimal(1), None),)]},
    ],
    ids=repr,
)
def test_other_values_are_converted_as_with_the_default_parser(value: Any) -> None:
    packet = Packet(EVENT, "/", ("a", value))
    text = DefaultParser().encode(packet).text
    assert text is not None
    as_json = DefaultParser().decoder(100).add(text.decode())
    assert as_json is not None
    assert event(value) == as_json.data[1:]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind_are_carried_as_they_are(kind: Any) -> None:
    assert event(kind(b"\0\xff"), [kind(b"")]) == [b"\0\xff", [b""]]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (math.nan, ValueError, "NaN"),
        ([{"a": -math.inf}], ValueError, "NaN"),
        ({math.inf: 1}, ValueError, "NaN"),
        (2**64, ValueError, "64 bits"),
        ({"a": -(2**63) - 1}, ValueError, "64 bits"),
        ({(1, 2): 3}, TypeError, "keys"),
        ({b"a": 3}, TypeError, "keys"),
        (object(), TypeError, "object"),
        ({1, 2}, TypeError, "set"),
    ],
    ids=case,
)
def test_what_cannot_be_carried_is_an_error_at_once(
    value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        encode(Packet(EVENT, "/", ("a", value)))


@pytest.mark.parametrize("value", ["\ud83d", "a\udc4d!", {"\ud83d": ["\ud83d" * 100]}], ids=ascii)
def test_half_an_emoji_is_carried_as_it_is(value: Any) -> None:
    """As @msgpack/msgpack writes it; notepack.io writes another character, or U+FFFD."""
    data = encode(Packet(EVENT, "/", ("a", value, NOON)))
    assert b"\xed\xa0\xbd" in data or b"\xed\xb1\x8d" in data
    assert decode(data).data == ["a", value, NOON]
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        # In the name of a namespace:
        (b"\x82\xa4type\x00\xa3nsp\xa4/\xed\xa0\xbd", "invalid MessagePack"),
        # Not UTF-8 at all:
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1\xff", "invalid MessagePack"),
        (b"\x91\xa3\xed\xa0\xbd", "a packet must be a map"),
        (b"\x81\xa1a\xa3\xed\xa0\xbd", "unknown packet type"),
    ],
)
def test_text_that_is_not_utf8_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(PacketError, match=problem):
        decode(data)


def test_keys_become_text_as_in_json() -> None:
    key = UUID(int=1)
    assert event({key: {date(2024, 2, 29): 1}, Decimal("1.10"): 2}) == [
        {str(key): {"2024-02-29": 1}, "1.10": 2}
    ]


def test_the_bytes_of_nan_in_other_values_do_no_harm() -> None:
    assert event(b"\xcb\x7f\xf8\0", 1.5) == [b"\xcb\x7f\xf8\0", 1.5]


def test_a_circle_is_an_error() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match=r"too deep|recursion"):
        encode(Packet(EVENT, "/", ("a", circle)))


# --- dates and the other extension values


def test_a_moment_becomes_a_date_of_javascript() -> None:
    data = encode(Packet(EVENT, "/", ("a", NOON.astimezone(timezone(timedelta(hours=5))))))
    assert b"\xd7\x00" + int(NOON.timestamp() * 1000).to_bytes(8, "big") in data
    assert decode(data).data == ["a", NOON]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\xd4\x00\x00", None),
        (b"\xc7\x01\x00\x00", b"\0"),
        (b"\xc7\x03\x00abc", b"abc"),
        (b"\xc8\x01\x00\x00" + b"x" * 256, b"x" * 256),
        (b"\xd7\x00" + bytes(8), datetime(1970, 1, 1, tzinfo=timezone.utc)),
        (b"\xc7\x08\x00" + bytes(8), bytes(8)),
        (b"\xc9\x00\x00\x00\x08\x00" + bytes(8), bytes(8)),
        (b"\xd7\x00" + b"\xff" * 8, datetime(1969, 12, 31, 23, 59, 59, 999_000, timezone.utc)),
        (b"\xd6\xff\x00\x00\x00\x01", datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)),
    ],
    ids=str,
)
def test_extension_values_of_notepack(raw: bytes, value: Any) -> None:
    assert received(raw) == value


@given(st.lists(st.sampled_from(["date", "eight", "undefined", "one"]) | json_values, max_size=6))
def test_dates_and_typed_arrays_are_distinguished_wherever_they_are(parts: list[Any]) -> None:
    forms = {
        "date": (b"\xd7\x00" + bytes(8), datetime(1970, 1, 1, tzinfo=timezone.utc)),
        "eight": (b"\xc7\x08\x00" + bytes(8), bytes(8)),
        "undefined": (b"\xd4\x00\x00", None),
        "one": (b"\xc7\x01\x00\x00", b"\0"),
    }
    raw = bytes([0x90 + len(parts)])
    expected: list[Any] = []
    for part in parts:
        found = forms.get(part) if isinstance(part, str) else None
        raw += found[0] if found else msgpack.packb(part)
        expected.append(found[1] if found else part)
    assert received(raw) == expected


# --- what a client must not send


GOOD: dict[str, Any] = {"type": 2, "nsp": "/", "data": ["a"]}
NO_EVENT: list[Any] = [None, [], {}, "a", ["connect"], [None], [b"a"], [True]]


@pytest.mark.parametrize(
    "changed",
    [
        *({"type": value} for value in (5, 6, -1, True, 2.0, "2", None, [2])),
        *({"nsp": value} for value in (None, 1, b"/", "", "chat", ["/"])),
        *({"id": value} for value in (-1, 1.0, "1", True, 10**16, 2**64 - 1)),
        *({"data": value} for value in NO_EVENT),
        {"type": 0, "data": ["a"]},
        {"type": 0, "data": "a"},
        {"type": 1, "data": {}},
        {"type": 3, "data": {"0": 1}},
        {"type": 3, "data": None},
        {"type": 4, "data": None},
    ],
    ids=repr,
)
def test_an_invalid_packet_is_refused(changed: dict[str, Any]) -> None:
    assert decode(msgpack.packb(GOOD)).data == ["a"]
    with pytest.raises(PacketError):
        decode(msgpack.packb({**GOOD, **changed}))


@pytest.mark.parametrize("key", GOOD)
def test_a_packet_that_lacks_something_is_refused(key: str) -> None:
    with pytest.raises(PacketError):
        decode(msgpack.packb({name: value for name, value in GOOD.items() if name != key}))


@pytest.mark.parametrize("packet_type", [PacketType.CONNECT, PacketType.DISCONNECT])
@pytest.mark.parametrize("data", [b"\xc0", b"\xd4\x00\x00"], ids=["nil", "undefined"])
def test_no_data_may_be_nil_or_undefined(packet_type: PacketType, data: bytes) -> None:
    raw = b"\x83\xa4type" + bytes([packet_type]) + b"\xa3nsp\xa1/\xa4data" + data
    assert decode(raw) == Packet(packet_type)


PACKED = msgpack.packb(GOOD)


@pytest.mark.parametrize(
    "data",
    [
        '2["a"]',
        b"",
        b"\xc1",
        PACKED + b"\x00",
        PACKED[:-1],
        b"\x01",
        b"\x93\x02\x03\x04",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\x01\x02",
        b"\x81\xa1\xff\x02",
        b"\xd4\x05\x00",
        b"\xd4\x81\x00",
        b"\xd7\xff" + b"\xff" * 8,
        b"\xc7\x0c\xff" + bytes(4) + b"\x7f" + bytes(7),
        b"\xd7\x00\x7f" + bytes(7),
    ],
    ids=lambda data: ascii(data[:12]),
)
def test_bytes_that_are_not_a_packet_are_refused(data: str | bytes) -> None:
    with pytest.raises(PacketError):
        decode(data)


@given(st.binary(max_size=60))
def test_garbage_is_a_packet_error_and_nothing_else(data: bytes) -> None:
    try:
        decode(data)
    except PacketError:
        pass


@given(json_values, st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_packet_is_a_packet_error_or_another_packet(
    value: Any, position: int, damage: bytes
) -> None:
    data = bytearray(encode(Packet(EVENT, "/", ("a", value, NOON), 3)))
    position %= len(data)
    data[position : position + len(damage)] = damage
    try:
        assert isinstance(decode(bytes(data)), Packet)
    except PacketError:
        pass


def test_a_missing_package_is_one_error_that_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['msgpack'] = None\n"
        "from flask_realtime.parsers import MsgpackParser, DefaultParser\n"
        "DefaultParser()\n"
        "try: MsgpackParser()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert "pip install 'flask_realtime[msgpack]'" in done.stdout
