"""What an application registers on one socket: handlers, catch-all listeners, middlewares."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from ..functions import require_function
from .event_names import check_own_handler
from .handlers import Handler, HandlerTable, describe

__all__ = ["Listening"]

logger = logging.getLogger(__name__)

Listener = Callable[..., Any]
F = TypeVar("F", bound=Listener)


class Listening:
    """Handlers by event, and those that see every event (Socket.IO documentation, "Listening to
    events" and "Catch-all listeners").
    """

    def __init__(self) -> None:
        self.handlers: HandlerTable = HandlerTable()
        self._incoming: tuple[Listener, ...] = ()
        self._outgoing: tuple[Listener, ...] = ()
        self._middlewares: tuple[Listener, ...] = ()

    @overload
    def on(self, event: str, *, concurrent: bool = False) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F, *, concurrent: bool = False) -> F: ...
    def on(self, event: str, function: Any = None, *, concurrent: bool = False) -> Any:
        """Call ``function(*args)`` for each ``event``; also as a decorator.

        What it returns answers the client's acknowledgement: ``None`` without arguments, a
        tuple with several, anything else with one. With a keyword-only parameter ``ack`` it
        gets a callable instead, and answers when it likes.

        Args:
            event: The name of the event. ``disconnecting`` and ``disconnect`` handlers get
                ``(reason)`` or ``(reason, description)``, as their signature allows.
            function: Left out, the method returns a decorator.
            concurrent: Give each call a greenlet of its own, out of order.
        """
        return self._register(event, function, concurrent=concurrent)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, function: F) -> F: ...
    def once(self, event: str, function: Any = None) -> Any:
        """Like :meth:`on`, for the next time only."""
        return self._register(event, function, once=True)

    @overload
    def prepend_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_listener(self, event: str, function: F) -> F: ...
    def prepend_listener(self, event: str, function: Any = None) -> Any:
        """Like :meth:`on`, before the present handlers."""
        return self._register(event, function, first=True)

    @overload
    def prepend_once_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_once_listener(self, event: str, function: F) -> F: ...
    def prepend_once_listener(self, event: str, function: Any = None) -> Any:
        """Like :meth:`once`, before the present handlers."""
        return self._register(event, function, first=True, once=True)

    def _register(self, event: str, function: Any, first: bool = False, **options: bool) -> Any:
        check_own_handler(event)
        if function is None:
            return lambda decorated: self._register(event, decorated, first, **options)
        self.add_handler(event, describe(function, **options), first)
        return function

    def add_handler(self, event: str, handler: Handler, first: bool = False) -> None:
        """Add a handler whose signature has been read, behind the present ones or before them."""
        self.handlers.add(event, handler, first)

    def off(self, event: str, function: Any = None) -> None:
        """Remove one handler of ``event``, or all of them when none is given."""
        self.handlers.remove(event, function)

    def listeners(self, event: str) -> list[Callable[..., Any]]:
        """Return the handlers of ``event``."""
        return self.handlers.functions(event)

    def event_names(self) -> list[str]:
        """Return the names of the events that have handlers."""
        return self.handlers.events()

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove all handlers of ``event``, or of all events."""
        if event is None:
            self.handlers.clear()
        else:
            self.handlers.remove(event, None)

    def use(self, middleware: F) -> F:
        """Add ``fn(event, args)``, called before the handlers of each received event.

        When it raises, the event is dropped, and ``error`` handlers of the socket get the
        exception.
        """
        require_function(middleware, "a middleware")
        self._middlewares = (*self._middlewares, middleware)
        return middleware

    def on_any(self, listener: F) -> F:
        """Call ``listener(event, *args)`` for each received event, before its handlers."""
        require_function(listener, "a listener")
        self._incoming = (*self._incoming, listener)
        return listener

    def prepend_any(self, listener: F) -> F:
        """Like :meth:`on_any`, before the present listeners."""
        require_function(listener, "a listener")
        self._incoming = (listener, *self._incoming)
        return listener

    def off_any(self, listener: Listener | None = None) -> None:
        """Remove one catch-all listener, or all of them."""
        self._incoming = _without(self._incoming, listener)

    def listeners_any(self) -> list[Listener]:
        """Return the catch-all listeners."""
        return list(self._incoming)

    def on_any_outgoing(self, listener: F) -> F:
        """Call ``listener(event, *args)`` for each event that is sent; it must not block."""
        require_function(listener, "a listener")
        self._outgoing = (*self._outgoing, listener)
        return listener

    def prepend_any_outgoing(self, listener: F) -> F:
        """Like :meth:`on_any_outgoing`, before the present listeners."""
        require_function(listener, "a listener")
        self._outgoing = (listener, *self._outgoing)
        return listener

    def off_any_outgoing(self, listener: Listener | None = None) -> None:
        """Remove one listener of sent events, or all of them."""
        self._outgoing = _without(self._outgoing, listener)

    def listeners_any_outgoing(self) -> list[Listener]:
        """Return the listeners of sent events."""
        return list(self._outgoing)

    def notify_outgoing(self, data: Sequence[Any]) -> None:
        """Show an event that is being sent."""
        for listener in self._outgoing:
            try:
                listener(*data)
            except Exception:
                logger.exception("! a catch-all listener failed")


def _without(listeners: tuple[Listener, ...], listener: Listener | None) -> tuple[Listener, ...]:
    return tuple(item for item in listeners if listener is not None and item != listener)
