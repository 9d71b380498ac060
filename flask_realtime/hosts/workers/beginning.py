"""When a gunicorn worker begins to serve, also one whose application was loaded before the fork.

A worker without clients has to be known to the others as well, so this does not wait for its
first request.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

import gevent

from ..gunicorn import find_worker

__all__ = ["call_in_worker"]


def call_in_worker(begin: Callable[[Any], None]) -> None:
    """Call ``begin(worker)`` when the hub of a gevent worker of gunicorn runs.

    Elsewhere nothing happens, and nothing is kept.

    Args:
        begin: A method; its object may go away before.
    """
    if "gunicorn.workers.base" not in sys.modules:
        return
    method = WeakMethod(begin)
    if find_worker() is not None:
        gevent.spawn(_begin, method)
    else:
        # This is the master with --preload. The hub of a new process runs when its worker
        # does, and by then gunicorn has set the handlers by which the worker is found.
        os.register_at_fork(after_in_child=lambda: _spawn(method))


def _spawn(method: Any) -> None:
    if method() is not None:
        gevent.spawn(_begin, method)


def _begin(method: Any) -> None:
    begin, worker = method(), find_worker()
    if begin is not None and worker is not None and worker.pid == os.getpid():
        begin(worker)
