"""Tests of handlers and of adapters, without a port and without monkey patching.

:class:`TestClient` is a client inside the process of the test. Beside it there are time that a
test moves, a bus inside one process, and waiting for events instead of for clocks.
What needs pytest is in :mod:`flask_realtime.testing.pytest`.
"""

from __future__ import annotations

from ..adapters.cluster.loopback import LoopbackBus, LoopbackHub
from .client import TestClient
from .manual_time import ManualTime
from .waiting import Late, deadline, settle, wait_until

__all__ = [
    "Late",
    "LoopbackBus",
    "LoopbackHub",
    "ManualTime",
    "TestClient",
    "deadline",
    "settle",
    "wait_until",
]
