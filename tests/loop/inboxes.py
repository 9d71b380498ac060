"""An inbox whose moves are checked, with its calls for a pause and its tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent import getcurrent
from gevent.event import Event

from flask_realtime.loop.inbox import INBOX_MOVES, Inbox, InboxState
from flask_realtime.transitions import check_move
from tests.fakes import settle

__all__ = ["WatchedInbox", "World"]


class WatchedInbox(Inbox):
    """An inbox whose moves are all checked, also those that it makes by an assignment."""

    __slots__ = ("moves",)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state" and hasattr(self, "state"):
            check_move(INBOX_MOVES, self.state, value)
            self.moves.append((self.state, value))
        elif name == "state":
            self.moves: list[tuple[InboxState, InboxState]] = []
        super().__setattr__(name, value)


class World:
    """An inbox, with its calls for a pause and its tasks."""

    def __init__(self, limit: int = 10_000) -> None:
        self.asked: list[str] = []
        self.ran: list[Any] = []
        self.greenlets: list[Any] = []
        self.inbox = WatchedInbox(
            limit,
            lambda: self.asked.append("pause"),
            lambda: self.asked.append("resume"),
        )
        self.host: Any = None

    def lend_greenlet(self) -> None:
        self.host = gevent.spawn(self.inbox.host)
        settle()

    def note(self, what: Any) -> None:
        self.ran.append(what)
        self.greenlets.append(getcurrent())

    def put(self, what: Any, size: int = 0) -> None:
        self.inbox.put(self.note, (what,), size)

    def put_in_hub(self, function: Callable[..., Any], *args: Any) -> None:
        """Put as the read callback does."""
        gevent.get_hub().loop.run_callback(self.inbox.put, function, args, 0)
        settle()

    def block(self, size: int = 0) -> Event:
        release = Event()

        def wait(event: Event) -> None:
            event.wait()
            self.note("released")

        self.inbox.put(wait, (release,), size)
        settle()
        return release
