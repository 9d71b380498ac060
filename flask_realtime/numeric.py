"""Whole numbers that are written as floats, such as ``5e7``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["whole", "whole_values"]


def whole(value: Any) -> Any:
    """Return a float without a fraction as an integer, and everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_values(given: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a copy in which the values of these names have passed through :func:`whole`."""
    return {name: whole(value) if name in names else value for name, value in given.items()}
