"""The methods of a socket that register: handlers, catch-all listeners, middlewares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from ..events import ListenerMethods
from ..functions import require_function
from .event_names import check_own_handler
from .handlers import Handler, HandlerTable, describe

__all__ = ["Listening", "Registered"]

Listener = Callable[..., Any]
F = TypeVar("F", bound=Listener)


class Registered:
    """What an application has registered on one socket.

    Attributes:
        handlers: The handlers by event.
        incoming: The listeners of every received event.
        outgoing: The listeners of every sent event.
        middlewares: ``fn(event, args)``, called before the handlers.
    """

    __slots__ = ("handlers", "incoming", "middlewares", "outgoing")

    def __init__(self) -> None:
        self.handlers: HandlerTable = HandlerTable()
        self.incoming: tuple[Listener, ...] = ()
        self.outgoing: tuple[Listener, ...] = ()
        self.middlewares: tuple[Listener, ...] = ()

    def add_handler(self, event: str, handler: Handler, first: bool = False) -> None:
        """Add a handler whose signature has been read, after the present ones or before them."""
        self.handlers.add(event, handler, first)

    def forget_handlers(self) -> None:
        """Let go of all functions, once no event waits for them."""
        self.handlers.clear()
        self.incoming = self.outgoing = self.middlewares = ()


class Listening(ListenerMethods):
    """Handlers by event, and those that see every event (Socket.IO documentation, "Listening to
    events" and "Catch-all listeners").

    Args:
        registered: Takes what is registered.
    """

    def __init__(self, registered: Registered) -> None:
        self._core = registered

    @property
    def _table(self) -> HandlerTable:
        return self._core.handlers

    @overload
    def on(
        self, event: str, *, concurrent: bool | None = None, thread: bool = False
    ) -> Callable[[F], F]: ...
    @overload
    def on(
        self, event: str, function: F, *, concurrent: bool | None = None, thread: bool = False
    ) -> F: ...
    def on(
        self,
        event: str,
        function: Any = None,
        *,
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Any:
        """Call ``function(*args)`` for each ``event`` of the client; also as a decorator.

        What it returns answers the client's acknowledgement: ``None`` without arguments, a
        tuple with several, anything else with one. With a keyword-only parameter ``ack`` it
        gets a callable instead, which answers once, at any time.

        Args:
            event: The name of the event. ``disconnecting`` and ``disconnect`` handlers get
                ``(reason)`` or ``(reason, description)``, as their signature allows.
            function: Left out, the method returns a decorator.
            concurrent: Give each call a greenlet of its own, out of order; the option
                ``concurrent`` of the server by default.
            thread: Call it in a native thread, for what blocks in C.

        Returns:
            The function, or the decorator.

        Raises:
            TypeError: The name is neither a string nor a number, or the function cannot be
                called.
            ValueError: The name is ``"*"``.
        """
        return self._register(event, function, concurrent=concurrent, thread=thread)

    def _register(
        self,
        event: str,
        function: Any,
        *,
        once: bool = False,
        first: bool = False,
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Any:
        check_own_handler(event)
        if function is None:
            return lambda decorated: self._register(
                event, decorated, once=once, first=first, concurrent=concurrent, thread=thread
            )
        handler = describe(function, once=once, concurrent=concurrent, thread=thread)
        self._core.add_handler(event, handler, first)
        return function

    def use(self, middleware: F) -> F:
        """Call a function before the handlers of each received event; several are called in order.

        When it raises, the event is dropped, and ``error`` handlers of the socket get the
        exception.

        Args:
            middleware: ``fn(event, args)``.

        Raises:
            TypeError: It cannot be called.
        """
        require_function(middleware, "a middleware")
        self._core.middlewares = (*self._core.middlewares, middleware)
        return middleware

    def on_any(self, listener: F) -> F:
        """Call ``listener(event, *args)`` for each received event, before its handlers."""
        require_function(listener, "a listener")
        self._core.incoming = (*self._core.incoming, listener)
        return listener

    def prepend_any(self, listener: F) -> F:
        """Like :meth:`on_any`, before the present listeners."""
        require_function(listener, "a listener")
        self._core.incoming = (listener, *self._core.incoming)
        return listener

    def off_any(self, listener: Listener | None = None) -> None:
        """Remove one catch-all listener, or all of them when none is given."""
        self._core.incoming = _without(self._core.incoming, listener)

    def listeners_any(self) -> list[Listener]:
        """Return the catch-all listeners."""
        return list(self._core.incoming)

    def on_any_outgoing(self, listener: F) -> F:
        """Call ``listener(event, *args)`` for each event that is sent; it must not block."""
        require_function(listener, "a listener")
        self._core.outgoing = (*self._core.outgoing, listener)
        return listener

    def prepend_any_outgoing(self, listener: F) -> F:
        """Like :meth:`on_any_outgoing`, before the present listeners."""
        require_function(listener, "a listener")
        self._core.outgoing = (listener, *self._core.outgoing)
        return listener

    def off_any_outgoing(self, listener: Listener | None = None) -> None:
        """Remove one listener of sent events, or all of them when none is given."""
        self._core.outgoing = _without(self._core.outgoing, listener)

    def listeners_any_outgoing(self) -> list[Listener]:
        """Return the listeners of sent events."""
        return list(self._core.outgoing)


def _without(listeners: tuple[Listener, ...], listener: Listener | None) -> tuple[Listener, ...]:
    return tuple(item for item in listeners if listener is not None and item != listener)
