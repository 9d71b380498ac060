"""What an application registers at a namespace: listeners, middlewares, handlers of all sockets."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from ..functions import require_function
from .event_names import CONNECTION_EVENTS, check_handler
from .handlers import Handler, HandlerTable, describe

__all__ = ["NamespaceListeners", "Registrations"]

Function = Callable[..., Any]


class NamespaceListeners(HandlerTable):
    """The listeners of a namespace; ``connect`` is another name of ``connection``."""

    __slots__ = ()

    def add(self, event: Hashable, entry: Handler, first: bool = False) -> None:
        """Add a listener after the present ones, or before them."""
        super().add(_one_name(event), entry, first)

    def remove(self, event: Hashable, function: Function | None = None) -> None:
        """Remove one function of an event, or all of them when none is given."""
        super().remove(_one_name(event), function)

    def functions(self, event: Hashable) -> list[Function]:
        """Return the functions of an event."""
        return super().functions(_one_name(event))


def _one_name(event: Hashable) -> Hashable:
    # One event with two names: its listeners keep their order.
    return "connection" if event in CONNECTION_EVENTS else event


class Registrations:
    """The functions of one namespace.

    Attributes:
        listeners: Those of ``connection``, ``new_namespace`` and events of other servers.
        middlewares: Those that decide about clients, in order.
        handlers: Those of events of all sockets.
        count: How often the application has registered something.
    """

    __slots__ = ("count", "handlers", "listeners", "middlewares")

    def __init__(self) -> None:
        self.listeners: NamespaceListeners = NamespaceListeners()
        self.middlewares: list[Function] = []
        self.handlers: HandlerTable = HandlerTable()
        self.count: int = 0

    def __bool__(self) -> bool:
        return bool(self.listeners or self.middlewares or self.handlers or self.handlers.fallbacks)

    def listen(
        self,
        event: str,
        function: Function,
        *,
        once: bool = False,
        first: bool = False,
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> None:
        """Add a listener of the namespace."""
        require_function(function, "a listener")
        # Its signature does not matter: each event has its own arguments. And the default of the
        # server does not count: what a connection handler registers must be there in time.
        entry = Handler(function, 0, False, once=once, concurrent=bool(concurrent), thread=thread)
        self.listeners.add(event, entry, first)
        self.count += 1

    def handle(
        self, event: str, function: Function, concurrent: bool | None = None, thread: bool = False
    ) -> None:
        """Add a handler of all sockets; ``connection`` and ``connect`` are listeners."""
        check_handler(event)
        if event in CONNECTION_EVENTS:
            self.listen(event, function, concurrent=concurrent, thread=thread)
            return
        handler = describe(function, concurrent=concurrent, with_socket=True, thread=thread)
        self.handlers.add(event, handler)
        self.count += 1

    def handle_others(
        self, function: Function, concurrent: bool | None = None, thread: bool = False
    ) -> None:
        """Add a handler of the events that have none."""
        handler = describe(function, concurrent=concurrent, with_socket=True, thread=thread)
        self.handlers.add_fallback(handler)
        self.count += 1

    def guard(self, middleware: Function) -> None:
        """Add a middleware."""
        require_function(middleware, "a middleware")
        self.middlewares.append(middleware)
        self.count += 1

    def copy_to(self, other: Registrations) -> None:
        """Register everything at another namespace as well."""
        self.listeners.copy_to(other.listeners)
        self.handlers.copy_to(other.handlers)
        other.middlewares += self.middlewares
        other.count += self.count
