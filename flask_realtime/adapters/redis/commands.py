"""Connections for one sender: commands go out in one write, answers come back in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ...extras import optional
from .link import COMMAND_TIMEOUT, RedisLink, error_code, redis_errors

__all__ = ["CommandConnection"]

Words = tuple[Any, ...]

# Refusals that do not concern the command itself: it succeeds elsewhere or later.
_TRY_LATER = {"ASK", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "READONLY", "TRYAGAIN"}
_CLIENT_INFO = re.compile(rb"\bid=(\d+) addr=(\S+)")


class CommandConnection:
    """Sends commands to Redis, each to the node that has its key.

    The key is the second word of a command. In a Redis Cluster there is a connection for each
    node, and the order of commands is kept for each key.

    Args:
        link: The way to Redis.
        timeout: Seconds that Redis has to answer.
    """

    def __init__(self, link: RedisLink, timeout: float = COMMAND_TIMEOUT) -> None:
        self._link = link
        self._timeout = timeout
        self._connections: dict[Any, _NodeConnection] = {}

    def execute(self, commands: Sequence[Words]) -> list[Any]:
        """Send commands and return their answers, errors of Redis among them; blocks.

        Raises:
            redis.RedisError, OSError: The connection failed, or Redis does not take commands
                now. It is not known which ones were executed; the others never will be, once
                another :meth:`execute` has succeeded.
        """
        try:
            if not self._link.is_cluster:
                return self._connection_to(None).execute(commands)
            answers = []
            for node, group in groupby(commands, lambda words: self._link.node_of(words[1])):
                answers += self._connection_to(node).execute(list(group))
            return answers
        except redis_errors():
            self._link.refresh()
            raise

    def check(self) -> None:
        """Replace connections that were closed while they were idle; may block.

        Raises:
            redis.RedisError, OSError: Redis is out of reach.
        """
        for connection in self._connections.values():
            connection.check()

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def _connection_to(self, node: Any) -> _NodeConnection:
        found = self._connections.get(node)
        if found is None:
            found = self._connections[node] = _NodeConnection(self._link, node, self._timeout)
        return found


def _packed(commands: Sequence[Words]) -> bytes:
    # As the connection would pack them, in a quarter of the time.
    parts = []
    for words in commands:
        parts.append(b"*%d\r\n" % len(words))
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class _NodeConnection:
    """The connection to one node."""

    def __init__(self, link: RedisLink, node: Any, timeout: float) -> None:
        self._link = link
        self._node = node
        self._timeout = timeout
        self._refused = optional("redis.exceptions", "redis").ResponseError
        self._connection: Any = None
        #: Id and address by which Redis knows this connection, and the one that failed.
        self._name: tuple[bytes, bytes] | None = None
        self._failed: tuple[bytes, bytes] | None = None

    def execute(self, commands: Sequence[Words]) -> list[Any]:
        connection = self._connect()
        try:
            connection.send_packed_command([_packed(commands)], check_health=False)
            answers = [self._read(connection) for _ in commands]
            for answer in answers:
                if isinstance(answer, Exception) and error_code(answer) in _TRY_LATER:
                    raise answer
        except BaseException:
            self._failed = self._name
            self.close()
            raise
        return answers

    def check(self) -> None:
        # No answer is due, so all that can be there to read is the end.
        if self._connection is not None:
            try:
                is_open = not self._connection.can_read(0)
            except redis_errors():
                is_open = False
            if not is_open:
                self.close()
                self._connect()

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.disconnect()

    def _connect(self) -> Any:
        if self._connection is None:
            connection = self._link.connect(self._node, self._timeout)
            try:
                self._fence(connection)
            except BaseException:
                connection.disconnect()
                raise
            self._connection = connection
            self._link.works()
        return self._connection

    def _fence(self, connection: Any) -> None:
        # What the failed connection has sent may still lie unread in Redis, if Redis was paused.
        # It must not be executed after a History has looked whether it was: the old connection
        # is killed first. Ids start from 1 in each Redis process, so the address has to match
        # as well. Redis before 6.2 does not tell them: there is no fence then.
        if self._failed is not None:
            number, address = self._failed
            connection.send_command("CLIENT", "KILL", "ID", number, "ADDR", address)
            self._read(connection)
            self._failed = None
        connection.send_command("CLIENT", "INFO")
        info = self._read(connection)
        found = _CLIENT_INFO.search(info) if isinstance(info, bytes) else None
        self._name = None if found is None else (found[1], found[2])

    def _read(self, connection: Any) -> Any:
        try:
            return connection.read_response(disable_decoding=True)
        except self._refused as error:
            return error
