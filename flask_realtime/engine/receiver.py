"""The layer above a session, which takes its messages."""

from __future__ import annotations

from typing import Protocol

__all__ = ["NoReceiver", "Receiver"]


class Receiver(Protocol):
    """The layer above, as a session sees it. Its methods are called in the hub or a request."""

    def on_message(self, data: str | bytes) -> None:
        """Take a message of the client, in order."""

    def on_close(self, reason: str, description: object) -> None:
        """Take note that the session is over; called once."""

    def on_forget(self) -> None:
        """Let go of the first request: the session has."""


class NoReceiver:
    """The layer above a session that has its events alone."""

    def on_message(self, data: str | bytes) -> None:
        """Drop the message; listeners have had it."""

    def on_close(self, reason: str, description: object) -> None:
        """Do nothing."""

    def on_forget(self) -> None:
        """Do nothing."""
