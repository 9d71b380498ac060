"""Code that must not switch greenlets says so, and tests check it.

Cooperative code is atomic between two switches, and some of it relies on that. A comment that
says "nothing switches here" goes stale the day a log handler or a lock is added below it; a
``with no_switch():`` block around the code turns the comment into a check. The check observes
every switch of the thread, which costs more than it is worth in production: it works inside
:func:`enforce_no_switch`, which tests use, and is nearly free elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import greenlet

__all__ = ["GreenletSwitched", "enforce_no_switch", "no_switch"]


class GreenletSwitched(AssertionError):
    """Another greenlet ran inside a ``no_switch()`` block."""


class _State:
    """Whether blocks are checked; one object for the process, changed by tests only."""

    is_enforced = False


_NOTHING: AbstractContextManager[None] = nullcontext()


def no_switch() -> AbstractContextManager[None]:
    """Return a context in which the current greenlet must not switch to another one.

    Raises:
        GreenletSwitched: At the end of the block, when it has switched and
            :func:`enforce_no_switch` is in force.
    """
    return _checked() if _State.is_enforced else _NOTHING


@contextmanager
def enforce_no_switch() -> Iterator[None]:
    """Check every ``no_switch()`` block of the process inside this context; for tests."""
    before, _State.is_enforced = _State.is_enforced, True
    try:
        yield
    finally:
        _State.is_enforced = before


@contextmanager
def _checked() -> Iterator[None]:
    switched: list[str] = []

    def trace(event: str, args: Any) -> None:
        switched.append(event)

    before = greenlet.settrace(trace)
    try:
        yield
    finally:
        greenlet.settrace(before)
    if switched:
        raise GreenletSwitched(
            f"the greenlet switched {len(switched)} times in a no_switch() block"
        )
