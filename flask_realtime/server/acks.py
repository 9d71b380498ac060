"""Acknowledgements that clients owe, and what is waiting for them.

An entry leaves the table exactly once: with the client's answer, at its deadline, or when the
client disconnects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import AsyncResult

from ..errors import AckTimeout, SocketDisconnected

__all__ = [
    "DEFAULT_TIMEOUT",
    "AckTable",
    "BroadcastAcks",
    "CallbackAck",
    "Outcome",
    "Pending",
    "WaitingAck",
    "all_values",
    "first_value",
]

#: Seconds that ``emit_with_ack`` waits unless ``timeout()`` says otherwise.
DEFAULT_TIMEOUT = 10.0


def first_value(args: tuple[Any, ...]) -> Any:
    """Return the answer of one client to a broadcast: the first argument, or ``None``."""
    return args[0] if args else None


def all_values(args: tuple[Any, ...]) -> Any:
    """Return the answer of one client: one value, a tuple of several, or ``None``."""
    return args[0] if len(args) == 1 else (args or None)


class Pending(Protocol):
    """What waits for an acknowledgement."""

    def respond(self, *args: Any) -> None:
        """Take the client's answer: the arguments of its acknowledgement."""

    def disconnected(self, reason: str) -> None:
        """Stop waiting: the client has disconnected."""


class AckTable:
    """The acknowledgements that one socket owes; a dictionary is made with the first."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: dict[int, Pending] | None = None

    def add(self, ack_id: int, pending: Pending) -> None:
        """Expect an answer."""
        if self._pending is None:
            self._pending = {}
        self._pending[ack_id] = pending

    def discard(self, ack_id: int) -> None:
        """Stop expecting an answer."""
        if self._pending is not None:
            self._pending.pop(ack_id, None)

    def settle(self, ack_id: int | None, args: list[Any]) -> None:
        """Pass an answer on; an unknown or repeated id is ignored."""
        if self._pending is not None and ack_id is not None:
            pending = self._pending.pop(ack_id, None)
            if pending is not None:
                pending.respond(*args)

    def disconnected(self, reason: str) -> None:
        """Tell all that are waiting that the client has disconnected."""
        pending, self._pending = self._pending, None
        for entry in (pending or {}).values():
            entry.disconnected(reason)


class WaitingAck:
    """A greenlet that waits for the answer of one client."""

    def __init__(self) -> None:
        self._result: AsyncResult[Any] = AsyncResult()

    def respond(self, *args: Any) -> None:
        """Wake the greenlet with the answer: one value, or a tuple of several."""
        self._result.set(all_values(args))

    def disconnected(self, reason: str) -> None:
        """Wake the greenlet with :exc:`SocketDisconnected`."""
        self._result.set_exception(SocketDisconnected(reason))

    def wait(self, timeout: float) -> Any:
        """Block until the client answers, and return the answer.

        Raises:
            AckTimeout: It did not within ``timeout`` seconds.
            SocketDisconnected: It has disconnected.
        """
        try:
            return self._result.get(timeout=timeout)
        except gevent.Timeout:
            raise AckTimeout from None


class Outcome:
    """A greenlet that waits for many answers; they come as ``done(error, responses)``."""

    def __init__(self) -> None:
        self._result: AsyncResult[list[Any]] = AsyncResult()

    def done(self, error: Exception | None, responses: list[Any]) -> None:
        """Wake the greenlet with the answers, or with an error."""
        if error is None:
            self._result.set(responses)
        else:
            self._result.set_exception(error)

    def wait(self, timeout: float | None = None) -> list[Any]:
        """Block until it is done, and return the answers or raise the error.

        Raises:
            gevent.Timeout: It was not done within ``timeout`` seconds.
        """
        return list(self._result.get(timeout=timeout) or ())


class CallbackAck:
    """A function that is called with the answer, or with an error at the deadline.

    Args:
        callback: ``fn(*args)``; ``fn(error, *args)`` when there is a timeout. It must not block.
        timeout: Seconds; ``None`` waits until the client disconnects.
        on_timeout: Called at the deadline; removes the entry.
    """

    def __init__(
        self,
        callback: Callable[..., Any],
        timeout: float | None,
        on_timeout: Callable[[], None],
    ) -> None:
        self._callback = callback
        self._timed = timeout is not None
        self._on_timeout = on_timeout
        self._timer = None if timeout is None else gevent.spawn_later(timeout, self._expire)

    def respond(self, *args: Any) -> None:
        """Call the function with the answer."""
        self._stop()
        self._callback(*((None, *args) if self._timed else args))

    def disconnected(self, reason: str) -> None:
        """Call the function with the error, if it takes one."""
        self._stop()
        if self._timed:
            self._callback(SocketDisconnected(reason))

    def _expire(self) -> None:
        self._timer = None
        self._on_timeout()
        self._callback(AckTimeout())

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.kill(block=False)


class BroadcastAcks:
    """Collects the answers of many clients, one value each; those that leave are not waited for.

    Args:
        on_done: ``fn(error, responses)``, called once.
        timeout: Seconds.
        value_of: Makes one value of the arguments of an answer.
    """

    def __init__(
        self,
        on_done: Callable[[Exception | None, list[Any]], None],
        timeout: float,
        value_of: Callable[[tuple[Any, ...]], Any] = first_value,
    ) -> None:
        self._value_of = value_of
        self._on_done: Callable[[Exception | None, list[Any]], None] | None = on_done
        self._responses: list[Any] = []
        self._missing = 0
        self._held = 1  # until start()
        self._forget: list[Callable[[], None]] = []
        self._timer = gevent.spawn_later(timeout, self._expire)

    def on_end(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` at the end: answers that come later are not expected."""
        self._forget.append(forget)

    def expect(self, count: int) -> None:
        """Expect answers from ``count`` more clients."""
        self._missing += count

    def start(self) -> None:
        """End with the last answer from now on: all clients have been asked."""
        self.release()

    def hold(self) -> None:
        """Do not end before :meth:`release`: more clients may still be expected."""
        self._held += 1

    def release(self) -> None:
        """Undo one :meth:`hold`."""
        self._held -= 1
        self._check()

    def cancel(self) -> None:
        """End without calling ``on_done``: the clients could not be asked."""
        self._timer.kill(block=False)
        if self._on_done is not None:
            self._on_done = None
            self._forget_all()

    def respond(self, *args: Any) -> None:
        """Take the answer of a client."""
        self._responses.append(self._value_of(args))
        self._missing -= 1
        self._check()

    def disconnected(self, reason: str) -> None:
        """Expect no answer from a client that was asked and has disconnected."""
        self._missing -= 1
        self._check()

    def _check(self) -> None:
        if self._held <= 0 and self._missing <= 0:
            self._timer.kill(block=False)
            self._finish(None)

    def _expire(self) -> None:
        self._finish(AckTimeout(responses=self._responses))

    def _finish(self, error: Exception | None) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            self._forget_all()
            on_done(error, list(self._responses))

    def _forget_all(self) -> None:
        for forget in self._forget:
            forget()
