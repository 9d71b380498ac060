"""The stack of a thread, and the application's line in it, for the log of what takes too long."""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

__all__ = ["Work", "callers_of", "place_of", "top_frame"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PATHS = sysconfig.get_paths()
#: Folders that are not the application: this package, the standard library, packages.
_LIBRARIES = (
    _PACKAGE,
    "<frozen",
    *{_PATHS[key] + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")},
)


class Work(NamedTuple):
    """The work that a stack does.

    Attributes:
        what: The event, for the log.
        caller: The frame that called the application for it.
    """

    what: str
    caller: FrameType


def top_frame(thread: int) -> FrameType | None:
    """Return the innermost frame of a thread, by its identifier; ``None`` when it has ended."""
    # CPython holds a lock in this call, and may collect garbage in it. Freeing a
    # `threading.local` takes the same lock: the whole process would stand still for ever.
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames().get(thread)
    finally:
        if collects:
            gc.enable()


def callers_of(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame, its caller, and so on outwards."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def place_of(frame: FrameType, caller: FrameType | None = None) -> str:
    """Return the innermost line of the application, as ``file:line in function``.

    Args:
        frame: The innermost frame of a stack.
        caller: The frame that called the application. When only libraries run below it, the
            function that it called is named.
    """
    outermost = frame
    for found in callers_of(frame):
        if found is caller:
            return _line_of(outermost)
        if not found.f_code.co_filename.startswith(_LIBRARIES):
            return _line_of(found)
        outermost = found
    return _line_of(frame)


def _line_of(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
