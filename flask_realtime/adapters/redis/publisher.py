"""Commands to Redis from whoever emits: queued in order, sent many at a time, never waited for.

One greenlet sends. The queue is bounded by bytes; what does not fit is counted and dropped.
Whether what failed is sent again is a matter of its :class:`History`.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import gevent
from gevent.event import Event

from ...extras import optional
from .backoff import Backoff
from .commands import CommandConnection
from .link import COMMAND_TIMEOUT, RedisLink, redis_errors

__all__ = ["Command", "History", "Publisher"]

logger = logging.getLogger(__name__)

#: Commands, and about how many bytes, that are sent in one go.
_BATCH = 200
_BATCH_BYTES = 1024 * 1024
#: Seconds for which commands are gathered at most while the server has other work.
_GATHER = 0.001
MAX_QUEUED = 64 * 1024 * 1024
#: How often in a row a command may break its connection though Redis answers to others.
_ATTEMPTS = 5
#: Seconds that a publisher that is closed has for what is still queued.
FLUSH = 2.0


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        words: The command and its arguments; the second names the key.
        on_answer: Called with what Redis answers; with ``None`` when it never will.
        size: Its bytes, about.
    """

    words: tuple[Any, ...]
    on_answer: Callable[[Any], None] | None = None
    size: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        size = 100
        for word in self.words:
            if isinstance(word, (str, bytes)):
                size += len(word)
        object.__setattr__(self, "size", size)


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
            knows that it arrived. Without, nothing waits for Redis to come back: it is
            counted as unsent, as a message of Redis pub/sub would be lost.
        max_queued: Bytes that may wait.
        timeout: Seconds that Redis has to answer.

    Attributes:
        queued: Bytes that wait.
        published: Commands that were executed.
        unsent: Commands that were not, or of which nobody knows.
        is_up: Whether the last attempt succeeded.
    """

    def __init__(
        self,
        link: RedisLink,
        history: History | None = None,
        max_queued: int = MAX_QUEUED,
        timeout: float = COMMAND_TIMEOUT,
    ) -> None:
        self._link = link
        errors = optional("redis.exceptions", "redis")
        self._says_nothing = (errors.ResponseError, errors.TimeoutError)
        self._history = history
        self._max_queued = max_queued
        self._timeout = timeout
        self._queue: deque[Command] = deque()
        self._backoff = Backoff()
        self._wake = Event()
        self._idle = Event()
        self._idle.set()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._pid = 0
        self._closed = False
        # Whether the last attempt to come back, or the last command, was in vain.
        self._again = False
        self._refused = False
        # How many attempts in a row have sent nothing, though Redis was there.
        self._vain = 0
        # What the log has not been told yet.
        self._untold = 0
        self.queued: int = 0
        self.published: int = 0
        self.unsent: int = 0
        self.is_up: bool = True

    def send(self, command: Command) -> None:
        """Queue a command; what cannot be sent is counted as unsent."""
        if self._pid != os.getpid():
            self._begin()
        if self._closed:
            self._lost(command, "the adapter is closed")
        elif self._history is None and not self.is_up:
            self._lost(command, "Redis is out of reach")
        elif self.queued + command.size > self._max_queued:
            self._lost(command, "the queue is full")
        else:
            self._queue.append(command)
            self.queued += command.size
            self._idle.clear()
            self._wake.set()

    def _begin(self) -> None:
        # In this process: a fork has neither the greenlet nor what its parent had queued.
        self._pid = os.getpid()
        self._queue.clear()
        self.queued = 0
        self.is_up = True
        if not self._closed:
            self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Send what is queued, for a bounded time, and stop."""
        if self._closed:
            return
        if self._greenlet is not None and self._pid == os.getpid():
            if self._queue:
                self._idle.wait(FLUSH)
            self._greenlet.kill()
        self._closed = True
        self._drop("the adapter is closed")

    def _run(self) -> None:
        connection = CommandConnection(self._link, self._timeout)
        try:
            while True:
                self._wake.wait()
                self._end_copy()
                self._wake.clear()
                while self._queue:
                    self._send_some(connection)
                self._idle.set()
                if not self._refused:
                    self._tell()
        finally:
            connection.close()

    def _send_some(self, connection: CommandConnection) -> None:
        # What is emitted by the time the server has nothing else to do goes out together:
        # each time Redis is woken, and wakes this process, costs more than another command.
        gevent.with_timeout(_GATHER, gevent.idle, timeout_value=None)
        batch = self._next_batch()
        try:
            # A connection that broke while it was idle takes nothing along.
            connection.check()
            self._end_copy()
            answers = connection.execute([command.words for command in batch])
        except redis_errors() as error:
            self._failed(error)
            self._come_back(connection, batch)
            self._give_up_one(batch[0], error)
        else:
            self._again = False
            self._vain = 0
            self._backoff.reset()
            self._answered(answers)

    def _end_copy(self) -> None:
        # A fork has a copy of the greenlet of its parent, which sends what is its own.
        if self._pid != os.getpid() or self._greenlet is not gevent.getcurrent():
            raise gevent.GreenletExit

    def _give_up_one(self, first: Command, error: Exception) -> None:
        # Redis closes the connection of whoever sends more than it is told to take: such a
        # command must not keep those behind it for ever.
        is_left = bool(self._queue) and self._queue[0] is first
        if not is_left or isinstance(error, self._says_nothing):
            self._vain = 0
            return
        self._vain += 1
        if self._vain == _ATTEMPTS:
            self._vain = 0
            self._lost(self._take(), error)

    def _next_batch(self) -> list[Command]:
        batch, size, most = [], 0, 1 if self._vain else _BATCH
        for command in self._queue:
            batch.append(command)
            size += command.size
            if len(batch) == most or size >= _BATCH_BYTES:
                break
        return batch

    def _answered(self, answers: list[Any]) -> None:
        self._refused = False
        for answer in answers:
            command = self._take()
            if isinstance(answer, Exception):
                self._refused = True
                self._lost(command, answer)
                continue
            self.published += 1
            if self._history is not None:
                self._history.note(command, answer)
            if command.on_answer is not None:
                command.on_answer(answer)

    def _failed(self, error: Exception) -> None:
        self._link.failed(error)
        self.is_up = False
        if self._history is None:
            self._drop(error)

    def _come_back(self, connection: CommandConnection, batch: list[Command]) -> None:
        # At once, and then at intervals. What was executed is not sent a second time.
        probes = [("EXISTS", key) for key in {command.words[1] for command in batch}]
        answers: list[Any] = []
        while True:
            if self._again:
                gevent.sleep(self._backoff.wait())
            self._again = True
            try:
                connection.execute(probes)
                if self._history is not None:
                    answers = self._history.answers_to(batch)
                break
            except redis_errors():
                continue
        self.is_up = True
        self._answered(answers)

    def _take(self) -> Command:
        command = self._queue.popleft()
        self.queued -= command.size
        return command

    def _drop(self, why: object) -> None:
        while self._queue:
            self._lost(self._take(), why)

    def _lost(self, command: Command, why: object) -> None:
        self.unsent += 1
        self._untold += 1
        if self._untold == 1:
            logger.warning("! messages cannot be sent to other servers: %s", why)
        if command.on_answer is not None:
            command.on_answer(None)

    def _tell(self) -> None:
        # One line at the beginning and one at the end, however many there were.
        if self._untold:
            logger.warning("! %d messages were not sent to other servers", self._untold)
            self._untold = 0
