"""JSON with attachments: the same with orjson and with the standard library."""

from __future__ import annotations

import json
import math
import sys
import tracemalloc
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_realtime.codec.json_codec import (
    JSONCodec,
    OrjsonCodec,
    StandardCodec,
    best_codec,
    wrap_module,
)
from flask_realtime.codec.message import Message
from tests.codec import values
from tests.codec.values import Colour, Kind, Level, Pair, Point, Slotted
from tests.ids import case

CODECS = [pytest.param(StandardCodec(), id="standard"), pytest.param(OrjsonCodec(), id="orjson")]
ALL = [*CODECS, pytest.param(wrap_module(json), id="module")]
both = pytest.mark.parametrize("codec", CODECS)
every = pytest.mark.parametrize("codec", ALL)

NAN, INFINITY = math.nan, math.inf


def len_of(number: int) -> str:
    return f"{'-' * (number < 0)}{number.bit_length()} bits"


def read(codec: JSONCodec, value: Any) -> Any:
    """The value as a client reads it."""
    encoded, attachments = codec.encode(value)
    assert attachments == []
    return json.loads(encoded)


# --- out ---------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2024, 2, 29, 12, 30, 1, 5), "2024-02-29T12:30:01.000005"),
        (datetime(2024, 2, 29, tzinfo=timezone.utc), "2024-02-29T00:00:00+00:00"),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-3))), "2024-01-01T00:00:00-03:00"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(12, 30), "12:30:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (Decimal("NaN"), "NaN"),
        (Colour.RED, "red"),
        (Colour.NOTHING, None),
        (Colour.TWO, 2),
        (Level.LOW, 1),
        (Kind.PLAIN, "plain"),
        (Point(1, [Slotted("a")]), {"x": 1, "y": [{"value": "a"}]}),
        (Pair(1, (2, 3)), [1, [2, 3]]),
        ({1: "a", None: "b", 1.5: "c"}, {"1": "a", "null": "b", "1.5": "c"}),
        ({True: "a", False: "b"}, {"true": "a", "false": "b"}),
        ({Kind.PLAIN: 1}, {"plain": 1}),
        (2**53 + 1, 9007199254740993),
        (2**70, 1180591620717411303424),
        (-(2**70), -1180591620717411303424),
        ("\u20ac \U0001f600 \x00\x1e\u2028", "\u20ac \U0001f600 \x00\x1e\u2028"),
        ([], []),
        ("null", "null"),
        ([None, 1.0, Point(None, 0.5)], [None, 1.0, {"x": None, "y": 0.5}]),
    ],
)
def test_values_become_json(codec: JSONCodec, value: Any, expected: Any) -> None:
    assert read(codec, [value]) == [expected]


@every
def test_json_is_compact_utf8(codec: JSONCodec) -> None:
    encoded, _ = codec.encode(["\u20ac"])
    assert encoded in ('["\u20ac"]'.encode(), b'["\\u20ac"]')


@every
@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY], ids=["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda number: [number],
        lambda number: [None, {"a": [number]}],
        lambda number: (1, (number,)),
        lambda number: [b"binary", number],
    ],
    ids=["list", "deep", "tuple", "binary"],
)
def test_numbers_that_json_lacks_are_refused(codec: JSONCodec, number: float, wrap: Any) -> None:
    """JSON.parse fails on them, and orjson would write null."""
    with pytest.raises(ValueError, match="JSON"):
        codec.encode(wrap(number))


@both
@pytest.mark.parametrize(
    "value",
    [Point(NAN, 0), Pair(NAN, 0), Slotted((NAN,)), {NAN: 1}, [Slotted(None), NAN, b""]],
    ids=repr,
)
def test_nan_is_refused_wherever_it_is(codec: JSONCodec, value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.encode([value])


@both
@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, 1j, Point, {(1, 2): 3}, {b"key": 1}, Slotted(object()), [b"", {3}]],
    ids=case,
)
def test_what_json_cannot_carry_is_a_type_error(codec: JSONCodec, value: Any) -> None:
    with pytest.raises(TypeError):
        codec.encode([value])


@both
def test_the_error_names_the_type(codec: JSONCodec) -> None:
    with pytest.raises(TypeError, match="'set'"):
        codec.encode(["event", {1}])


HALF = "\U0001f44d".encode("utf-16-le")[:2].decode("utf-16-le", "surrogatepass")


