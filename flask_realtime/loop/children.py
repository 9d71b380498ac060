"""Forked children: which process this is, and calls for what they must leave to their parent."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable

__all__ = ["in_children", "pid"]

#: The id of this process, to be read as ``children.pid``; each request asks for it, and
#: ``os.getpid()`` is a system call.
pid: int = os.getpid()


def in_children(method: Callable[[], None]) -> None:
    """Call a method in every child that is forked from now on, while its object exists."""
    # Windows has no fork. What is registered stays: it must not keep the object alive.
    if hasattr(os, "register_at_fork"):
        reference = weakref.WeakMethod(method)

        def in_child() -> None:
            found = reference()
            if found is not None:
                found()

        os.register_at_fork(after_in_child=in_child)


def _note() -> None:
    global pid
    pid = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note)
