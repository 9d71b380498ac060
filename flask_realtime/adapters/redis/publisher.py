"""Commands to Redis from any greenlet: queued in order, sent many at a time, never waited for."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from time import monotonic
from typing import Any, Final, Protocol

import gevent
from gevent import get_hub
from gevent.event import Event

from ...extras import optional
from ...loop.exit_hooks import at_exit
from ...quoting import shown
from ...transitions import check_move
from .backoff import Backoff
from .commands import CommandConnection
from .link import COMMAND_TIMEOUT, RedisLink, redis_errors

__all__ = ["Command", "History", "Publisher", "PublisherState"]

logger = logging.getLogger(__name__)

# How it sends
#
# send() may be called on any greenlet, in the hub too: it appends to a queue and never blocks.
# The queue is bounded by bytes; what does not fit is counted and dropped. One greenlet takes
# the queue from its head: it waits up to a millisecond for the server to become idle, since
# each time Redis is woken costs more than another command, sends a batch in one write and reads
# the answers. A command stays in the queue until it is answered, so the queue itself is the
# record of what is under way. Only this greenlet blocks: connecting takes 5 s at most, an
# answer `timeout` seconds, a pause between attempts 5 s. close(), and the end of the process
# unless a signal kills it, wait FLUSH seconds at most for what is queued.
#
# Order: a batch goes out when the one before has been answered, and Redis executes the commands
# of a connection in order. So commands are executed in the order of send(), and those of a
# broken batch that were executed are the first ones.
#
# When the connection breaks with a batch under way, it is not known how many of them were
# executed. What happens then is the difference between the two kinds of publishers:
#
# - Without a History (pub/sub) the queue is dropped and counted, and so is what is sent until
#   Redis is back: each command is executed at most once, as subscribers that are cut off
#   expect. Keeping them would deliver a burst of old events after an outage.
# - With a History (streams) the queue stays. Once Redis answers again the history looks up what
#   was executed; that is taken from the queue with the answers found, and the rest is sent
#   again: exactly once. This is safe only because CommandConnection has made sure that what the
#   old connection has sent and Redis has not read yet is never executed.
#
# Redis closes the connection of a client that sends more than it is configured to accept. Such
# a command would break every connection and hold up those behind it: while attempts are in vain
# commands go out one by one, and one that breaks _ATTEMPTS connections in a row is given up.
#
# A fork copies the queue and the greenlet. The copy ends itself at its next step, and the child
# begins with an empty queue: what the parent has queued, the parent sends.


class PublisherState(Enum):
    """Whether Redis takes commands."""

    UP = auto()  # the last batch was answered; a new publisher supposes so
    REFUSING = auto()  # it was answered, and some commands were refused
    BROKEN = auto()  # a connection broke after it had worked: the next attempt follows at once
    DOWN = auto()  # an attempt to come back has failed: the next one follows after a pause
    BACK = auto()  # an attempt has succeeded, and no batch has been answered since
    CLOSED = auto()


_UP, _REFUSING, _BROKEN, _DOWN, _BACK, _CLOSED = PublisherState
_NEXT: Final[dict[PublisherState, tuple[PublisherState, ...]]] = {
    _UP: (_REFUSING, _BROKEN, _CLOSED),
    _REFUSING: (_UP, _BROKEN, _CLOSED),
    _BROKEN: (_DOWN, _BACK, _CLOSED),
    _DOWN: (_BACK, _CLOSED),
    _BACK: (_UP, _REFUSING, _DOWN, _CLOSED),
    _CLOSED: (),
}
_REACHABLE = (_UP, _REFUSING, _BACK)

#: Commands, and approximate bytes, that are sent at once.
_BATCH = 200
_BATCH_BYTES = 1024 * 1024
#: Seconds at most for which a batch is collected while the server has other work.
_GATHER = 0.001
MAX_QUEUED = 64 * 1024 * 1024
#: How many connections in a row a command may break though Redis answers to others.
_ATTEMPTS = 5
#: Seconds that closing, or the end of the process, takes at most to send what is queued.
FLUSH = 2.0
#: Seconds between two looks at whether something is left for that.
_LOOK = 0.05


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        words: The command and its arguments; the second word is the key.
        on_answer: Called with the answer of Redis, or with ``None`` when there will be none;
            it must not block.
        size: Its approximate bytes.
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
    """Finds out what became of commands whose connection broke before Redis had answered."""

    def note(self, command: Command, answer: Any) -> None:
        """Note what Redis has answered to a command."""

    def answers_to(self, batch: list[Command]) -> list[Any]:
        """Return the answers to the commands that were executed: the first ones; blocks.

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
        unsent: Commands that were not, or of which it is not known.
        state: Whether Redis takes commands.
        is_up: Whether the last attempt to reach Redis has succeeded.
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
        self._forget_exit: Callable[[], None] = _nothing
        self.state: PublisherState = _UP
        # How many attempts in a row have sent nothing, though Redis was there.
        self._in_vain = 0
        # Commands that were lost since the log was told of some.
        self._unreported = 0
        self.queued: int = 0
        self.published: int = 0
        self.unsent: int = 0
        self.is_up: bool = True

    def send(self, command: Command) -> None:
        """Queue a command; what cannot be sent is counted as unsent. Never blocks."""
        if self._pid != os.getpid():
            self._begin()
        if self.state is _CLOSED:
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
        if self.state is not _CLOSED:
            self._spawn()
            self._forget_exit = at_exit(self._flush_at_exit)

    def _spawn(self) -> None:
        if not self.is_up:
            self._enter(_BACK)  # the greenlet before was in the middle of coming back
        self._greenlet = gevent.spawn(self._run)

    def _flush_at_exit(self) -> None:
        if self.state is _CLOSED or self._pid != os.getpid() or self._greenlet is None:
            return
        if self._queue and self._greenlet.parent is not get_hub():
            # It is on the hub of a thread that has ended, or is about to.
            self._spawn()
            self._wake.set()
        end = monotonic() + FLUSH
        # What is dropped leaves the queue as well, and the greenlet then waits for Redis.
        while self._queue and monotonic() < end:
            self._idle.wait(_LOOK)
        left, self._unreported = len(self._queue) + self._unreported, 0
        if left:
            logger.warning("! the process ends: %d messages were not sent to other servers", left)

    def close(self) -> None:
        """Send what is queued, for a bounded time, and stop; harmless when called again."""
        if self.state is _CLOSED:
            return
        self._forget_exit()
        if self._greenlet is not None and self._pid == os.getpid():
            if self._queue:
                self._idle.wait(FLUSH)
            self._greenlet.kill()
        self._enter(_CLOSED)
        self._drop("the adapter is closed")

    def _enter(self, state: PublisherState) -> None:
        if state is self.state:
            return
        check_move(_NEXT, self.state, state)
        self.state = state
        self.is_up = state in _REACHABLE

    # Sending

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
                if self.state is not _REFUSING:
                    self._report()
        finally:
            connection.close()

    def _end_copy(self) -> None:
        # In a fork this is the copy of its parent's greenlet; the parent sends what it queued.
        if self._pid != os.getpid() or self._greenlet is not gevent.getcurrent():
            raise gevent.GreenletExit

    def _send_some(self, connection: CommandConnection) -> None:
        gevent.with_timeout(_GATHER, gevent.idle, timeout_value=None)
        batch = self._next_batch()
        try:
            # A connection that was closed while it was idle must not cost a batch.
            connection.check()
            self._end_copy()
            answers = connection.execute([command.words for command in batch])
        except redis_errors() as error:
            self._end_copy()
            self._failed(error)
            self._come_back(connection, batch)
            self._give_up_one(batch[0], error)
        else:
            self._end_copy()
            self._in_vain = 0
            self._backoff.reset()
            some_refused = self._answered(answers)
            self._enter(_REFUSING if some_refused else _UP)

    def _next_batch(self) -> list[Command]:
        batch, size, most = [], 0, 1 if self._in_vain else _BATCH
        for command in self._queue:
            batch.append(command)
            size += command.size
            if len(batch) == most or size >= _BATCH_BYTES:
                break
        return batch

    def _answered(self, answers: list[Any]) -> bool:
        """Take the commands that were answered from the queue; return whether any was refused."""
        some_refused = False
        for answer in answers:
            command = self._take()
            if isinstance(answer, Exception):
                some_refused = True
                self._lost(command, answer)
                continue
            self.published += 1
            if self._history is not None:
                self._history.note(command, answer)
            if command.on_answer is not None:
                command.on_answer(answer)
        return some_refused

    # Losing Redis

    def _failed(self, error: Exception) -> None:
        self._link.failed(error)
        self._enter(_DOWN if self.state is _BACK else _BROKEN)
        if self._history is None:
            self._drop(error)

    def _come_back(self, connection: CommandConnection, batch: list[Command]) -> None:
        probes = [("EXISTS", key) for key in {command.words[1] for command in batch}]
        answers: list[Any] = []
        while True:
            if self.state is _DOWN:
                gevent.sleep(self._backoff.next_delay())
                self._end_copy()
            try:
                connection.execute(probes)
                if self._history is not None:
                    answers = self._history.answers_to(batch)
                break
            except redis_errors():
                self._end_copy()
                self._enter(_DOWN)
        self._end_copy()
        self._enter(_BACK)
        self._answered(answers)

    def _give_up_one(self, first: Command, error: Exception) -> None:
        is_left = bool(self._queue) and self._queue[0] is first
        if not is_left or isinstance(error, self._says_nothing):
            self._in_vain = 0
            return
        self._in_vain += 1
        if self._in_vain == _ATTEMPTS:
            self._in_vain = 0
            self._lost(self._take(), error)

    # Counting

    def _take(self) -> Command:
        command = self._queue.popleft()
        self.queued -= command.size
        return command

    def _drop(self, why: object) -> None:
        while self._queue:
            self._lost(self._take(), why)

    def _lost(self, command: Command, why: object) -> None:
        self.unsent += 1
        self._unreported += 1
        if self._unreported == 1:
            logger.warning("! messages cannot be sent to other servers: %s", shown(why))
        if command.on_answer is not None:
            command.on_answer(None)

    def _report(self) -> None:
        # One line at the beginning and one at the end, however many there were.
        if self._unreported:
            logger.warning("! %d messages were not sent to other servers", self._unreported)
            self._unreported = 0


def _nothing() -> None:
    """Nothing to undo."""
