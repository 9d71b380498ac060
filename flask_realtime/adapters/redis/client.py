"""A Redis URL or a ready client of redis-py becomes a client, for servers and for emitters.

No gevent here: emitters use it from any process.
"""

from __future__ import annotations

from typing import Any

from ...extras import optional

__all__ = ["redis_client"]


def redis_client(given: Any, **options: Any) -> Any:
    """Return the client that the application means; it connects when it is first used.

    Args:
        given: A URL (``redis://``, ``rediss://``, ``unix://``), or a client of redis-py: plain,
            of a Sentinel or of a Redis Cluster, which is returned as it is.
        options: What a client made from a URL is made with, as ``Redis.from_url`` takes it.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        TypeError: It is neither.
        ValueError: The URL is malformed.
    """
    optional("msgpack", "redis")
    if isinstance(given, bytes):
        given = given.decode()
    if isinstance(given, str):
        return optional("redis", "redis").Redis.from_url(given, **options)
    if not hasattr(given, "execute_command"):
        raise TypeError(f"expected a Redis URL or client, got {type(given).__name__}")
    return given
