"""What a session knows of the layers around it: its receiver, its engine and its upgrade."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .traffic import Traffic

if TYPE_CHECKING:
    from .session import Session

__all__ = ["NoReceiver", "Receiver", "RunningUpgrade", "SessionOwner"]


class Receiver(Protocol):
    """The layer above, as a session sees it. Its methods are called in the hub or a request."""

    def on_message(self, data: str | bytes) -> None:
        """Take a message of the client, in order."""

    def on_close(self, reason: str, description: object) -> None:
        """The session is over; called once."""

    def on_forget(self) -> None:
        """The session has let go of its first request."""


class NoReceiver:
    """The layer above a session that has its events alone."""

    def on_message(self, data: str | bytes) -> None:
        """Drop the message; listeners have had it."""

    def on_close(self, reason: str, description: object) -> None:
        """Do nothing."""

    def on_forget(self) -> None:
        """Do nothing."""


class RunningUpgrade(Protocol):
    """A WebSocket that may become the transport, as its session sees it."""

    def give_up(self, why: str) -> None:
        """Close the WebSocket and call :meth:`Session.leave_upgrade`."""


class SessionOwner(Protocol):
    """The engine, as a session sees it."""

    @property
    def traffic(self) -> Traffic:
        """The counters of all sessions."""

    def beat(self, session: Session) -> None:
        """The client's part of the heartbeat has arrived."""

    def closing(self, session: Session) -> None:
        """The session says goodbye; it has a deadline for that."""

    def closed(self, session: Session) -> None:
        """The session is over: forget it."""

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function(*args)`` in a greenlet that the end of the server waits for."""
