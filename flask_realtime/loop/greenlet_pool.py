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
        waiting: The greenlets that wait for a task. An inbox takes one off the end and switches
            to it with ``(inbox, function, args)``.
        spawn: As given.
    """

    __slots__ = ("_kept", "hub", "spawn", "waiting")

    def __init__(self, spawn: Callable[..., gevent.Greenlet[..., Any]] = gevent.spawn) -> None:
        self.spawn: Callable[..., gevent.Greenlet[..., Any]] = spawn
        self.hub: Any = None
        self.waiting: list[Any] = []
        self._kept = KEPT

    def bind(self) -> Any:
        """Return the hub of this thread, from now on that of the pool."""
        hub = get_hub()
        if self.hub is not hub:
            # Those of a hub that has ended are never switched to.
            self.hub = hub
            self.waiting = []
        return hub

    def start(self, inbox: Inbox) -> None:
        """Start a greenlet, whose first tasks are those that wait in an inbox."""
        self.bind()
        # In a list, so that the arguments of the greenlet do not keep it alive.
        self.spawn(self._serve, [inbox])

    def close(self) -> None:
        """Let the greenlets end, those that run a task after it; a closed pool still works."""
        self._kept = 0
        waiting, self.waiting = self.waiting, []
        for greenlet in waiting:
            get_hub().loop.run_callback(greenlet.switch, None)

    def _serve(self, first: list[Inbox]) -> None:
        current, hub = getcurrent(), self.hub
        inbox: Inbox | None = None
        try:
            inbox = first.pop()
            inbox.begin(current)
            inbox.go_on()
            inbox = None
            while len(self.waiting) < self._kept and hub is self.hub:
                self.waiting.append(current)
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
                    context = current.gr_context
                    if context is not None:
                        inbox.context, current.gr_context = context, None
                    inbox.state = _IDLE
                else:
                    inbox.go_on()
                inbox = None
        finally:
            # After a kill.
            if inbox is not None:
                inbox.lose(current)
            elif current in self.waiting:
                self.waiting.remove(current)
