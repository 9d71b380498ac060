"""Which handler an event has: by namespace and event, then the catch-all ones, then classes.

One handler for each name: the last that is registered counts. Nothing is called here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..functions import require_function

if TYPE_CHECKING:
    from .namespace import Namespace

__all__ = ["ANY", "LIFECYCLE", "Entry", "Found", "HandlerTable", "takes"]

#: Every event, or every namespace.
ANY = "*"
#: Events that catch-all handlers do not get.
LIFECYCLE = frozenset({"connect", "disconnect"})

_MANY = 1_000
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Entry(NamedTuple):
    """A registered function.

    Attributes:
        function: The function.
        message: The name it was registered for; a callback has none.
        max_args: How many positional arguments it takes.
    """

    function: Callable[..., Any]
    message: str | None
    max_args: int


class Found(NamedTuple):
    """What handles an event: an entry or a class, one of them.

    Attributes:
        entry: The function.
        namespace: The class-based namespace.
        is_catch_all: Whether the function gets the name of the event first.
    """

    entry: Entry | None = None
    namespace: Namespace | None = None
    is_catch_all: bool = False


def takes(function: Callable[..., Any]) -> int:
    """Return how many positional arguments a function takes; many, when it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return _MANY
    if any(item.kind is item.VAR_POSITIONAL for item in parameters):
        return _MANY
    return sum(item.kind in _POSITIONAL for item in parameters)


class HandlerTable:
    """The handlers of an application.

    Attributes:
        changes: How often something was registered.
    """

    def __init__(self) -> None:
        self.changes: int = 0
        self._functions: dict[str, dict[str, Entry]] = {}
        self._classes: dict[str, Namespace] = {}

    def add(self, namespace: str, event: str, function: Callable[..., Any]) -> None:
        """Register a function; it takes the place of the one before."""
        require_function(function, "a handler")
        self.changes += 1
        entry = Entry(function, event, takes(function))
        self._functions.setdefault(namespace, {})[event] = entry

    def add_class(self, namespace: Namespace) -> None:
        """Register a class-based namespace."""
        self.changes += 1
        self._classes[namespace.namespace] = namespace

    def namespaces(self) -> list[str]:
        """Return the names of the namespaces that have handlers of their own."""
        return [name for name in {**self._functions, **self._classes} if name != ANY]

    def names(self, namespace: str) -> Collection[str]:
        """Return the events for which a namespace has functions of its own."""
        return self._functions.get(namespace, ())

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Go through the functions, with the namespace of each."""
        for namespace, entries in self._functions.items():
            for entry in entries.values():
                yield namespace, entry

    def classes(self) -> list[Namespace]:
        """Return the class-based namespaces."""
        return list(self._classes.values())

    def find(self, namespace: str, event: str) -> Found | None:
        """Return what handles an event of a namespace."""
        for name in (namespace, ANY):
            entries = self._functions.get(name)
            if entries is None:
                continue
            entry = entries.get(event)
            if entry is not None:
                return Found(entry)
            if event not in LIFECYCLE and ANY in entries:
                return Found(entries[ANY], is_catch_all=True)
        found = self._classes.get(namespace) or self._classes.get(ANY)
        return None if found is None else Found(namespace=found)
