"""Conversions of values and keys that JSON does not have, the same in every format."""

from __future__ import annotations

import dataclasses
import enum
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

__all__ = ["LARGEST", "NOT_FINITE", "TOO_LARGE", "plain_default", "plain_key", "plain_value"]

NOT_FINITE: Final = "JSON has neither NaN nor infinities"
TOO_LARGE: Final = "an integer is too large: to JavaScript it would be Infinity"
#: The first integer that rounds to an infinity as a double.
LARGEST: Final = 2**1024 - 2**970

_SCALARS = (str, int, float, type(None))


def plain_default(value: Any) -> Any:
    """Convert a value that JSON does not have.

    Raises:
        TypeError: There is no conversion for its type.
    """
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"a packet cannot carry a value of type {type(value).__name__!r}")


def plain_key(key: Any) -> str:
    """Return the key of an object as JSON, and JavaScript, have it.

    Raises:
        TypeError: It is not a scalar, and does not become one.
        ValueError: It is NaN or infinite.
    """
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        if not math.isfinite(key):
            raise ValueError(NOT_FINITE)
        return float.__repr__(key)
    if isinstance(key, (datetime, date, time, UUID, Decimal, enum.Enum)):
        return plain_key(plain_default(key))
    raise TypeError(f"keys must be text, numbers or None, not {type(key).__name__}")


def plain_value(value: Any) -> Any:
    """Return a copy of JSON's own values, with text as keys, and bytes as they are.

    Raises:
        TypeError: It holds something that cannot be converted.
        ValueError: It holds a key that is NaN or infinite, or an integer that is too large.
    """
    if isinstance(value, _SCALARS):
        if isinstance(value, int) and not -LARGEST < value < LARGEST:
            raise ValueError(TOO_LARGE)
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value
    if isinstance(value, dict):
        return {plain_key(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    return plain_value(plain_default(value))
