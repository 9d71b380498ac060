"""What the test clients of one server share: its errors, and when nothing is under way.

**Idle** means, for one server, all of this:

- the hub has no callback to run, and no socket of the process has anything to be read;
- no request of a test client is being answered, but GETs that wait for a packet and
  WebSockets that wait for a frame;
- no handler runs and none waits for its turn, in the order of its connection or beside it:
  a handler in ``gevent.sleep()``, one that waits for an answer, for a lock or for a database
  is under way.

Greenlets, threads and timers that the application has started by itself do not count: a
background task may run for ever. :meth:`TestClient.wait_for` waits for what they send.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from ..server.server import BaseServer
from .waiting import Late, settle

__all__ = ["Bench", "Busy"]

#: Seconds between two looks at handlers that wait for something.
_STEP = 0.001
#: Exceptions that are kept until a client takes them.
_MOST_ERRORS = 100


class _Over(Exception):
    """The time of a wait is over."""


class Busy(Protocol):
    """A connection of a test client."""

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""

    @property
    def is_busy(self) -> bool:
        """Whether one of its requests is being answered."""


class Bench:
    """The side of one server that its test clients watch; :meth:`of` returns it."""

    def __init__(self, server: BaseServer) -> None:
        self.server = server
        self._connections: list[Busy] = []
        self._errors: deque[BaseException] = deque(maxlen=_MOST_ERRORS)
        self._changed = Event()

    @classmethod
    def of(cls, server: BaseServer) -> Bench:
        """Return the bench of a server, the same for all its clients."""
        for observer in server.runner.observers:
            if isinstance(observer, cls):
                return observer
        bench = cls(server)
        server.runner.observers.append(bench)
        return bench

    def __call__(self, error: BaseException, socket: Any = None, event: str = "") -> None:
        """Keep what a handler has raised until a client takes it."""
        self._errors.append(error)
        self._changed.set()

    @property
    def has_errors(self) -> bool:
        """Whether a handler has raised."""
        return bool(self._errors)

    def take_errors(self) -> list[BaseException]:
        """Return what handlers have raised, and forget it."""
        errors = list(self._errors)
        self._errors.clear()
        return errors

    def enter(self, connection: Busy) -> None:
        """A client opens a connection; the first one forgets what tests before have left."""
        if not self._open_connections():
            self._errors.clear()
        self._connections.append(connection)

    def notify(self) -> None:
        """Something has happened that a client may be waiting for."""
        self._changed.set()

    def wait_until(self, probe: Callable[[], object], seconds: float) -> bool:
        """Let the hub run until ``probe()`` is true, for a time; return whether it is."""
        with contextlib.suppress(_Over), gevent.Timeout(seconds, _Over()):
            while not probe():
                self._changed.clear()
                self._changed.wait()
        return bool(probe())

    def settle(self, seconds: float, what: str) -> None:
        """Let the hub run until the server is idle, as the head of this file defines it.

        Args:
            seconds: The time for that.
            what: What has been done, for the error.

        Raises:
            Late: It is not idle in time.
        """
        error = Late(
            f"{what}: handlers are still at work after {seconds:g} s; wait=False does not wait"
        )
        with gevent.Timeout(seconds, error):
            settle()
            while not self.is_idle:
                gevent.sleep(_STEP)
                settle()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, once what was sent has arrived."""
        busy = any(connection.is_busy for connection in self._open_connections())
        return not busy and self.server.engine.is_idle

    def _open_connections(self) -> list[Busy]:
        self._connections = [
            item for item in self._connections if item.is_busy or not item.is_closed
        ]
        return self._connections
