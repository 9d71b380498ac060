"""The middlewares of a namespace: whether a client is let in, and what a refused one is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ConnectError
from ..quoting import named
from .handlers import CAUGHT, FAILED, Runner

if TYPE_CHECKING:
    from .socket import Socket

__all__ = ["deny", "refusal_of"]

logger = logging.getLogger(__name__)

_EVENT = "middleware"
_INTERNAL_ERROR = "Internal server error"

_FALSE = (
    "! a middleware returned False, which does not refuse the client: raise ConnectError to "
    "refuse it (socket %s)"
)

Middlewares = Iterable[Callable[[Any], Any]]


def refusal_of(socket: Socket, middlewares: Middlewares, runner: Runner) -> ConnectError | None:
    """Ask the middlewares in order; return the refusal of the first that refuses. May block.

    Args:
        socket: The client, in the namespace that it wants to join.
        middlewares: ``fn(socket)``; what they raise refuses.
        runner: Calls them in the context of the application.

    Returns:
        ``None`` when no middleware refuses. A context that fails refuses.
    """
    asked = runner.within(socket, _EVENT, _ask, socket, list(middlewares), runner)
    if asked is FAILED:
        return ConnectError(_INTERNAL_ERROR)
    refusal: ConnectError | None = asked
    return refusal


def _ask(
    socket: Socket, middlewares: list[Callable[[Any], Any]], runner: Runner
) -> ConnectError | None:
    for middleware in middlewares:
        try:
            if middleware(socket) is False:
                logger.error(_FALSE, named(socket.id))
        except ConnectError as error:
            return error
        except CAUGHT as error:
            # The client does not learn of a defect of the application.
            runner.report(error, socket, _EVENT)
            return ConnectError(_INTERNAL_ERROR)
    return None


def deny(socket: Socket, refusal: ConnectError, runner: Runner) -> None:
    """Send a refusal to the client of a socket."""
    try:
        socket.client.deny(socket.nsp.name, refusal)
    except CAUGHT as error:
        # Its data cannot be carried: the client is refused without it.
        runner.report(error, socket, _EVENT)
        socket.client.deny(socket.nsp.name, ConnectError(refusal.message))
