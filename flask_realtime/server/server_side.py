"""Events between servers: what may be sent, waiting for the answers, calling listeners.

(Socket.IO documentation, "Server API", ``io.serverSideEmit``.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gevent

from ..adapters.base import Adapter
from ..codec.socket_packet import Packet, PacketType
from ..errors import ClusterTimeout
from .acks import Outcome
from .broadcast import snapshot
from .event_names import check_server_event
from .handlers import FAILED, Handler, Runner

if TYPE_CHECKING:
    from .namespace_core import NamespaceCore

__all__ = ["SERVER_TIMEOUT", "ask_servers", "call_listeners", "for_servers"]

#: Seconds that other servers have to answer.
SERVER_TIMEOUT = 5.0


def for_servers(namespace: NamespaceCore, event: Any, args: tuple[Any, ...]) -> list[Any]:
    """Return what is sent to other servers.

    Raises:
        TypeError: The name is not a string, or a value cannot be carried.
        ValueError: The name belongs to the server, or a value is NaN or infinite.
    """
    check_server_event(event)
    # What cannot be carried raises here, also where there is no other server.
    namespace.parser.encode(Packet(PacketType.EVENT, namespace.name, [event, *args]))
    return [event, *(snapshot(args) if namespace.hub.is_foreign else args)]


def ask_servers(adapter: Adapter, args: list[Any], timeout: float) -> list[Any]:
    """Send an event to the other servers and block until they have answered.

    Raises:
        ClusterTimeout: Some did not within ``timeout`` seconds.
    """
    outcome = Outcome()
    adapter.server_side_emit(args, outcome.done, timeout)
    try:
        # The adapter keeps the time; this limit is for one that fails to.
        return outcome.wait(timeout + 1)
    except ClusterTimeout as error:
        # A new error: its traceback is the caller's.
        raise ClusterTimeout(str(error), error.responses, error.missing, error.servers) from None
    except gevent.Timeout:
        raise ClusterTimeout(f"no answer within {timeout} s") from None


def call_listeners(
    runner: Runner,
    event: str,
    listeners: Iterable[Handler],
    args: list[Any],
    answer: Callable[[Any], None] | None,
) -> None:
    """Call the listeners of an event that another server has sent, each in a greenlet.

    Args:
        runner: Calls them.
        event: The name of the event.
        listeners: The first of them answers.
        args: Its arguments.
        answer: Takes what the listener returns, if the other server wants to know.
    """

    def call(listener: Callable[..., Any], reply: Callable[[Any], None] | None) -> None:
        result = runner.call(None, event, listener, *args)
        if reply is not None and result is not FAILED:
            reply(result)

    for number, listener in enumerate(listeners):
        gevent.spawn(runner.apart, event, call, listener.function, None if number else answer)
