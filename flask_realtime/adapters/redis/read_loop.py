"""The life of a reader of Redis: one greenlet, and one connection after another.

It knows neither which commands are sent nor what the answers mean.
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
        link: The way to Redis, which logs errors.
        read: Connects, calls :meth:`connected`, and reads until it raises.
        on_loss: Called before each attempt but the first; it may block, and an error that it
            raises counts as one more failed attempt.
        title: What the reader does, for the log.
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
        """Count a connection that was made."""
        self._connections += 1

    def works(self) -> None:
        """Note that the connection works: after the next loss the first pause is short again."""
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
