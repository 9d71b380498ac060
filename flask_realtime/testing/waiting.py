"""Waiting for events instead of for clocks: the hub runs, and every wait has a deadline."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import gevent

__all__ = ["DEADLINE", "Late", "deadline", "settle", "wait_until"]

#: Seconds after which something that was waited for counts as missing.
DEADLINE = 5.0

_ROUNDS = 4

T = TypeVar("T")


class _Restless(Exception):
    """The hub always has something to do."""


class Late(AssertionError):
    """Something that a test waits for did not happen in time."""


@contextlib.contextmanager
def deadline(what: str = "this step", seconds: float = DEADLINE) -> Iterator[None]:
    """Fail when the block does not end in time.

    Args:
        what: What the block does, for the error.
        seconds: The time it has; it must let the hub run meanwhile.

    Raises:
        Late: It has not ended.
    """
    with gevent.Timeout(seconds, Late(f"{what} took longer than {seconds:g} s")):
        yield


def wait_until(probe: Callable[[], T], what: str = "the expected state") -> T:
    """Let the hub run until ``probe()`` returns something true, and return that.

    Args:
        probe: Looks; it is called again and again.
        what: What is waited for, for the error.

    Raises:
        Late: It took longer than :data:`DEADLINE`.
    """
    with deadline(what):
        while not (found := probe()):
            gevent.sleep(0.0005)
        return found


def settle(patience: float = 1.0) -> None:
    """Let the hub run until it has nothing to do: what was sent has arrived then.

    Args:
        patience: Seconds after which it goes on although a greenlet of the application never
            rests; what was sent has been read by then as well.
    """
    try:
        with gevent.Timeout(patience, _Restless()):
            for _ in range(_ROUNDS):
                # Until no callback and no socket is ready; `sleep(0)` would run callbacks only.
                gevent.idle()
    except _Restless:
        for _ in range(_ROUNDS):
            gevent.sleep(0.001)
