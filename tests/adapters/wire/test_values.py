"""Values between servers: the bytes of Node's packages, and what they must not do to us.

The vectors are what notepack.io 3.0.1, @msgpack/msgpack and notepack.io 2.2.0 wrote.
"""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.values import Flags, Target
from flask_realtime.adapters.wire.values import (
    count_from,
    dump_json,
    event_args,
    load,
    options_of,
    pack,
    packet_from,
    packet_map,
    plain,
    strings,
    target_from,
    to_json,
    unpack,
)
from flask_realtime.codec.json_codec import StandardCodec
from flask_realtime.codec.socket_packet import Packet, PacketType
from tests.codec.values import (
    Colour,
    Level,
    Pair,
    Point,
    keys,
    leaves,
    nested,
    rich,
    rich_leaves,
    some_bytes,
    strangers,
)
from tests.ids import case

UTC = timezone.utc
LONGEST = 2147483.647


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def nest(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


# Value and bytes: equal in notepack 3 and @msgpack/msgpack.
NODE: list[tuple[Any, str]] = [
    (None, "c0"),
    (True, "c3"),
    (False, "c2"),
    (0, "00"),
    (127, "7f"),
    (200, "ccc8"),
    (40000, "cd9c40"),
    (4000000000, "ceee6b2800"),
    (2**53 - 1, "cf001fffffffffffff"),
    (-1, "ff"),
    (-32, "e0"),
    (-100, "d09c"),
    (-30000, "d18ad0"),
    (-2000000000, "d288ca6c00"),
    (-(2**53) + 1, "d3ffe0000000000001"),
    (0.5, "cb3fe0000000000000"),
    (-1.5, "cbbff8000000000000"),
    ("", "a0"),
    ("hello", "a568656c6c6f"),
    ("héllo 日本 😀", "b268c3a96c6c6f20e697a5e69cac20f09f9880"),
    ("x" * 32, "d920" + "78" * 32),
    (b"\x01\x02\x03", "c403010203"),
    ({"a": [1, {"b": b"x"}], "c": {}}, "82a161920181a162c40178a16380"),
    ([0] * 16, "dc0010" + "00" * 16),
]

# What Node writes and this side reads as something of its own.
NODE_DATES = [
    ("d6ff663881d9", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
    ("d7ff1d535300663881d9", datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)),
    ("c70cff00000000ffffffffed300880", datetime(1960, 1, 1, tzinfo=UTC)),
]

# --- MessagePack


@pytest.mark.parametrize(("value", "text"), NODE, ids=lambda item: str(item)[:20])
def test_values_have_the_bytes_that_node_gives_them(value: Any, text: str) -> None:
    assert pack(value).hex() == text
    assert unpack(bytes.fromhex(text)) == value


@pytest.mark.parametrize(("text", "expected"), NODE_DATES)
def test_the_dates_of_node_are_read(text: str, expected: datetime) -> None:
    assert unpack(bytes.fromhex(text)) == expected


@pytest.mark.parametrize("text", ["cb7ff8000000000000", "cb7ff0000000000000"])
def test_numbers_that_are_none_are_read_and_become_null_for_clients(text: str) -> None:
    found = unpack(bytes.fromhex(text))
    assert not math.isfinite(found)
    assert plain([found]) == [None]
    with pytest.raises(ValueError, match="NaN"):
        pack({"a": [found]})


def test_the_forms_of_notepack_2_are_read() -> None:
    found = unpack(
        bytes.fromhex(
            "86a175d40000a164d7000000018f4cbb3823a36f6c64d700ffffffb683a13400"
            "a162c4020102a161c702000304a361727291d40000"
        )
    )
    assert found == {
        "u": None,
        "d": datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC),
        "old": datetime(1960, 1, 1, tzinfo=UTC),
        "b": b"\x01\x02",
        "a": b"\x03\x04",
        "arr": [None],
    }


def test_eight_bytes_that_are_no_date_are_bytes() -> None:
    assert unpack(bytes.fromhex("d7007fffffffffffffff")) == b"\x7f" + b"\xff" * 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        (Point(1, b"y"), {"x": 1, "y": b"y"}),
        (Point(1, Point(2, {3: Colour.RED})), {"x": 1, "y": {"x": 2, "y": {"3": "red"}}}),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (datetime(2024, 5, 6, tzinfo=UTC), "2024-05-06T00:00:00+00:00"),
        (date(2024, 5, 6), "2024-05-06"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        ({1: "a", 2.5: "b", None: "c"}, {"1": "a", "2.5": "b", "null": "c"}),
        ({False: {1: 2}}, {"false": {"1": 2}}),
        ([bytearray(b"a"), memoryview(b"b")], [b"a", b"b"]),
    ],
    ids=case,
)
def test_values_beyond_json_are_sent_as_to_clients(value: Any, expected: Any) -> None:
    assert unpack(pack(value)) == expected
    assert plain(value) == expected