@every
@pytest.mark.parametrize(
    "value",
    [
        HALF,
        "a\udfff",
        f'\u20ac \\{HALF}"\n',
        {HALF: 1, "b": [HALF]},
        [HALF, b"binary"],
        HALF * 1000,
    ],
    ids=ascii,
)
def test_half_an_emoji_is_written_as_an_escape(codec: JSONCodec, value: Any) -> None:
    """As JSON.stringify writes it: UTF-8 has no form of it, and the rest has to arrive."""
    encoded, attachments = codec.encode([value])
    sent = encoded.decode()
    assert "\\ud83d" in sent or "\\udfff" in sent
    again = codec.decode(sent)
    assert codec.encode(again)[0] == encoded
    if not attachments:
        assert again == [value]


@every
def test_two_halves_are_one_emoji_to_the_client(codec: JSONCodec) -> None:
    assert read(codec, HALF + "\udc4d") == "\U0001f44d"


def test_only_half_an_emoji_is_escaped() -> None:
    for codec in (StandardCodec(), OrjsonCodec()):
        assert (
            codec.encode([f"\u20ac\U0001f44d{HALF}"])[0] == '["\u20ac\U0001f44d\\ud83d"]'.encode()
        )


class Unescaped:
    """A JSON module that writes characters as they are."""

    loads = staticmethod(json.loads)

    def dumps(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)


def test_half_an_emoji_in_the_text_of_another_json_module_is_escaped() -> None:
    assert wrap_module(Unescaped()).encode({HALF: HALF})[0] == b'{"\\ud83d": "\\ud83d"}'


KEYS = [
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (date(2024, 2, 29), "2024-02-29"),
    (datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc), "2024-02-29T12:30:00+00:00"),
    (time(12, 30), "12:30:00"),
    (Decimal("1.10"), "1.10"),
    (Colour.RED, "red"),
    (Colour.NOTHING, "null"),
    (Colour.TWO, "2"),
    (Level.LOW, "1"),
    (Kind.PLAIN, "plain"),
    (10**400, "1" + "0" * 400),
]


@every
@pytest.mark.parametrize(("key", "text"), KEYS, ids=lambda item: repr(item)[:40])
def test_keys_become_strings(codec: JSONCodec, key: Any, text: str) -> None:
    assert read(codec, ["e", {"a": {key: 1}, "b": [{key: {key: None}}]}]) == [
        "e",
        {"a": {text: 1}, "b": [{text: {text: None}}]},
    ]


@both
def test_keys_become_strings_beside_everything_else(codec: JSONCodec) -> None:
    key = UUID(int=1)
    encoded, attachments = codec.encode([Point({key: b"a"}, Pair({key: HALF}, b"b")), 2**70])
    assert attachments == [b"a", b"b"]
    point, number = json.loads(encoded)
    assert point["x"] == {str(key): {"_placeholder": True, "num": 0}}
    assert point["y"] == [{str(key): HALF}, {"_placeholder": True, "num": 1}]
    assert number == 2**70


LARGEST = 2**1024 - 2**970  # rounds to an infinity


@every
@pytest.mark.parametrize("number", [LARGEST, -LARGEST, 10**400, 10**4299, 10**5000], ids=len_of)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda number: [number],
        lambda number: {"a": ["x" * 100, {"b": (1, number)}]},
        lambda number: [b"binary", number, HALF],
    ],
    ids=["list", "deep", "binary"],
)
def test_an_integer_that_no_double_holds_is_refused(
    codec: JSONCodec, number: int, wrap: Any
) -> None:
    """JSON.parse reads it as Infinity, which JSON.stringify writes as null."""
    with pytest.raises(ValueError, match=r"too large|limit"):
        codec.encode(wrap(number))


@every
def test_the_largest_integer_that_a_double_holds_is_sent(codec: JSONCodec) -> None:
    assert read(codec, [LARGEST - 1, 1 - LARGEST]) == [LARGEST - 1, 1 - LARGEST]


@every
def test_text_and_keys_of_many_digits_are_not_numbers(codec: JSONCodec) -> None:
    value = {"9" * 1000: "8" * 1000, "a": [1.5] * 500}
    assert read(codec, value) == value


def endless(*before: Any) -> list[Any]:
    circle: list[Any] = [*before]
    circle.append(circle)
    return circle


def deep(*before: Any) -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return [*before, value]


