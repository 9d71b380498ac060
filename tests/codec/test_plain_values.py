"""Keys and values beyond JSON's own; how they are encoded is in ``test_json_codec.py``."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given

from flask_realtime.codec.plain_values import LARGEST, plain_key, plain_value
from tests.codec import values
from tests.codec.values import Colour, Pair, Point
from tests.ids import case


@pytest.mark.parametrize("key", [1, -2, True, False, None, 1.5, 1e22, "a", 2**70])
def test_a_key_of_json_is_as_json_writes_it(key: Any) -> None:
    assert [plain_key(key)] == list(json.loads(json.dumps({key: 0})))


@pytest.mark.parametrize("key", [math.nan, math.inf])
def test_a_key_that_is_not_finite_is_a_value_error(key: float) -> None:
    with pytest.raises(ValueError, match="NaN"):
        plain_key(key)


@pytest.mark.parametrize("key", [(1, 2), b"a", object(), frozenset(), Pair(1, 2)], ids=case)
def test_other_keys_are_type_errors(key: Any) -> None:
    with pytest.raises(TypeError, match="keys must be"):
        plain_key(key)


def test_a_copy_has_only_plain_values_and_bytes() -> None:
    value = {Colour.RED: Point((1, b"a"), [Colour.TWO])}
    assert plain_value(value) == {"red": {"x": [1, b"a"], "y": [2]}}


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_is_too_large_where_it_rounds_to_an_infinity(sign: int) -> None:
    with pytest.raises(OverflowError):
        float(sign * LARGEST)
    with pytest.raises(ValueError, match="too large"):
        plain_value([sign * LARGEST])
    nearer = sign * (LARGEST - 1)
    assert float(nearer) == sign * sys.float_info.max
    assert plain_value([nearer]) == [nearer]


@given(values.nested(values.leaves | values.some_bytes))
def test_plain_values_stay_as_they_are(value: Any) -> None:
    assert plain_value(value) == value
