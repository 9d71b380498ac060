"""Checks of the functions and names that an application registers."""

from __future__ import annotations

import inspect
from inspect import CO_COROUTINE
from types import FunctionType
from typing import Any

__all__ = ["require_event", "require_function"]


def require_function(function: Any, what: str) -> None:
    """Check that ``function`` can be called by a synchronous server.

    Args:
        function: What was registered.
        what: Its role, for the message: "a listener".

    Raises:
        TypeError: It cannot be called, or it is a coroutine function: its result would be a
            coroutine that never runs, and a true value.
    """
    if type(function) is FunctionType and not function.__code__.co_flags & CO_COROUTINE:
        return
    if not callable(function):
        raise TypeError(f"{what} must be callable, not {type(function).__name__}")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{what} must be a plain function: this server does not run coroutines")


def require_event(event: Any, *, number: bool = False) -> None:
    """Check that ``event`` can be the name of an event.

    Args:
        event: The name that was given.
        number: Whether it may be a number, which clients may send in place of a name.

    Raises:
        TypeError: It is not text. For a function, a decorator without its event, the message
            says how it is written.
    """
    if isinstance(event, str) or (number and isinstance(event, (int, float))):
        return
    hint = '; as a decorator: @….on("name")' if callable(event) else ""
    raise TypeError(f"an event name must be a string, not {type(event).__name__}{hint}")
