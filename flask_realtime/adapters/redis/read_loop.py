"""The life of what reads from Redis: one greenlet, and one connection after another.

Which commands are sent and what is made of the answers is not known here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent

from .backoff import Backoff
from .link import RedisLink, redis_errors

__all__ = ["ReadLoop"]

logger = logging.getLogger(__name__)


class ReadLoop:
    """Reads until the connection breaks, and after a pause again, until it is closed.

    Args:
        link: The way to Redis, which is told of errors.
        read: Connects, says so, and reads; it comes back only by what it raises.
        on_loss: Called before each attempt but the first; it may block, and what it raises
            is one more failure.
        title: What is done, for the log.
        backoff: How long the pauses are.
    """

    def __init__(
        self,
        link: RedisLink,
        read: Callable[[], None],
        on_loss: Callable[[], None],
        title: str,
        backoff: Backoff | None = None,
    ) -> None:
        self._link = link
        self._read = read
        self._on_loss = on_loss
        self._title = title
        self._backoff = backoff or Backoff()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._connections = 0

    @property
    def reconnects(self) -> int:
        """How many connections were made after the first one."""
        return max(self._connections - 1, 0)

    def start(self) -> None:
        """Begin to read; harmless when called again."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def connected(self) -> None:
        """There is a connection."""
        self._connections += 1

    def works(self) -> None:
        """The connection does what it is for: after a loss the first pause is short again."""
        self._backoff.reset()

    def close(self) -> None:
        """Stop reading."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _run(self) -> None:
        self._attempt(self._read)
        while True:
            gevent.sleep(self._backoff.next_delay())
            self._attempt(self._on_loss, self._read)

    def _attempt(self, *steps: Callable[[], None]) -> None:
        try:
            for step in steps:
                step()
        except redis_errors() as error:
            self._link.failed(error)
        except Exception:
            logger.exception("! %s failed", self._title)