@every
@pytest.mark.parametrize("before", [(), (b"binary",)], ids=["text", "binary"])
@pytest.mark.parametrize("build", [endless, deep])
def test_circles_and_depths_are_value_errors(codec: JSONCodec, build: Any, before: Any) -> None:
    with pytest.raises(ValueError, match=r"[Cc]ircular|nested"):
        codec.encode(build(*before))


# --- attachments -------------------------------------------------------------


@every
def test_bytes_are_taken_out_in_the_order_of_the_text(codec: JSONCodec) -> None:
    value = ["e", b"a", {"k": [bytearray(b"b")], "n": None}, memoryview(b"c"), (b"d",)]
    encoded, attachments = codec.encode(value)
    assert attachments == [b"a", b"b", b"c", b"d"]
    assert {type(attachment) for attachment in attachments} == {bytes}
    marks = [{"_placeholder": True, "num": num} for num in range(4)]
    assert json.loads(encoded) == [
        "e",
        marks[0],
        {"k": [marks[1]], "n": None},
        marks[2],
        [marks[3]],
    ]


@every
def test_one_buffer_that_is_named_a_thousand_times_is_copied_once(codec: JSONCodec) -> None:
    buffers = [bytearray(100_000)] * 1000, [bytes(100_000)] * 1000
    tracemalloc.start()
    try:
        _, attachments = codec.encode(list(buffers))
        assert Message(b"", attachments).size == 200_000_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@both
def test_bytes_inside_dataclasses_and_named_tuples_are_found(codec: JSONCodec) -> None:
    encoded, attachments = codec.encode([Point(b"a", Pair(1, b"b"))])
    assert attachments == [b"a", b"b"]
    marks = [{"_placeholder": True, "num": num} for num in range(2)]
    assert json.loads(encoded) == [{"x": marks[0], "y": [1, marks[1]]}]


@every
def test_what_is_sent_later_does_not_change_with_its_buffer(codec: JSONCodec) -> None:
    buffer = bytearray(b"before")
    _, attachments = codec.encode([buffer, memoryview(buffer)[:3]])
    buffer[:] = b"after!"
    assert attachments == [b"before", b"bef"]


@both
def test_bytes_next_to_values_that_orjson_refuses_are_counted_once(codec: JSONCodec) -> None:
    """orjson gives up at the big integer, after it has taken the bytes out."""
    encoded, attachments = codec.encode([b"a", 2**70, b"b", {1: b"c"}])
    assert attachments == [b"a", b"b", b"c"]
    assert [
        item["num"] for item in json.loads(encoded) if isinstance(item, dict) and "num" in item
    ] == [0, 1]


# --- in ----------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,-1,1.5,1e3,true,null]", [1, -1, 1.5, 1000.0, True, None]),
        ('"\\ud83d\\ude00\\u20ac"', "\U0001f600\u20ac"),
        ('"\\ud800"', "\ud800"),
        (' {"a" : [ ] } ', {"a": []}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("-9223372036854775809", -float(2**63)),
        ("1" + "0" * 100, 1e100),
    ],
)
def test_json_becomes_values(codec: JSONCodec, text: str, value: Any) -> None:
    decoded = codec.decode(text)
    assert decoded == value
    assert type(decoded) is type(value)


