"""One MessagePack for clients and servers: what either packs, the other unpacks."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.js_msgpack import JavaScriptMsgpack
from tests.codec.values import Colour, Level, Point, leaves, nested, offsets, some_bytes

UTC = timezone.utc
CLIENTS = JavaScriptMsgpack("msgpack", packs_dates=True)
SERVERS = JavaScriptMsgpack("redis", is_lenient=True)
BOTH = pytest.mark.parametrize("packer", [CLIENTS, SERVERS], ids=["clients", "servers"])

moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
half_pairs = st.text(st.characters(categories=("Cs", "L")), max_size=4)
carried = leaves | some_bytes | half_pairs


@given(nested(carried))
def test_what_one_packs_the_other_unpacks(value: Any) -> None:
    assert CLIENTS.unpack(SERVERS.pack(value)) == value
    assert SERVERS.unpack(CLIENTS.pack(value)) == value
    assert CLIENTS.pack(value) == SERVERS.pack(value)


@given(nested(carried | moments))
def test_dates_of_one_are_dates_of_the_other(value: Any) -> None:
    assert SERVERS.unpack(CLIENTS.pack(value)) == CLIENTS.unpack(CLIENTS.pack(value)) == value


@given(moments)
def test_to_servers_a_date_is_the_text_that_it_is_in_json(moment: datetime) -> None:
    assert CLIENTS.unpack(SERVERS.pack([moment])) == [moment.isoformat()]


@BOTH
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("d40000", None),
        ("c7010000", b"\0"),
        ("d7000000018f4cbb3823", datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)),
        ("c708000000018f4cbb3823", bytes.fromhex("0000018f4cbb3823")),
        ("c7020003 04".replace(" ", ""), b"\x03\x04"),
        ("d6ff663881d9", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("a3eda0bd", "\ud83d"),
    ],
)
def test_every_form_of_javascript_is_read(packer: JavaScriptMsgpack, text: str, value: Any) -> None:
    raw = bytes.fromhex(text)
    assert packer.unpack(raw) == value
    # The header that tells a date from bytes is found behind others as well.
    undefined, date = b"\xd4\x00\x00", b"\xd7\x00" + bytes(8)
    found = packer.unpack(b"\x94" + undefined + date + raw + b"\xc7\x08\x00" + bytes(8))
    assert found == [None, datetime(1970, 1, 1, tzinfo=UTC), value, bytes(8)]


def test_servers_may_write_other_keys_than_text() -> None:
    packed = msgpack.packb({1: "a"})
    assert SERVERS.unpack(packed) == {1: "a"}
    with pytest.raises(ValueError, match="malformed"):
        CLIENTS.unpack(packed)


def test_a_date_beyond_the_year_9999_is_its_bytes_for_servers() -> None:
    last = b"\x00\x1e\xb2\x08\xc2\xdc\x00\x00"  # new Date(8.64e15)
    assert SERVERS.unpack(b"\xd7\x00" + last) == last
    with pytest.raises(ValueError, match="malformed"):
        CLIENTS.unpack(b"\xd7\x00" + last)


@BOTH
@pytest.mark.parametrize("text", ["", "c1", "9201", "d40500", "a1ff", "0102"])
def test_bytes_that_are_not_a_value_are_malformed(packer: JavaScriptMsgpack, text: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        packer.unpack(bytes.fromhex(text))


@BOTH
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda number: number,
        lambda number: [number],
        lambda number: {"a": (number,)},
        lambda number: {1: number},
        lambda number: [0.5] * 100 + [number],
        lambda number: {**dict.fromkeys(map(str, range(100))), "a": number},
    ],
)
def test_numbers_that_json_refuses_are_refused_wherever_they_are(
    packer: JavaScriptMsgpack, number: float, wrap: Any
) -> None:
    with pytest.raises(ValueError, match="NaN"):
        packer.pack(wrap(number))


@BOTH
@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_integers_beyond_64_bits_are_refused(packer: JavaScriptMsgpack, number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        packer.pack({"a": number})


@BOTH
def test_a_circle_is_refused(packer: JavaScriptMsgpack) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match=r"too deep|recursion"):
        packer.pack(circle)


@BOTH
def test_a_value_that_is_carried_as_it_is_is_not_copied(packer: JavaScriptMsgpack) -> None:
    value = {"a": [1, 2.5, "x", b"y", None, True, ({},)]}
    assert packer.plain(value) is value
    for other in ({1: 2}, [Colour.RED], (Level.LOW,), {"a": Point(1, bytearray(b"x"))}):
        assert packer.plain(other) is not other


@BOTH
def test_a_moment_without_a_zone_is_text(packer: JavaScriptMsgpack) -> None:
    moment = datetime(2024, 5, 6) + timedelta(milliseconds=1)
    assert packer.unpack(packer.pack(moment)) == moment.isoformat()
