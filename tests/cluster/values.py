"""Values as JSON: bytes travel as ``{"$bytes": base64}``."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Set
from typing import Any


def freeze(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key: freeze(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [freeze(item) for item in value]
    return value


def thaw(value: Any) -> Any:
    if isinstance(value, dict):
        if "$bytes" in value:
            return b64decode(value["$bytes"])
        return {key: thaw(item) for key, item in value.items()}
    return [thaw(item) for item in value] if isinstance(value, list) else value
