"""What a server registers at its main namespace: listeners and middlewares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from .namespace import Namespace
from .socket import Socket

__all__ = ["MainNamespaceEvents"]

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=Callable[[Socket], Any])


class MainNamespaceEvents:
    """The words of the main namespace, as methods of the server (Socket.IO documentation,
    "Server API", "Events").
    """

    @property
    def sockets(self) -> Namespace:
        """The main namespace, ``/``."""
        raise NotImplementedError

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: Any = None) -> Any:
        """Listen to ``connection`` (or ``connect``), ``new_namespace`` and server-side events.

        Args:
            event: Its name.
            function: Left out, the method returns a decorator.
        """
        return self.sockets.on(event, function)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, function: F) -> F: ...
    def once(self, event: str, function: Any = None) -> Any:
        """Like :meth:`on`, for the next time only."""
        return self.sockets.once(event, function)

    @overload
    def prepend_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_listener(self, event: str, function: F) -> F: ...
    def prepend_listener(self, event: str, function: Any = None) -> Any:
        """Like :meth:`on`, before the present listeners."""
        return self.sockets.prepend_listener(event, function)

    @overload
    def prepend_once_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_once_listener(self, event: str, function: F) -> F: ...
    def prepend_once_listener(self, event: str, function: Any = None) -> Any:
        """Like :meth:`once`, before the present listeners."""
        return self.sockets.prepend_once_listener(event, function)

    def off(self, event: str, function: Any = None) -> None:
        """Remove one listener of ``event``, or all of them when none is given."""
        self.sockets.off(event, function)

    def listeners(self, event: str) -> list[Callable[..., Any]]:
        """Return the listeners of ``event``."""
        return self.sockets.listeners(event)

    def event_names(self) -> list[str]:
        """Return the names of the events that somebody listens to."""
        return self.sockets.event_names()

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove every listener of ``event``, or of all events."""
        self.sockets.remove_all_listeners(event)

    def use(self, middleware: M) -> M:
        """Add a middleware to the main namespace. See :meth:`Namespace.use`."""
        self.sockets.use(middleware)
        return middleware