@both
@pytest.mark.parametrize(
    "text",
    ["", "NaN", "[Infinity]", "-Infinity", "[1,]", "{1:2}", "'a'", "01", "+1", ".5", "1.", "[1] x",
     "\ufeff[]", '"\x00"', '"\\x"', "[", "tru", "\u0661"],
    ids=ascii,
)  # fmt: skip
def test_what_is_not_json_is_a_value_error(codec: JSONCodec, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode(text)


@both
@pytest.mark.parametrize("sign", ["", "-"], ids=["positive", "negative"])
@pytest.mark.parametrize("digits", [309, 310, 400, 401, 4300])
def test_an_integer_that_no_double_holds_is_what_json_makes_of_it(
    codec: JSONCodec, digits: int, sign: str
) -> None:
    text = sign + "9" * digits
    assert codec.decode(f'["x",{text}]') == ["x", json.loads(text)]


@both
@pytest.mark.parametrize("sign", ["", "-"], ids=["positive", "negative"])
@pytest.mark.parametrize(
    "number", ["1e400", "1" + "0" * 310 + ".5", "9" * 4301, "1" * 5000, "1" * 1_000_000], ids=len
)
def test_other_numbers_that_are_too_large_are_infinite(
    codec: JSONCodec, number: str, sign: str
) -> None:
    """Giant integers in JSON, blog.caller.xyz/socketio-engineio-dos: parsing was quadratic."""
    assert codec.decode(f'["x",{sign}{number}]') == ["x", float(sign + "inf")]


@both
def test_a_lower_bound_for_integers_as_text_does_not_refuse_any(codec: JSONCodec) -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert codec.decode(f"[{'1' * 640},{'1' * 641}]") == [int("1" * 640), INFINITY]
    finally:
        sys.set_int_max_str_digits(before)


@every
@pytest.mark.parametrize(
    "text",
    ["[" * 50_000, '{"a":' * 50_000, "[" * 50_000 + "]" * 50_000],
    ids=["lists", "objects", "closed"],
)
def test_json_nested_too_deeply_is_a_value_error(codec: JSONCodec, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode(text)


# --- both agree --------------------------------------------------------------


def encoding(codec: JSONCodec, value: Any) -> Any:
    try:
        encoded, attachments = codec.encode(value)
    except (TypeError, ValueError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError
    return json.dumps(json.loads(encoded)), attachments


def decoding(codec: JSONCodec, text: str) -> Any:
    try:
        value = codec.decode(text)
    except ValueError:
        return ValueError
    # As text: 1, 1.0 and true are equal to Python.
    return json.dumps(value)


anything = values.rich(values.rich_leaves | values.binary | values.strangers)


@settings(max_examples=400)
@given(anything)
def test_both_encode_anything_alike(value: Any) -> None:
    assert encoding(OrjsonCodec(), value) == encoding(StandardCodec(), value)


@given(values.nested(values.leaves))
def test_values_of_json_survive_both_ways(value: Any) -> None:
    for encoder in (StandardCodec(), OrjsonCodec()):
        encoded, attachments = encoder.encode(value)
        assert attachments == []
        assert json.loads(encoded) == value


any_text = st.text(st.characters(categories=("L", "N", "Cs", "So", "Cc")), max_size=6)
received = values.nested(
    st.none() | st.booleans() | values.plain | values.finite | any_text, any_text
)


@settings(max_examples=300)
@given(received, st.booleans())
def test_what_was_received_can_be_sent(value: Any, ascii_only: bool) -> None:
    """As a client has written it: JSON.stringify escapes lone surrogates."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "backslashreplace").decode()
    for codec in (StandardCodec(), OrjsonCodec(), wrap_module(json), wrap_module(Unescaped())):
        handed = codec.decode(text)
        encoded, attachments = codec.encode(handed)
        assert attachments == []
        assert json.loads(encoded) == json.loads(text)


@settings(max_examples=300)
@given(values.nested(values.leaves | st.floats(), values.keys).map(json.dumps), st.data())
def test_both_decode_anything_alike(text: str, data: st.DataObject) -> None:
    assert decoding(OrjsonCodec(), text) == decoding(StandardCodec(), text)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    patch = data.draw(
        st.text('[]{}",:0123456789.eE+-\\u d8NaNull\x00', max_size=4) | st.text(max_size=2)
    )
    spoiled = text[:start] + patch + text[end:]
    assert decoding(OrjsonCodec(), spoiled) == decoding(StandardCodec(), spoiled)


@settings(max_examples=300)
@given(st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_both_decode_numbers_alike(text: str) -> None:
    assert decoding(OrjsonCodec(), text) == decoding(StandardCodec(), text)


# --- choosing ----------------------------------------------------------------


def test_orjson_is_used_when_it_is_installed() -> None:
    assert isinstance(best_codec(), OrjsonCodec)


class Backwards:
    """A JSON module that is recognised by what it writes."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()[::-1]

    def loads(self, text: str) -> Any:
        return json.loads(text[::-1])


def test_a_json_module_of_the_user_encodes_and_decodes() -> None:
    codec = wrap_module(Backwards())
    assert codec.encode(["ab"]) == (b']"ba"[', [])
    assert codec.decode(']"ba"[') == ["ab"]


class OnlyDumps:
    dumps = staticmethod(json.dumps)


@pytest.mark.parametrize(
    "module", [OnlyDumps(), "json", None, math], ids=["half", "str", "None", "math"]
)
def test_what_is_not_a_json_module_is_refused(module: Any) -> None:
    with pytest.raises(TypeError, match="dumps"):
        wrap_module(module)
