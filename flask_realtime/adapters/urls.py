"""Adapters from the address of a server, for configuration files."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .memory import MemoryAdapter

__all__ = ["adapter_factory"]

_SCHEMES = ("redis", "rediss", "unix")
_VARIANTS = {
    "": ("redis.classic", "RedisAdapter"),
    "sharded": ("redis.sharded", "ShardedRedisAdapter"),
    "streams": ("redis.streams", "RedisStreamsAdapter"),
}


def adapter_factory(given: Any) -> Callable[[Any], Any]:
    """Return what makes the adapter of a namespace.

    Args:
        given: ``None`` for rooms in memory, ``fn(namespace)``, or a URL: ``redis://``,
            ``rediss://`` and ``unix://`` mean :class:`RedisAdapter`; ``redis+sharded://`` and
            ``redis+streams://`` (``rediss+…``, ``unix+…``) the other two.

    Raises:
        ValueError: The URL names no adapter.
    """
    if given is None:
        return MemoryAdapter
    if not isinstance(given, str):
        factory: Callable[[Any], Any] = given
        return factory
    # Never the whole of it in a message: there may be a password in it.
    scheme, found, rest = given.partition("://")
    base, _, variant = scheme.partition("+")
    if not found or base not in _SCHEMES or variant not in _VARIANTS:
        what = f"{scheme}://" if found else "an address without a scheme"
        raise ValueError(
            f"no adapter for {what}: use redis://, redis+sharded:// or redis+streams://"
        )
    module, name = _VARIANTS[variant]
    kind = getattr(importlib.import_module(f".{module}", __package__), name)
    made: Callable[[Any], Any] = kind(f"{base}://{rest}")
    return made