REFUSED = [
    pytest.param(object(), TypeError, id="object"),
    pytest.param({1, 2}, TypeError, id="set"),
    pytest.param([1j], TypeError, id="complex"),
    pytest.param({(1, 2): 3}, TypeError, id="a key that is a tuple"),
    pytest.param({"a": {b"k": 1}}, TypeError, id="a key of bytes"),
    pytest.param(math.nan, ValueError, id="NaN"),
    pytest.param({1: [math.inf]}, ValueError, id="infinity beside a key that is no text"),
    pytest.param(Point(1, math.nan), ValueError, id="NaN in a dataclass"),
    pytest.param(2**64, ValueError, id="beyond 64 bits"),
    pytest.param([-(2**63) - 1], ValueError, id="below 64 bits"),
    pytest.param(circle(), ValueError, id="a circle"),
    pytest.param(nest(100_000), ValueError, id="too deep"),
]


@pytest.mark.parametrize(("value", "error"), REFUSED)
def test_what_cannot_be_packed_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        pack(value)


@pytest.mark.parametrize("text", ["\ud83d", "a\udc4d!", "\ud83d" * 100], ids=ascii)
def test_half_an_emoji_goes_to_other_servers_as_it_is(text: str) -> None:
    """As @msgpack/msgpack writes it, and JSON.stringify."""
    value = {"a": [text, {text: b"binary"}]}
    assert unpack(pack(value)) == value
    assert pack("\ud83d") == b"\xa3\xed\xa0\xbd"
    assert load(dump_json({"a": text})) == {"a": text}


@pytest.mark.parametrize("data", [b"\xa1\xff", b"\xa3\xed\xa0", b"\x91\xa2\xed\xa0"])
def test_what_is_no_text_is_malformed(data: bytes) -> None:
    with pytest.raises(ValueError, match="malformed"):
        unpack(data)


def test_keys_become_text() -> None:
    value = {UUID(int=1): 1, date(2024, 2, 29): 2, Colour.TWO: 3, Decimal("1.10"): 4}
    expected = {str(UUID(int=1)): 1, "2024-02-29": 2, "2": 3, "1.10": 4}
    assert unpack(pack(value)) == load(dump_json(value)) == expected


def test_an_integer_that_no_double_holds_becomes_null_for_clients() -> None:
    found = load(b'{"a":' + b"9" * 400 + b',"b":1e400,"c":-1e400}')
    assert plain(found) == {"a": None, "b": None, "c": None}
    for value in found.values():
        with pytest.raises(ValueError, match=r"large|NaN"):
            pack([value])
        with pytest.raises(ValueError, match=r"large|JSON"):
            dump_json([value])


def test_the_largest_integers_fit() -> None:
    for number in (2**64 - 1, -(2**63)):
        assert unpack(pack(number)) == number


def test_other_keys_than_text_are_read() -> None:
    assert unpack(msgpack.packb({1: "a", 1.5: "b"})) == {1: "a", 1.5: "b"}


@given(nested(leaves | some_bytes))
def test_what_is_packed_is_unpacked(value: Any) -> None:
    assert unpack(pack(value)) == value
    assert plain(value, finite=True) == value


@given(rich(rich_leaves | strangers))
def test_messagepack_carries_what_json_carries_and_as_the_same(value: Any) -> None:
    try:
        text, _ = StandardCodec().encode(value)
    except (TypeError, ValueError):
        with pytest.raises((TypeError, ValueError)):
            pack(value)
        return
    try:
        packed = pack(value)
    except ValueError as error:
        assert "too large" in str(error)  # noqa: PT017
        return
    assert unpack(packed) == plain(value) == json.loads(text)


@given(st.dictionaries(keys, nested(leaves)))
def test_json_is_loaded_as_it_was_dumped(value: Any) -> None:
    assert load(dump_json(value)) == value


@given(st.binary(max_size=80))
def test_any_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    for prefix in (b"", b"{", b"{\xff", b"\x81", b"\x92\xd7\x00"):
        try:
            load(prefix + data)
        except ValueError:
            pass


