"""What is done when a process ends by itself, a script or a child of ``multiprocessing``."""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Callable

__all__ = ["at_exit"]


def at_exit(method: Callable[[], None]) -> Callable[[], None]:
    """Call a method at the end of this process, if its object is still there.

    It may be called twice. A process that is killed by a signal does not get there.

    Returns:
        What undoes it.
    """
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    atexit.register(call)
    # Before Python 3.13 a child of multiprocessing ends without the functions of `atexit`.
    util = sys.modules.get("multiprocessing.util")
    finalizer = None if util is None else util.Finalize(None, call, exitpriority=0)

    def undo() -> None:
        atexit.unregister(call)
        if finalizer is not None and finalizer.still_active():
            finalizer.cancel()

    return undo
