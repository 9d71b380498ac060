"""Adapters from the address of a server, for configuration files."""

from __future__ import annotations

from .. import adapters
from .base import AdapterFactory
from .memory import MemoryAdapter

__all__ = ["adapter_factory"]

_SCHEMES = ("redis", "rediss", "unix")
_VARIANTS = {
    "": "RedisAdapter",
    "sharded": "ShardedRedisAdapter",
    "streams": "RedisStreamsAdapter",
}


def adapter_factory(given: AdapterFactory | str | None) -> AdapterFactory:
    """Return the factory that the option ``adapter`` of a server stands for.

    Args:
        given: ``None`` for rooms in memory, ``fn(namespace)``, or a URL: ``redis://``,
            ``rediss://`` and ``unix://`` mean :class:`RedisAdapter`; ``redis+sharded://`` and
            ``redis+streams://`` (``rediss+…``, ``unix+…``) the other two.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The URL names no adapter.
    """
    if given is None:
        return MemoryAdapter
    if not isinstance(given, str):
        return given
    # An error never quotes the whole URL: it may hold a password.
    scheme, found, rest = given.partition("://")
    base, _, variant = scheme.partition("+")
    if not found or base not in _SCHEMES or variant not in _VARIANTS:
        what = f"{scheme}://" if found else "an address without a scheme"
        raise ValueError(
            f"no adapter for {what}: use redis://, redis+sharded:// or redis+streams://"
        )
    kind = getattr(adapters, _VARIANTS[variant])
    factory: AdapterFactory = kind(f"{base}://{rest}")
    return factory
