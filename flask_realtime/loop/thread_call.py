"""One call from a thread to the one that owns the sessions, and the wait for its result.

Native locks, because the caller may have no hub. The owner takes the claim when it begins, a
caller that has waited too long takes it to withdraw: a function runs, or is given up, never both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from gevent.monkey import get_original

__all__ = ["GONE", "ThreadCall"]

# With monkey patching, the names in ``threading`` refer to greenlets.
_allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")

GONE = "the thread that owns the sessions has ended, or its server has: start one again"
#: Seconds between two checks of whether the owner has ended.
_LOOK = 0.5


class ThreadCall:
    """A function that the owner runs and another thread waits for.

    Args:
        function: It must have a deadline of its own.
        args: Its arguments.
    """

    __slots__ = ("_args", "_claim", "_done", "_error", "_function", "_result")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self._result: Any = None
        # Until the function has returned: what is raised when its greenlet is killed.
        self._error: Exception | None = RuntimeError("the greenlet of the call was killed")
        self._claim = deque((True,))
        self._done = _allocate_lock()
        self._done.acquire()

    def run(self) -> None:
        """Call the function, unless the caller has withdrawn; in the owning thread."""
        if not self._take_claim():
            return
        try:
            self._result = self._function(*self._args)
            self._error = None
        except Exception as error:  # noqa: BLE001 - wait() raises it in the calling thread
            self._error = error
        finally:
            self._done.release()

    def wait(self, patience: float, has_ended: Callable[[], bool]) -> Any:
        """Block until the function has returned, and return its result.

        Args:
            patience: Seconds that the owner has to begin.
            has_ended: Tells whether the owner can no longer run it.

        Raises:
            RuntimeError: The owner has ended, did not begin in time, or was killed at it.
            Exception: What the function raises.
        """
        since = monotonic()
        while not self._done.acquire(True, min(_LOOK, patience)):
            if has_ended():
                # It may have returned just before.
                if self._done.acquire(False):
                    break
                self._claim.clear()
                raise RuntimeError(GONE)
            if monotonic() - since >= patience and self._take_claim():
                raise RuntimeError(
                    f"the hub of the thread that owns the sessions did not run for {patience:g} s"
                )
        if self._error is not None:
            raise self._error
        return self._result

    def _take_claim(self) -> bool:
        try:
            return self._claim.pop()
        except IndexError:
            return False
