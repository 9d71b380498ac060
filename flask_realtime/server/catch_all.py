"""Listeners that see every event of a socket, in and out, and the middlewares of its packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CatchAll"]

Listener = Callable[..., Any]


class CatchAll:
    """The ``any`` methods and ``use`` of a socket (Socket.IO documentation, "Catch-all listeners").

    Nothing is allocated before the first of them is used.
    """

    def __init__(self) -> None:
        self._incoming: tuple[Listener, ...] = ()
        self._outgoing: tuple[Listener, ...] = ()
        self._middlewares: tuple[Listener, ...] = ()

    @property
    def has_incoming(self) -> bool:
        """Whether somebody wants to see received events."""
        return bool(self._incoming or self._middlewares)

    @property
    def has_outgoing(self) -> bool:
        """Whether somebody wants to see sent events."""
        return bool(self._outgoing)

    def use(self, middleware: Listener) -> Listener:
        """Add ``fn(event, args)``, called before the handlers of each received event.

        When it raises, the event is dropped, and ``error`` handlers of the socket get the
        exception.
        """
        self._middlewares = (*self._middlewares, middleware)
        return middleware

    def on_any(self, listener: Listener) -> Listener:
        """Call ``listener(event, *args)`` for each received event, before its handlers."""
        self._incoming = (*self._incoming, listener)
        return listener

    def prepend_any(self, listener: Listener) -> Listener:
        """Like :meth:`on_any`, before the present listeners."""
        self._incoming = (listener, *self._incoming)
        return listener

    def off_any(self, listener: Listener | None = None) -> None:
        """Remove one catch-all listener, or all of them."""
        self._incoming = _without(self._incoming, listener)

    def listeners_any(self) -> list[Listener]:
        """Return the catch-all listeners."""
        return list(self._incoming)

    def on_any_outgoing(self, listener: Listener) -> Listener:
        """Call ``listener(event, *args)`` for each event that is sent; it must not block."""
        self._outgoing = (*self._outgoing, listener)
        return listener

    def prepend_any_outgoing(self, listener: Listener) -> Listener:
        """Like :meth:`on_any_outgoing`, before the present listeners."""
        self._outgoing = (listener, *self._outgoing)
        return listener

    def off_any_outgoing(self, listener: Listener | None = None) -> None:
        """Remove one listener of sent events, or all of them."""
        self._outgoing = _without(self._outgoing, listener)

    def listeners_any_outgoing(self) -> list[Listener]:
        """Return the listeners of sent events."""
        return list(self._outgoing)

    def incoming_steps(self) -> tuple[tuple[Listener, ...], tuple[Listener, ...]]:
        """Return the catch-all listeners and the packet middlewares to run now."""
        return self._incoming, self._middlewares

    def notify_outgoing(self, data: list[Any]) -> None:
        """Show an event that is being sent."""
        for listener in self._outgoing:
            listener(*data)


def _without(listeners: tuple[Listener, ...], listener: Listener | None) -> tuple[Listener, ...]:
    return tuple(item for item in listeners if listener is not None and item != listener)
