"""What this module needs of the server beyond its public interface, all of it in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..adapters.base import Adapter
from ..adapters.values import RemoteState, Target
from ..codec.socket_packet import Packet, PacketType
from ..server.handlers import HandlerTable
from ..server.namespace import Namespace
from ..server.namespace_core import NamespaceCore
from ..server.socket import Socket
from .answers import EachAnswer

__all__ = [
    "admit_early",
    "ask_each",
    "is_here",
    "remote_socket",
    "replace_adapter",
    "run_as_event",
    "set_handlers",
]


def set_handlers(namespace: Namespace, handlers: HandlerTable) -> None:
    """Let a namespace look its handlers up in a table, which gets those it has."""
    core = _core_of(namespace)
    core.handlers.copy_to(handlers)
    core.handlers = core.registrations.handlers = handlers


def admit_early(namespace: Namespace) -> None:
    """Let broadcasts reach clients whose middlewares have not decided yet.

    A refusal takes the socket out again.
    """
    _core_of(namespace).admits_early = True


def is_here(socket: Socket) -> bool:
    """Whether the connection of a client is still open."""
    return socket.client.is_open


def run_as_event(socket: Socket, event: str, function: Callable[..., Any], *args: Any) -> None:
    """Call a function in the context of a client; what it raises is logged."""
    runner = _core_of(socket.nsp).runner
    runner.within(socket, event, runner.call, socket, event, function, *args)


def remote_socket(namespace: Namespace, sid: str) -> Any:
    """Return a client that another server has."""
    (found,) = _core_of(namespace).sockets_of([RemoteState(sid, {}, [], {})])
    return found


def ask_each(
    namespace: Namespace,
    event: str,
    args: tuple[Any, ...],
    target: Target,
    callback: Callable[..., Any],
) -> None:
    """Send an event to clients of all servers; call back with all values of each answer."""
    core = _core_of(namespace)
    packet = Packet(PacketType.EVENT, namespace.name, (event, *args))
    if core.observers:
        core.observe_emit(packet.data, target)

    def ask() -> None:
        collector = EachAnswer(core.callback(callback))
        core.adapter.broadcast_with_ack(packet, target, collector)
        collector.start()

    core.hub.run(ask)


def replace_adapter(core: Any, adapter: Adapter) -> None:
    """Give the core of a namespace without clients another adapter, and let that listen."""
    core.adapter = adapter
    core.recovery = core.server.backends.recovery_of(adapter)
    adapter.start()


def _core_of(namespace: Namespace) -> NamespaceCore:
    core: Any = namespace.adapter.namespace
    found: NamespaceCore = core
    return found
