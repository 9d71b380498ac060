"""Names of test cases that are the same in every process, which parallel runs rely on."""

from __future__ import annotations

import re

__all__ = ["case"]


def case(value: object) -> str:
    """The ``repr`` of a value without its address in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", getattr(value, "__qualname__", repr(value)))
