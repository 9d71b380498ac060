"""Functions that an application hands over: checked where they are handed over."""

from __future__ import annotations

import inspect
from inspect import CO_COROUTINE
from types import FunctionType
from typing import Any

__all__ = ["require_function"]


def require_function(function: Any, what: str) -> None:
    """Check that ``function`` can be called by a synchronous server.

    Args:
        function: What the application gave.
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
