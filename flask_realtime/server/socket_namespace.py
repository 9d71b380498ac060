"""The namespace, as its sockets see it."""

from __future__ import annotations

from typing import Any, Protocol

from ..adapters.base import Adapter
from ..codec.parser import Parser
from ..loop.hub import HubThread
from .handlers import HandlerTable, Runner
from .recovery import Recovery

__all__ = ["SocketNamespace"]


class SocketNamespace(Protocol):
    """What a socket needs of it."""

    name: str
    adapter: Adapter
    parser: Parser
    hub: HubThread
    runner: Runner
    handlers: HandlerTable
    recovery: Recovery | None

    def forget(self, socket: Any) -> None:
        """The socket has left."""

    def ended(self, socket: Any) -> None:
        """The socket has left, and its last handlers have run."""
