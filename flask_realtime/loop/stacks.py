"""The line of the application in a stack, for the log when something takes too long."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

__all__ = ["Work", "callers_of", "place_of"]

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
