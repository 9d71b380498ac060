"""What the options give each namespace: an adapter, and connection state recovery."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..adapters.base import Adapter, LocalSockets
from ..adapters.memory import MemoryAdapter
from ..adapters.urls import adapter_factory
from ..loop.scheduler import Scheduler
from ..options import Options
from .recovery import Recovery

__all__ = ["Backends"]

logger = logging.getLogger(__name__)


class Backends:
    """Makes the adapters and recoveries of a server, and has them swept.

    Args:
        after_sweep: Called when a recovery has dropped what was too old.
    """

    def __init__(self, after_sweep: Callable[[], None]) -> None:
        self._after_sweep = after_sweep
        self._make_adapter: Callable[[LocalSockets], Adapter] = MemoryAdapter

    def configure(self, options: Options, scheduler: Scheduler) -> bool:
        """Take the options; return whether present namespaces need new adapters."""
        self._options = options
        self._clock = scheduler.clock
        self._start_deadline = scheduler.start
        recovery = options.recovery
        wait = recovery.max_disconnection_duration if recovery is not None else 0.0
        self._sweeps = scheduler.queue(wait, self._sweep)
        before, self._make_adapter = self._make_adapter, adapter_factory(options.adapter)
        return before is not self._make_adapter

    def use_adapters(self, make_adapter: Callable[[LocalSockets], Adapter]) -> None:
        """Make other adapters from now on than those of the options."""
        self._make_adapter = make_adapter

    def adapter_of(self, namespace: LocalSockets) -> Adapter:
        """Return a new adapter for a namespace."""
        return self._make_adapter(namespace)

    def recovery_of(self, adapter: Adapter) -> Recovery | None:
        """Return the connection state recovery on top of an adapter, if it is on."""
        options = self._options.recovery
        if options is None:
            adapter.disable_recovery()
            return None
        if not adapter.enable_recovery(options, self._clock):
            logger.warning("! %s cannot recover connections", type(adapter).__name__)
            return None
        return Recovery(adapter, options, self._options.max_buffered_bytes, self._keep_clean)

    def end_recovery(self, recovery: Recovery) -> None:
        """Stop sweeping what a namespace kept that has been removed."""
        self._sweeps.discard(recovery)

    def _keep_clean(self, recovery: Recovery) -> None:
        # A deadline that runs is not put off by each client that comes.
        if recovery not in self._sweeps:
            self._start_deadline(self._sweeps, recovery)

    def _sweep(self, recovery: Recovery) -> None:
        recovery.sweep()
        self._after_sweep()
