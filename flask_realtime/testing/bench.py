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
import gc
import os
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

import gevent
import greenlet
from gevent.event import Event

from ..server.admission import refusal_of
from ..server.dispatch import dispatch
from ..server.handlers import Runner
from ..server.observer import Observer
from ..server.server import BaseServer
from .waiting import Late, settle

__all__ = ["Bench", "Busy", "places_of_handlers"]

#: What stands between a handler and its caller, and below a handler that waits.
_INNER = (os.path.dirname(gevent.__file__), os.path.dirname(os.path.dirname(__file__)))
#: What calls functions of applications.
_CALLERS = {function.__code__ for function in (dispatch, Runner.call, refusal_of)}
#: Seconds between two looks at handlers that wait for something.
_STEP = 0.001
#: Exceptions that are kept until a client takes them.
_MOST_ERRORS = 100


def places_of_handlers() -> list[str]:
    """Return where the functions of the application wait that this package has called."""
    found = []
    for item in gc.get_objects():
        if isinstance(item, greenlet.greenlet) and item.gr_frame is not None:
            place = _place(item.gr_frame)
            if place:
                found.append(place)
    return sorted(set(found))


def _place(frame: FrameType | None) -> str:
    """Return the line at which a handler stands, if one runs in these frames."""
    place = ""
    while frame is not None:
        path = frame.f_code.co_filename
        if frame.f_code in _CALLERS:
            return place
        if os.sep in path and not path.startswith(_INNER):
            place = f"{os.path.basename(path)}:{frame.f_lineno} in {frame.f_code.co_name}()"
        frame = frame.f_back
    return ""


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


class Bench(Observer):
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

    def failed(self, error: BaseException, socket: Any = None, event: str = "") -> None:
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
        __tracebackhide__ = True  # of pytest
        try:
            with gevent.Timeout(seconds, _Over()):
                settle()
                while not self.is_idle:
                    gevent.sleep(_STEP)
                    settle()
        except _Over:
            places = ", ".join(places_of_handlers()) or "a place that is not known"
            raise Late(
                f"{what}: handlers are still at work after {seconds:g} s, at {places}; "
                "wait=False does not wait for them"
            ) from None

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
