"""Which object of the host a function belongs to, through the wrappers of middlewares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

__all__ = ["attribute_of", "owner_of"]

#: How many objects around a function are looked into for the host's.
_MOST = 50


def owner_of(function: Any, name: str, is_host: Callable[[Any], bool]) -> Any:
    """Return the host's object whose method a function is, or calls, as far as can be seen.

    Args:
        function: A function of the host, or of a middleware around it.
        name: The name of the method.
        is_host: Returns whether an object is the one that is looked for.

    Returns:
        The object; ``None`` when the function has nothing of the host.
    """
    found = [function]
    for function in found:
        owner = attribute_of(function, "__self__")
        if owner is not None and attribute_of(function, "__name__") == name and is_host(owner):
            return owner
        for part in _parts(function, owner):
            if len(found) < _MOST and callable(part) and not any(part is one for one in found):
                found.append(part)
    return None


def _parts(function: Any, owner: Any) -> Iterator[Any]:
    # What it may call: a partial, a wrapper, a closure, the attributes of an object.
    yield attribute_of(function, "func")
    yield attribute_of(function, "__wrapped__")
    for cell in attribute_of(function, "__closure__") or ():
        with suppress(ValueError):  # it is empty as yet
            yield cell.cell_contents
    for thing in (function, owner):
        if not isinstance(thing, (ModuleType, type)):
            yield from list((attribute_of(thing, "__dict__") or {}).values())


def attribute_of(thing: Any, name: str) -> Any:
    """Return an attribute; ``None`` when the object has none, or raises instead."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - what proxies such as flask.request raise
        return None
