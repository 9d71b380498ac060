"""Connections to Redis: one client for commands, and connections that only listen.

The application gives a URL or a ready redis-py client: plain, of a Sentinel or of a Redis
Cluster. Nothing is opened before it is used, and a process that was forked opens its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from gevent.monkey import is_module_patched

from ..extras import optional

__all__ = ["RedisLink", "redis_errors"]

#: Seconds for a connection to be made.
CONNECT_TIMEOUT = 5.0
#: Seconds for the answer to a command; a server that pauses for less loses nothing.
COMMAND_TIMEOUT = 15.0
# What a listening connection takes over from the client's.
_KEPT = {"host", "port", "db", "path", "username", "password", "credential_provider"}


def redis_errors() -> tuple[type[Exception], ...]:
    """Return what redis-py raises when Redis is out of reach or refuses."""
    return (optional("redis", "redis").RedisError, OSError)


class RedisLink:
    """The way to one Redis.

    Args:
        client: A URL (``redis://``, ``rediss://``, ``unix://``) or a client of redis-py.

    Raises:
        ImportError: redis-py is not installed.
        TypeError: It is neither.
        RuntimeError: Sockets are not gevent's: Redis would stop the whole server.
    """

    def __init__(self, client: Any) -> None:
        self._redis = optional("redis", "redis")
        optional("msgpack", "redis")
        if isinstance(client, (str, bytes)):
            client = str(client, "utf-8") if isinstance(client, bytes) else client
            self._redis.connection.parse_url(client)  # a bad URL raises here
        elif not hasattr(client, "execute_command"):
            raise TypeError(f"a Redis URL or client is needed, not {type(client).__name__}")
        if not is_module_patched("socket"):
            raise RuntimeError(
                "Redis needs gevent's sockets: begin the program with "
                "'from gevent import monkey; monkey.patch_all()'"
            )
        self._given = client
        self._made: Any = None
        self._pid = 0

    @property
    def is_cluster(self) -> bool:
        """Whether it is a Redis Cluster."""
        return hasattr(self._given, "get_node_from_key")

    def commands(self) -> Any:
        """Return the client for commands."""
        if not isinstance(self._given, str):
            return self._given
        if self._made is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._made = self._redis.Redis.from_url(
                self._given,
                protocol=2,
                socket_connect_timeout=CONNECT_TIMEOUT,
                socket_timeout=COMMAND_TIMEOUT,
                socket_keepalive=True,
                # What failed may have been done: whoever sends decides about a second time.
                retry=self._no_retry(),
            )
        return self._made

    def execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one go and return their answers, errors of Redis among them.

        Raises:
            redis.RedisError, OSError: The connection failed: what was done is not known.
        """
        client = self.commands()
        if self.is_cluster or len(commands) == 1:
            return [_try(client, command, self._redis.ResponseError) for command in commands]
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def nodes_of(self, channels: Iterable[str]) -> dict[Any, list[str]]:
        """Return the channels by the node that serves their slot; one node without a cluster."""
        found: dict[Any, list[str]] = {}
        for channel in channels:
            node = self._given.get_node_from_key(channel).name if self.is_cluster else None
            found.setdefault(node, []).append(channel)
        return found

    def listening_connection(self, node: Any = None) -> Any:
        """Return a new connection, not connected yet, that waits for messages without end.

        Args:
            node: The name of a node of a cluster; any without it.
        """
        pool = self._pool(node)
        options = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if name in _KEPT or name.startswith("ssl_")
        }
        options |= {
            "protocol": 2,
            "decode_responses": False,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": None,
            "socket_keepalive": True,
            "retry": self._no_retry(),
        }
        if "path" in options:
            del options["socket_keepalive"]
        sentinel = getattr(pool, "sentinel_manager", None)
        if sentinel is not None:
            # The master may be another one at each connection.
            host, port = sentinel.discover_master(pool.service_name)
            options |= {"host": host, "port": port}
            is_tls = hasattr(pool.connection_class, "cert_reqs") or "ssl_cert_reqs" in options
            kind = self._redis.SSLConnection if is_tls else self._redis.Connection
            return kind(**options)
        return pool.connection_class(**options)

    def _pool(self, node: Any) -> Any:
        client = self.commands()
        if not self.is_cluster:
            return client.connection_pool
        nodes = client.get_primaries()
        chosen = next((item for item in nodes if item.name == node), nodes[0])
        return client.get_redis_connection(chosen).connection_pool

    def count_subscribers(self, channel: str, sharded: bool = False) -> int:
        """Return how many connections listen to a channel; may block.

        Raises:
            redis.RedisError, OSError: Redis is out of reach.
        """
        word = "SHARDNUMSUB" if sharded else "NUMSUB"
        client = self.commands()
        if not self.is_cluster:
            return _count(client.execute_command(f"PUBSUB {word}", channel))
        count = 0
        for node in client.get_primaries():
            plain = client.get_redis_connection(node)
            count += _count(plain.execute_command(f"PUBSUB {word}", channel))
        return count

    def _no_retry(self) -> Any:
        backoff = optional("redis.backoff", "redis").NoBackoff()
        return optional("redis.retry", "redis").Retry(backoff, 0)


def _try(client: Any, command: tuple[Any, ...], refused: type[Exception]) -> Any:
    try:
        return client.execute_command(*command)
    except refused as error:
        return error


def _count(answer: Any) -> int:
    # One channel and its number: flat, or a pair in a list, as the version of redis-py has it.
    while isinstance(answer, (list, tuple)):
        answer = answer[-1]
    return int(answer)
