"""A small event emitter with the semantics of the field: many listeners, called in order.

It calls listeners where it is; who needs a greenlet or a context around a listener reads
:meth:`EventEmitter.listeners` and calls them itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, overload

from .functions import require_event, require_function
from .quoting import quoted

__all__ = ["EventEmitter"]

logger = logging.getLogger(__name__)

Listener = Callable[..., Any]
F = TypeVar("F", bound=Listener)


class EventEmitter:
    """Listeners by event name.

    ``on``, ``once`` and their kin work as calls (``x.on("event", fn)``) and as decorators
    (``@x.on("event")``).
    """

    def __init__(self) -> None:
        self._listeners: dict[Hashable, list[tuple[Listener, bool]]] = {}

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, listener: F) -> F: ...
    def on(self, event: str, listener: Any = None) -> Any:
        """Call ``listener`` each time ``event`` happens.

        Args:
            event: The name of the event.
            listener: Left out, the method returns a decorator.

        Returns:
            The listener, or the decorator.
        """
        return self._add(event, listener)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, listener: F) -> F: ...
    def once(self, event: str, listener: Any = None) -> Any:
        """Like :meth:`on`, for the next time only."""
        return self._add(event, listener, once=True)

    @overload
    def prepend_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_listener(self, event: str, listener: F) -> F: ...
    def prepend_listener(self, event: str, listener: Any = None) -> Any:
        """Like :meth:`on`, before the present listeners."""
        return self._add(event, listener, first=True)

    @overload
    def prepend_once_listener(self, event: str) -> Callable[[F], F]: ...
    @overload
    def prepend_once_listener(self, event: str, listener: F) -> F: ...
    def prepend_once_listener(self, event: str, listener: Any = None) -> Any:
        """Like :meth:`once`, before the present listeners."""
        return self._add(event, listener, once=True, first=True)

    def _add(self, event: str, listener: Any, *, once: bool = False, first: bool = False) -> Any:
        require_event(event)
        if listener is None:
            return lambda function: self._add(event, function, once=once, first=first)
        require_function(listener, "a listener")
        # A new list each time: a trigger that is under way keeps the one it started with.
        present = self._listeners.get(event, [])
        entry = [(listener, once)]
        self._listeners[event] = entry + present if first else present + entry
        return listener

    def off(self, event: str, listener: Listener | None = None) -> None:
        """Remove one listener of ``event``, or all of them when none is given."""
        kept = [
            entry
            for entry in self._listeners.get(event, ())
            if listener is not None and entry[0] != listener
        ]
        if kept:
            self._listeners[event] = kept
        else:
            self._listeners.pop(event, None)

    def listeners(self, event: str) -> list[Listener]:
        """Return the listeners of ``event`` in the order of their registration."""
        return [listener for listener, _ in self._listeners.get(event, ())]

    def event_names(self) -> list[str]:
        """Return the names of the events that somebody listens to."""
        return [str(event) for event in self._listeners]

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove every listener of ``event``, or of all events."""
        if event is None:
            self._listeners.clear()
        else:
            self._listeners.pop(event, None)

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens to anything."""
        return bool(self._listeners)

    def take(self, event: Hashable) -> list[Listener]:
        """Return the listeners to call now, and forget those registered for once."""
        entries = self._listeners.get(event)
        if entries is None:
            return []
        kept = [entry for entry in entries if not entry[1]]
        if len(kept) != len(entries):
            if kept:
                self._listeners[event] = kept
            else:
                del self._listeners[event]
        return [listener for listener, _ in entries]

    def trigger(self, event: str, *args: Any) -> bool:
        """Call the listeners of ``event`` in order; say whether there was one.

        What a listener raises is logged: it keeps neither the others nor whoever triggers
        the event from their work.
        """
        called = self.take(event)
        for listener in called:
            try:
                listener(*args)
            except Exception:
                logger.exception("! a listener of %s failed", quoted(event))
        return bool(called)
