"""Names of events: which can come from clients and which from other servers.

A function under a name that never comes would be a silent mistake: it is refused where it is
registered, or noted when a client sends the event.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

from ..functions import require_event
from ..quoting import named, quoted

__all__ = [
    "NOT_FOR_SERVERS",
    "check_handler",
    "check_listener",
    "check_namespace",
    "check_own_handler",
    "note_unhandled",
]

logger = logging.getLogger(__name__)

#: Names that belong to the server: other servers cannot send them.
NOT_FOR_SERVERS: Final = frozenset({"connection", "connect", "new_namespace"})

_ANY = "socket.on_any(fn) sees every event of a client"
#: Why no client can send an event, or what to write instead.
_NEVER_FROM_CLIENTS: Final = {
    "connect_error": "it happens in clients that a middleware has refused",
    "newListener": "it is an event of Node's emitters",
    "removeListener": "it is an event of Node's emitters",
    "*": _ANY,
}
#: A socket takes the others: that no client sends them is the parser's to see to.
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
    require_event(event, number=True)
    _check(event, _NEVER_AT_SOCKETS)


def _check(event: Any, never: dict[str, str]) -> None:
    if event in never:
        raise ValueError(f'a function for "{event}" is never called: {never[event]}')


def check_namespace(name: str) -> None:
    """Raise ``ValueError`` for a name of a namespace that is meant as a pattern."""
    if name in ("*", "/*"):
        raise ValueError(
            f'"{name}" is not a pattern: io.of(re.compile(...)) or io.of(fn) make one namespace '
            "for each name that matches"
        )


class NotingNamespace(Protocol):
    """A namespace, as far as unknown events are concerned."""

    #: The events that the application has been warned of.
    warned_of: tuple[str, ...]

    def listeners(self, event: str) -> list[Any]:
        """Return the listeners of an event of other servers."""


def note_unhandled(namespace: NotingNamespace, sid: str, event: Any) -> None:
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
    if isinstance(event, str) and namespace.listeners(event):
        namespace.warned_of = (*namespace.warned_of, event)
        name = quoted(event)
        logger.warning(
            "! a client has sent %s, which has no handler: io.on(%s) listens to other servers, "
            "use @io.event(%s) or socket.on for events of clients",
            name,
            name,
            name,
        )
