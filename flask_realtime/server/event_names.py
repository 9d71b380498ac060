"""Checks of the names of events and namespaces, all in one place.

A function under a name that never comes would be a silent mistake: it is refused where it is
registered, or logged when a client sends the event.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ..codec.socket_packet import RESERVED_EVENTS
from ..functions import require_event
from ..quoting import named, quoted

if TYPE_CHECKING:
    from .namespace_core import NamespaceCore

__all__ = [
    "CONNECTION_EVENTS",
    "NOT_FOR_SERVERS",
    "check_event",
    "check_handler",
    "check_listener",
    "check_namespace",
    "check_own_handler",
    "check_server_event",
    "note_unhandled",
]

logger = logging.getLogger(__name__)

#: Names that mean "a client has connected", for the application.
CONNECTION_EVENTS: Final = frozenset({"connection", "connect"})
#: Names that belong to the server: other servers cannot send them.
NOT_FOR_SERVERS: Final = CONNECTION_EVENTS | {"new_namespace"}

_ANY = "socket.on_any(fn) sees every event of a client"
#: Why no client can send an event, or what to write instead.
_NEVER_FROM_CLIENTS: Final = {
    "connect_error": "it happens in clients that a middleware has refused",
    "newListener": "it is an event of Node's emitters",
    "removeListener": "it is an event of Node's emitters",
    "*": _ANY,
}
#: A socket accepts the others: the parser refuses them when a client sends them.
_NEVER_AT_SOCKETS: Final = {"*": _ANY}
_NEVER_FROM_SERVERS: Final = {
    **_NEVER_FROM_CLIENTS,
    "disconnect": 'use @io.event("disconnect") or socket.on("disconnect")',
    "disconnecting": 'use @io.event("disconnecting") or socket.on("disconnecting")',
}


def check_listener(event: Any) -> None:
    """Check the name of an event of a server or namespace: ``io.on``.

    Raises:
        TypeError: It is not text.
        ValueError: No other server, and nothing here, ever sends it.
    """
    require_event(event)
    _check(event, _NEVER_FROM_SERVERS)


def check_handler(event: Any) -> None:
    """Check the name of an event of all clients of a namespace: ``io.event``.

    Raises:
        TypeError: It is not text, nor a number.
        ValueError: No client can send it.
    """
    require_event(event, number=True)
    _check(event, _NEVER_FROM_CLIENTS)


def check_own_handler(event: Any) -> None:
    """Check the name of an event of one client: ``socket.on``.

    Raises:
        TypeError: It is not text, nor a number.
        ValueError: It is meant as every event.
    """
    # Nearly all handlers are registered for each client anew.
    if event.__class__ is not str or event in _NEVER_AT_SOCKETS:
        require_event(event, number=True)
        _check(event, _NEVER_AT_SOCKETS)


def _check(event: Any, never: dict[str, str]) -> None:
    if event in never:
        raise ValueError(f'a function for "{event}" is never called: {never[event]}')


def check_event(event: Any) -> None:
    """Check the name of an event that is sent to clients.

    Raises:
        TypeError: It is not a string.
        ValueError: It is reserved.
    """
    if event.__class__ is not str:
        require_event(event)
    if event in RESERVED_EVENTS:
        raise ValueError(f'"{event}" is a reserved event name')


def check_server_event(event: Any) -> None:
    """Check the name of an event that is sent to other servers.

    Raises:
        TypeError: It is not a string.
        ValueError: It belongs to the server.
    """
    require_event(event)
    if event in NOT_FOR_SERVERS:
        raise ValueError(f'"{event}" is a reserved event name')


def check_namespace(name: str) -> None:
    """Raise ``ValueError`` for a name of a namespace that is meant as a pattern."""
    if name in ("*", "/*"):
        raise ValueError(
            f'"{name}" is not a pattern: io.of(re.compile(...)) or io.of(fn) make one namespace '
            "for each name that matches"
        )


def note_unhandled(namespace: NamespaceCore, sid: str, event: Any) -> None:
    """Note an event of a client that has no handler.

    Args:
        namespace: Where it was sent. Where the application listens to other servers for an
            event of that name, it is warned once.
        sid: The id of the socket.
        event: The name, which the client chose.
    """
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("! socket %s sent %s, which has no handler", named(sid), quoted(event, 100))
    if event in namespace.warned_of or event in NOT_FOR_SERVERS:
        return
    if isinstance(event, str) and namespace.registrations.listeners.get(event):
        namespace.warned_of = (*namespace.warned_of, event)
        name = quoted(event)
        logger.warning(
            "! a client has sent %s, which has no handler: io.on(%s) listens to other servers, "
            "use @io.event(%s) or socket.on for events of clients",
            name,
            name,
            name,
        )
