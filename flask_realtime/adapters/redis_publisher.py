"""Commands to Redis from whoever emits: queued in order, sent many at a time, never waited for.

One greenlet sends. The queue is bounded by bytes; what does not fit is counted and dropped.
Whether what failed is sent again is a matter of its :class:`History`.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import gevent
from gevent.event import Event

from .backoff import Backoff
from .redis_link import RedisLink, redis_errors

__all__ = ["Command", "History", "Publisher"]

logger = logging.getLogger(__name__)

_BATCH = 200
MAX_QUEUED = 64 * 1024 * 1024
#: Seconds that a publisher that is closed has for what is still queued.
_FLUSH = 2.0


class Command(NamedTuple):
    """One command.

    Attributes:
        words: The command and its arguments; the last is the payload.
        on_answer: Called with what Redis answers.
    """

    words: tuple[Any, ...]
    on_answer: Callable[[Any], None] | None = None

    @property
    def size(self) -> int:
        """Its bytes, about."""
        return 100 + len(self.words[-1])


class History(Protocol):
    """Knows what became of commands whose connection broke before Redis had answered."""

    def note(self, command: Command, answer: Any) -> None:
        """Redis has answered."""

    def answers_to(self, batch: list[Command]) -> list[Any]:
        """Return the answers to those of the commands, the first ones, that were executed.

        Raises:
            redis.RedisError, OSError: Redis is out of reach.
        """


class Publisher:
    """Sends commands in the order they were given.

    Args:
        link: The way to Redis.
        history: With one, what could not be sent waits and is sent again, unless the history
            knows that it arrived; otherwise it is lost with the connection, as messages of
            Redis pub/sub are.
        max_queued: Bytes that may wait.
    """

    def __init__(
        self,
        link: RedisLink,
        history: History | None = None,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self._link = link
        self._history = history
        self._max_queued = max_queued
        self._queue: deque[Command] = deque()
        self._backoff = Backoff()
        self._wake = Event()
        self._idle = Event()
        self._idle.set()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._pid = 0
        self._closed = False
        #: Bytes that wait.
        self.queued = 0
        self.published = 0
        self.unsent = 0
        #: Whether the last attempt succeeded.
        self.is_up = True

    def send(self, command: Command) -> None:
        """Queue a command; what is over the bound is counted as unsent."""
        if self._pid != os.getpid():
            self._begin()
        if self._closed or self.queued + command.size > self._max_queued:
            self._lost(1, "the queue is full")
            return
        self._queue.append(command)
        self.queued += command.size
        self._idle.clear()
        self._wake.set()

    def _begin(self) -> None:
        # In this process: a fork has neither the greenlet nor what its parent had queued.
        self._pid = os.getpid()
        self._queue.clear()
        self.queued = 0
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Send what is queued, for a bounded time, and stop."""
        if not self._closed and self._greenlet is not None and self._pid == os.getpid():
            self._idle.wait(_FLUSH)
            self._greenlet.kill(block=False)
        self._closed = True

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                self._send_some()
            self._idle.set()

    def _send_some(self) -> None:
        batch = [self._queue[i] for i in range(min(_BATCH, len(self._queue)))]
        try:
            answers = self._link.execute([command.words for command in batch])
        except redis_errors() as error:
            self._failed(batch, error)
            return
        self._recovered()
        self._take(len(batch))
        for command, answer in zip(batch, answers, strict=True):
            self._answered(command, answer)

    def _recovered(self) -> None:
        self._backoff.reset()
        if not self.is_up:
            self.is_up = True
            logger.warning("= Redis is back")

    def _answered(self, command: Command, answer: Any) -> None:
        if isinstance(answer, Exception):
            self._lost(1, answer)
            return
        self.published += 1
        if self._history is not None:
            self._history.note(command, answer)
        if command.on_answer is not None:
            command.on_answer(answer)

    def _failed(self, batch: list[Command], error: Exception) -> None:
        if self.is_up:
            self.is_up = False
            logger.warning("! Redis is out of reach: %s", error)
        if self._history is None:
            self._take(len(batch))
            self._lost(len(batch), error)
        gevent.sleep(self._backoff.wait())
        if self._history is not None:
            self._settle(batch, self._history)

    def _settle(self, batch: list[Command], history: History) -> None:
        # The connection broke before the answers came: what was executed is not sent twice.
        while True:
            try:
                answers = history.answers_to(batch)
                break
            except redis_errors():
                gevent.sleep(self._backoff.wait())
        self._take(len(answers))
        for command, answer in zip(batch, answers, strict=False):
            self._answered(command, answer)

    def _take(self, count: int) -> None:
        for _ in range(count):
            self.queued -= self._queue.popleft().size

    def _lost(self, count: int, why: object) -> None:
        self.unsent += count
        logger.warning("! %d messages could not be sent to other servers: %s", count, why)
