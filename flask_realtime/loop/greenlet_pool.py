"""Greenlets that run the tasks of many inboxes: each is lent to one of them while it has tasks.

A client that is idle costs no greenlet, and the next task of any client is a switch to one that
waits, where a new greenlet would cost ten times as much. Context variables belong to the inbox:
what a task sets is there for the later tasks of the same inbox, and for no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
from gevent import get_hub, getcurrent

from .inbox_state import InboxState

if TYPE_CHECKING:
    from .inbox import Inbox

__all__ = ["CAUGHT", "GreenletPool"]

#: What a task may raise: ``gevent.Timeout`` does not derive from ``Exception``.
CAUGHT = (Exception, gevent.Timeout)
#: Greenlets that wait for a task at most; those beyond end after theirs.
KEPT = 64
# Looking a member up in its enumeration takes longer than a global does (Python 3.11).
_IDLE = InboxState.IDLE


class GreenletPool:
    """Runs the tasks of inboxes; one thread uses it.

    Args:
        spawn: Starts a greenlet; its owner sees to it that they end.

    Attributes:
        hub: The hub of the greenlets; ``None`` before there is one.
        ready: A greenlet that waits for a task, if there is one. An inbox in the hub takes it and
            switches to it with ``(inbox, function, args)``.
        context: The context variables of that greenlet: those of the last inbox.
        spawn: As given.
    """

    __slots__ = ("_free", "_kept", "_waiting", "context", "hub", "ready", "spawn")

    def __init__(self, spawn: Callable[..., gevent.Greenlet[..., Any]] = gevent.spawn) -> None:
        self.spawn: Callable[..., gevent.Greenlet[..., Any]] = spawn
        self.hub: Any = None
        self.ready: Any = None
        self.context: Any = None
        # What `ready` is when it is free for a greenlet: nothing, while the pool is open.
        self._free: object = None
        # Further greenlets that wait.
        self._waiting: list[Any] = []
        self._kept = KEPT

    def __len__(self) -> int:
        """Return how many greenlets wait for a task."""
        return len(self._waiting) + (self.ready is not None)

    def bind(self) -> Any:
        """Return the hub of this thread, from now on that of the pool."""
        hub = get_hub()
        if self.hub is not hub:
            # Those of a hub that has ended are never switched to.
            self.hub, self.ready, self._waiting = hub, None, []
        return hub

    def take(self) -> Any:
        """Take a greenlet that waits; ``None`` without one."""
        greenlet, self.ready = self.ready, None
        if greenlet is None and self._waiting:
            greenlet = self._waiting.pop()
        return greenlet

    def start(self, inbox: Inbox) -> None:
        """Start a greenlet, whose first tasks are those that wait in an inbox."""
        self.bind()
        # In a list, so that the arguments of the greenlet do not keep it alive.
        self.spawn(self._serve, [inbox])

    def close(self) -> None:
        """Let the greenlets end, those that run a task after it; a closed pool still works."""
        self._free, self._kept = self, 0
        while (greenlet := self.take()) is not None:
            get_hub().loop.run_callback(greenlet.switch, None)

    def _stays(self, greenlet: Any) -> bool:
        """Keep a greenlet beside the one that is ready, or let it end."""
        greenlet.gr_context = None
        stays = len(self) < self._kept
        if stays:
            self._waiting.append(greenlet)
        return stays

    def _serve(self, first: list[Inbox]) -> None:
        current, hub = getcurrent(), self.hub
        inbox: Inbox | None = None
        try:
            inbox = first.pop()
            inbox.begin(current)
            inbox.go_on()
            context, inbox = inbox.context, None
            while True:
                if self.ready is self._free:
                    self.ready, self.context = current, context
                elif not self._stays(current):
                    return
                task = hub.switch()
                if task is None:
                    return
                inbox, function, args = task
                try:
                    function(*args)
                except CAUGHT as error:
                    inbox.on_error(error)
                # A greenlet that waits keeps no event of a client alive.
                task = function = args = None
                if inbox.queue is None:
                    # As in `Inbox.rest`: each event comes this way.
                    inbox.context = context = current.gr_context
                    inbox.state = _IDLE
                else:
                    inbox.go_on()
                    context = inbox.context
                inbox = None
        finally:
            self._forget(current, inbox)

    def _forget(self, greenlet: Any, inbox: Inbox | None) -> None:
        """Go on without a greenlet that ends, and that a kill may have hit in its task."""
        if inbox is not None:
            inbox.lose(greenlet)
        elif self.ready is greenlet:
            self.ready = None
        elif greenlet in self._waiting:
            self._waiting.remove(greenlet)