@given(nested(leaves | some_bytes), st.data())
def test_messages_that_are_cut_or_changed_are_a_value_or_a_value_error(
    value: Any, data: st.DataObject
) -> None:
    packed = bytearray(pack({"a": value}))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] = data.draw(st.integers(0, 255))
    for found in (packed, packed[:place]):
        try:
            load(bytes(found))
        except ValueError:
            pass


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        b"\x01\x02",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\x90\x01",
        b"\xd4\x05\x00",
        b"\xa2\xff\xff",
        b"\xc7\x0c\xff" + b"\x7f" * 12,
        b"{",
        b'{"a":NaN}',
        b'{"a":' + b"[" * 100_000,
        b"{\xff}",
        b"{\x00",
    ],
    ids=lambda data: str(data[:12]),
)
def test_malformed_messages_are_value_errors(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        load(data)


# --- JSON


def test_json_is_compact_and_as_it_is_in_packets() -> None:
    value = {"é": [1, 2.5, None, True], "d": Point(1, Decimal(2)), 3: Pair(1, 2)}
    assert dump_json(value) == '{"é":[1,2.5,null,true],"d":{"x":1,"y":"2"},"3":[1,2]}'.encode()


@pytest.mark.parametrize("value", [{"a": b"x"}, [Point(1, b"x")], {"a": [bytearray()]}], ids=str)
def test_bytes_are_found_wherever_they_are(value: Any) -> None:
    assert to_json(value) is None
    with pytest.raises(TypeError, match="bytes"):
        dump_json(value)


@pytest.mark.parametrize(
    ("value", "error"),
    [item for item in REFUSED if "64 bits" not in str(item.id) and item.id != "half a character"],
)
def test_what_cannot_be_json_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        dump_json(value)


def test_integers_beyond_64_bits_are_floats_as_in_javascript() -> None:
    assert load(dump_json({"a": 2**70})) == {"a": float(2**70)}


# --- targets


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(), {"rooms": [], "except": [], "flags": {}}),
        (
            Target(frozenset({"a"}), frozenset({"b"}), Flags(True, False, False, 1.5)),
            {
                "rooms": ["a"],
                "except": ["b"],
                "flags": {"volatile": True, "compress": False, "timeout": 1500},
            },
        ),
    ],
)
def test_targets_are_the_opts_of_node(target: Target, expected: Any) -> None:
    assert options_of(target) == expected
    assert target_from(expected) == target


def test_local_stays_at_home() -> None:
    assert options_of(Target(flags=Flags(local=True)))["flags"] == {}


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.0001, 1), (1e30, 2147483647)])
def test_a_timeout_is_one_on_the_wire(seconds: float, milliseconds: int) -> None:
    assert options_of(Target(flags=Flags(timeout=seconds)))["flags"] == {"timeout": milliseconds}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, Flags()),
        (None, Flags()),
        ({"volatile": None, "compress": None, "timeout": None}, Flags()),
        ({"broadcast": True, "local": True, "expectSingleResponse": True, "new": [1]}, Flags()),
        ({"compress": True, "volatile": False}, Flags()),
        ({"timeout": 250}, Flags(timeout=0.25)),
        ({"timeout": 0.5}, Flags(timeout=0.0005)),
        ({"timeout": 0}, Flags()),
        ({"timeout": -1}, Flags()),
        ({"timeout": "1"}, Flags()),
        ({"timeout": True}, Flags()),
        ({"timeout": [1]}, Flags()),
        ({"timeout": math.nan}, Flags()),
        ({"timeout": 1e300}, Flags(timeout=LONGEST)),
        ({"timeout": math.inf}, Flags(timeout=LONGEST)),
        ({"timeout": 10**400}, Flags(timeout=LONGEST)),
    ],
    ids=str,
)
def test_flags_are_read_and_unknown_ones_passed_over(flags: Any, expected: Flags) -> None:
    assert target_from({"rooms": [], "except": [], "flags": flags}) == Target(flags=expected)


@pytest.mark.parametrize("options", [{}, {"rooms": None, "except": None}, {"rooms": ()}])
def test_what_is_left_out_of_a_target_means_every_socket(options: Any) -> None:
    assert target_from(options) == Target()


@pytest.mark.parametrize(
    "options",
    [None, [], "x", 1, {"rooms": "red"}, {"rooms": [None]}, {"except": [[]]}, {"flags": [1]},
     {"flags": 0}, {"rooms": {"a": 1}}, {"rooms": [True]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_target_is_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        target_from(options)


def test_rooms_that_are_numbers_are_text_as_javascript_writes_it() -> None:
    assert strings(["a", 1, 2.0, 2.5]) == ["a", "1", "2", "2.5"]


# --- packets and sockets


def test_packets_are_those_of_node() -> None:
    packet = Packet(PacketType.EVENT, "/chat", ("hello", b"x"))
    assert packet_map(packet) == {"type": 2, "data": ["hello", b"x"], "nsp": "/chat"}


@pytest.mark.parametrize("kind", [2, 5, 2.0])
def test_an_event_is_read_whether_it_says_that_it_is_binary_or_not(kind: Any) -> None:
    found = packet_from({"type": kind, "data": ["hello", 1], "id": 7, "nsp": "/x"}, "/chat")
    assert found == Packet(PacketType.EVENT, "/chat", ["hello", 1], None)


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {"type": 3, "data": ["a"]}, {"type": [], "data": ["a"]}, {"data": ["a"]},
     *[{"type": 2, "data": data} for data in (None, [], "ab", [1], [None], {"0": "a"})]],
    ids=str,
)  # fmt: skip
def test_what_is_no_event_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        packet_from(value, "/")


@pytest.mark.parametrize("value", [None, "hello", [], [b"hello"], {"0": "hello"}])
def test_an_event_for_servers_has_a_name(value: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        event_args(value)


@pytest.mark.parametrize("value", [None, -1, True, 1.5, "1", []])
def test_a_count_is_a_number_of_clients(value: Any) -> None:
    with pytest.raises(ValueError, match="count"):
        count_from(value)
    assert count_from(0) == 0
