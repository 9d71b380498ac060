"""Listeners by event name, in order of registration: one mechanism for every object with events.

:class:`ListenerTable` holds them, :class:`ListenerMethods` are the methods by which
applications register them, and :class:`EventEmitter` calls them in place. A server, a namespace
and a socket share the first two; they call handlers in a greenlet, inside a context.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol, TypeVar, overload

from .functions import require_event, require_function
from .quoting import quoted

__all__ = ["Entry", "EventEmitter", "Listener", "ListenerMethods", "ListenerTable"]

logger = logging.getLogger(__name__)

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Entry(Protocol):
    """A registered function; tables of servers and sockets know more about theirs."""

    @property
    def function(self) -> Function:
        """The function."""

    @property
    def once(self) -> bool:
        """Whether it is called once only."""


class Listener(NamedTuple):
    """A registered function, and whether it is called once only."""

    function: Function
    once: bool = False


E = TypeVar("E", bound=Entry)


class ListenerTable(dict[Hashable, tuple[E, ...]]):
    """The entries of each event, in the order in which they are called.

    A dictionary, so that ``get(event, ())`` on the way of an event runs in C. The tuples are
    replaced, never changed: a call that is under way keeps the one it began with.

    Attributes:
        has_once: Whether an entry has been added that is called once only: see :meth:`take`.
    """

    __slots__ = ("has_once",)

    def __init__(self) -> None:
        super().__init__()
        self.has_once: bool = False

    def add(self, event: Hashable, entry: E, first: bool = False) -> None:
        """Add an entry after the present ones, or before them."""
        present = self.get(event, ())
        self[event] = (entry, *present) if first else (*present, entry)
        self.has_once = self.has_once or entry.once

    def remove(self, event: Hashable, function: Function | None = None) -> None:
        """Remove one function of an event, or all of them when none is given."""
        kept = tuple(
            entry
            for entry in self.get(event, ())
            if function is not None and entry.function != function
        )
        self._keep(event, kept)

    def take(self, event: Hashable) -> tuple[E, ...]:
        """Return the entries to call now, and remove those registered for once."""
        entries = self.get(event, ())
        if self.has_once and any(entry.once for entry in entries):
            self._keep(event, tuple(entry for entry in entries if not entry.once))
        return entries

    def functions(self, event: Hashable) -> list[Function]:
        """Return the functions of an event."""
        return [entry.function for entry in self.get(event, ())]

    def _keep(self, event: Hashable, entries: tuple[E, ...]) -> None:
        if entries:
            self[event] = entries
        else:
            self.pop(event, None)


class ListenerMethods:
    """``on``, ``once``, ``off`` and the methods around them.

    Those that register work as calls (``x.on("event", fn)``) and as decorators
    (``@x.on("event")``).
    """

    __slots__ = ()

    @property
    def _table(self) -> ListenerTable[Any]:
        """The table that is read."""
        raise NotImplementedError

    def _register(
        self, event: str, function: Any, *, once: bool = False, first: bool = False
    ) -> Any:
        """Check a name and a function and add them to the table.

        Without a function, return a decorator.
        """
        raise NotImplementedError

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: Any = None) -> Any:
        """Call ``function`` each time ``event`` happens.

        Args:
            event: The name of the event.
            function: Left out, the method returns a decorator.

        Returns:
            The function, or the decorator.

        Raises:
            TypeError: The name is not a string, or the function cannot be called.
        """
        return self._register(event, function)

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
        """Like :meth:`on`, before the present functions."""
        return self._register(event, function, first=True)

    @overload
    def prepend_once_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_once_listener(self, event: str, function: F) -> F: ...
    def prepend_once_listener(self, event: str, function: Any = None) -> Any:
        """Like :meth:`once`, before the present functions."""
        return self._register(event, function, once=True, first=True)

    def off(self, event: str, function: Function | None = None) -> None:
        """Remove one function of ``event``, or all of them when none is given."""
        self._table.remove(event, function)

    def listeners(self, event: str) -> list[Function]:
        """Return the functions of ``event`` in the order in which they are called."""
        return self._table.functions(event)

    def event_names(self) -> list[str]:
        """Return the names of the events that have functions."""
        return [str(event) for event in self._table]

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove every function of ``event``, or of all events."""
        if event is None:
            self._table.clear()
        else:
            self._table.remove(event)


class EventEmitter(ListenerMethods):
    """Calls listeners in place, in the order of their registration."""

    def __init__(self) -> None:
        self._listeners: ListenerTable[Listener] = ListenerTable()

    @property
    def _table(self) -> ListenerTable[Listener]:
        return self._listeners

    def _register(
        self, event: str, function: Any, *, once: bool = False, first: bool = False
    ) -> Any:
        require_event(event)
        if function is None:
            return lambda decorated: self._register(event, decorated, once=once, first=first)
        require_function(function, "a listener")
        self._listeners.add(event, Listener(function, once), first)
        return function

    @property
    def has_listeners(self) -> bool:
        """Whether any event has a listener."""
        return bool(self._listeners)

    def trigger(self, event: str, *args: Any) -> bool:
        """Call the listeners of ``event`` in order.

        What a listener raises is logged; the others are called all the same.

        Args:
            event: The name of the event.
            args: What listeners are called with.

        Returns:
            Whether there was a listener.
        """
        if event not in self._listeners:
            return False
        called = self._listeners.take(event)
        for listener in called:
            try:
                listener.function(*args)
            except Exception:
                logger.exception("! a listener of %s failed", quoted(event))
        return bool(called)
