"""Which function handles which event, and where it is: ``flask realtime routes``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .flask_socketio.doctor import functions_of
from .server.parent import ParentNamespace
from .server.server import BaseServer

__all__ = ["Route", "routes_of", "table"]

_INTERNAL = "flask_realtime.flask_socketio."
#: Events of the namespace itself; all other listeners of one are for events of other servers.
_OF_NAMESPACE = ("connection", "new_namespace")


class Route(NamedTuple):
    """A registered function.

    Attributes:
        namespace: The namespace; the pattern or function of a parent stands in brackets.
        event: The event, or what else the function is called for.
        function: Its name.
        place: Its file and line; empty for a function that is not written in Python.
    """

    namespace: str
    event: str
    function: str
    place: str


def routes_of(server: BaseServer, socketio: Any = None) -> list[Route]:
    """Return what an application has registered, by namespace.

    Args:
        server: The server.
        socketio: The extension of ``flask_realtime.flask_socketio``, if the application has it.
    """
    found = [
        _route(name, event, function)
        for name, event, function in (*_native(server), *_ported(socketio))
        if not str(getattr(function, "__module__", "")).startswith(_INTERNAL)
    ]
    # A stable sort: what is registered first stays first.
    return sorted(found, key=lambda route: route.namespace)


Found = Iterator[tuple[str, str, Callable[..., Any]]]


def _native(server: BaseServer) -> Found:
    for face, registered in server.registrations():
        name = f"[{face.name}]" if isinstance(face, ParentNamespace) else face.name
        for middleware in registered.middlewares:
            yield name, "(middleware)", middleware
        for event, listeners in registered.listeners.items():
            shown = event if event in _OF_NAMESPACE else f"{event} (from other servers)"
            for listener in listeners:
                yield name, str(shown), listener.function
        for event, handlers in registered.handlers.items():
            for handler in handlers:
                yield name, str(event), handler.function


def _ported(socketio: Any) -> Found:
    if socketio is not None:
        for event, name, function in functions_of(socketio):
            yield name, event, function


def _route(namespace: str, event: str, function: Any) -> Route:
    while hasattr(function, "func"):
        function = function.func  # a functools.partial
    function = inspect.unwrap(function)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return Route(namespace, event, name, _place(function))


def _place(function: Any) -> str:
    code = getattr(function, "__code__", None)
    if code is None:
        # An object that can be called.
        code = getattr(type(function).__call__, "__code__", None)
    if code is None:
        return ""
    file = code.co_filename
    here = os.getcwd() + os.sep
    return f"{file.removeprefix(here)}:{code.co_firstlineno}"


def table(routes: Iterable[Route]) -> list[str]:
    """Return the lines of a table, with its head."""
    head = Route("Namespace", "Event", "Function", "Place")
    rows = [head, *routes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    rows.insert(1, Route(*("-" * width for width in widths)))
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
