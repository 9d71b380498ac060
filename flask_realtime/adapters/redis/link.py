"""The way to one Redis: plain, behind a Sentinel, or a Redis Cluster.

The application gives a URL or a ready redis-py client. The addresses and credentials are taken
from the client. The connections are made here, with one protocol, with deadlines and, above
all, without retries: a command that failed may have been executed, and the sender decides
whether it is sent again. Nothing is opened before it is used, and a process that was forked
opens connections of its own.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.monkey import is_module_patched

from ...extras import optional
from .client import redis_client

__all__ = ["RedisLink", "error_code", "redis_errors"]

logger = logging.getLogger(__name__)

#: Seconds for a connection to be made.
CONNECT_TIMEOUT = 5.0
#: Seconds for the answer to a command; a server that pauses for less loses nothing.
COMMAND_TIMEOUT = 15.0
# What is taken from the client's connections. "connection_pool" knows the Sentinels.
_KEPT = {"host", "port", "db", "path", "username", "password", "credential_provider"}
_KEPT |= {"client_name", "connection_pool"}
_CODES = {
    "ReadOnlyError": "READONLY",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "TryAgainError": "TRYAGAIN",
}


def redis_errors() -> tuple[type[Exception], ...]:
    """Return what redis-py raises when Redis is out of reach or refuses."""
    redis = optional("redis.exceptions", "redis")
    return (redis.RedisError, redis.RedisClusterException, OSError)


def error_code(error: object) -> str:
    """Return the first word of an error of Redis, such as ``MOVED``."""
    # Versions of redis-py differ in which of them have classes, and lose their code.
    found = _CODES.get(type(error).__name__)
    return found or str(error).partition(" ")[0]


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    # redis-py closes the connection at this error; it would take a TimeoutError for its own.
    timer = gevent.Timeout.start_new(seconds)
    try:
        yield
    except gevent.Timeout as error:
        if error is not timer:
            raise
        raise TimeoutError(f"no answer from Redis within {seconds} s") from None
    finally:
        timer.close()


def _closing_on_error(kind: Any) -> Any:
    # A connection with an answer that was not read must not be used again: the next question
    # would get that answer. Without this argument those of a Sentinel stay open.
    def read_response(self: Any, *args: Any, **options: Any) -> Any:
        return kind.read_response(self, *args, **{**options, "disconnect_on_error": True})

    return type(kind.__name__, (kind,), {"read_response": read_response})


def _connect(connection: Any) -> Exception | None:
    try:
        connection.connect()
    except redis_errors() as error:
        return error
    return None


class RedisLink:
    """Opens connections; logs once when Redis goes away and once when it is back.

    Args:
        client: A URL (``redis://``, ``rediss://``, ``unix://``) or a client of redis-py.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        TypeError: It is neither.
        RuntimeError: Sockets are not gevent's: waiting for Redis would stop the whole server.
        ValueError: The URL is malformed.
    """

    def __init__(self, client: Any) -> None:
        self._redis = optional("redis", "redis")
        client = redis_client(client)
        if not is_module_patched("socket"):
            raise RuntimeError(
                "Redis needs gevent's sockets: begin the program with "
                "'from gevent import monkey; monkey.patch_all()'"
            )
        self._given = client
        self._clients: dict[Any, Any] = {}
        # Asks a Redis Cluster which node has which slots.
        self._refreshing: gevent.Greenlet[..., Any] | None = None
        self._pid = os.getpid()
        self._is_down = False

    @property
    def is_cluster(self) -> bool:
        """Whether it is a Redis Cluster."""
        return hasattr(self._given, "get_node_from_key")

    # Nodes

    def node_of(self, key: str) -> Any:
        """Return the name of the node that has a key or a sharded channel.

        Returns:
            ``None`` without a Redis Cluster.
        """
        return self._given.get_node_from_key(key).name if self.is_cluster else None

    def refresh(self) -> None:
        """Ask a Redis Cluster which node has which slots; may block.

        Called when a slot has moved or a node has failed; an error is logged.
        """
        if self.is_cluster:
            try:
                with _deadline(COMMAND_TIMEOUT):
                    self._given.nodes_manager.initialize()
            except redis_errors() as error:
                self.failed(error)

    def _pool(self, node: Any) -> Any:
        if not self.is_cluster:
            return self._given.connection_pool
        nodes = self._given.get_primaries()
        chosen = next((item for item in nodes if item.name == node), None)
        if chosen is None:
            chosen = random.choice(nodes)
        return self._given.get_redis_connection(chosen).connection_pool

    # Connections

    def connect(self, node: Any = None, timeout: float | None = None) -> Any:
        """Return a new connection of redis-py; answers are bytes. Blocks.

        Args:
            node: The name of a node of a cluster; any without it.
            timeout: Seconds for each read; without it a read has no deadline.

        Raises:
            redis.RedisError, OSError: Redis is out of reach.
        """
        pool = self._pool(node)
        connection = pool.connection_class(**self._options(pool, timeout))
        # redis-py loses the socket when connecting is interrupted. So it runs on a greenlet of
        # its own, which finishes and closes when the one that waits for it is killed.
        job = gevent.spawn(_connect, connection)
        try:
            error = job.get()
        except BaseException:
            job.link(lambda _: connection.disconnect())
            raise
        if error is not None:
            connection.disconnect()
            raise error
        return connection

    def _options(self, pool: Any, timeout: float | None) -> dict[str, Any]:
        options = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if name in _KEPT or name.startswith("ssl_")
        }
        if "path" not in options:
            options["socket_keepalive"] = True
        no_backoff = optional("redis.backoff", "redis").NoBackoff()
        return options | {
            "protocol": 2,
            "decode_responses": False,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": timeout,
            "retry": optional("redis.retry", "redis").Retry(no_backoff, 0),
        }

    # Questions

    def ask(self, *words: Any, timeout: float = COMMAND_TIMEOUT) -> Any:
        """Send one command about a key, its second word, and return the answer; blocks.

        Args:
            words: The command and its arguments.
            timeout: Seconds.

        Raises:
            redis.RedisError, OSError: Redis is out of reach, or refuses.
        """
        with self._question(timeout):
            try:
                return self._client(self.node_of(words[1])).execute_command(*words)
            except self._redis.ResponseError as error:
                if error_code(error) != "MOVED":
                    raise
                self.refresh()
                return self._client(self.node_of(words[1])).execute_command(*words)

    @contextmanager
    def _question(self, timeout: float) -> Iterator[None]:
        try:
            with _deadline(timeout):
                yield
        except self._redis.ResponseError:
            raise
        except redis_errors():
            # The node may have left the Redis Cluster: the next question goes to the right one.
            if self.is_cluster and (self._refreshing is None or self._refreshing.ready()):
                self._refreshing = gevent.spawn(self.refresh)
            raise

    def _client(self, node: Any) -> Any:
        if self._pid != os.getpid():
            self._pid, self._clients, self._refreshing = os.getpid(), {}, None
        found = self._clients.get(node)
        if found is None:
            source = self._pool(node)
            options = self._options(source, COMMAND_TIMEOUT)
            kind = _closing_on_error(source.connection_class)
            pool = self._redis.ConnectionPool(connection_class=kind, **options)
            found = self._clients[node] = self._redis.Redis(connection_pool=pool)
            # Answers as they are, whatever the version of redis-py makes of them.
            found.response_callbacks.clear()
        return found

    def count_subscribers(self, channel: str, sharded: bool, timeout: float) -> int:
        """Return how many connections listen to a channel; blocks for ``timeout`` seconds.

        Args:
            channel: The name of the channel.
            sharded: Whether it is one of sharded pub/sub.
            timeout: Seconds.

        Raises:
            redis.RedisError, OSError: Redis is out of reach.
        """
        word = "SHARDNUMSUB" if sharded else "NUMSUB"
        nodes = [node.name for node in self._given.get_primaries()] if self.is_cluster else [None]
        with self._question(timeout):
            answers = [
                self._client(node).execute_command("PUBSUB", word, channel) for node in nodes
            ]
        return sum(int(answer[1]) for answer in answers)

    def close(self) -> None:
        """Close the connections of :meth:`ask` and :meth:`count_subscribers`."""
        if self._pid == os.getpid():
            for client in self._clients.values():
                client.connection_pool.disconnect()
        self._clients.clear()

    # The log: one line when Redis goes away, one when it is back

    def failed(self, error: object) -> None:
        """Log that Redis was not reached, if it is the first time since it was."""
        if not self._is_down:
            self._is_down = True
            logger.warning("! Redis is out of reach: %s", error)

    def works(self) -> None:
        """Log that Redis is back, if it was away; called for each new connection."""
        if self._is_down:
            self._is_down = False
            logger.warning("= Redis is back")
