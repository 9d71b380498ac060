"""Connection handlers, called in order after a client was let in.

Middlewares refuse clients; here it is too late for that (Socket.IO documentation, "Server API",
``io.on("connection")``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConnectError
from ..quoting import named, quoted
from .handlers import CAUGHT, Handler, Runner

if TYPE_CHECKING:
    from .socket import Socket

__all__ = ["greet"]

logger = logging.getLogger(__name__)

_EVENT = "connection"
#: What is raised to refuse a client, here and in other packages of the field.
_REFUSALS: Final = (ConnectError, ConnectionRefusedError)
_REFUSED = (
    "! a handler of %s refused a client that was in already, so it is disconnected; "
    "a middleware (io.use) refuses clients before they are let in (socket %s)"
)
_FALSE = (
    "! a handler of %s returned False, which does not refuse the client: raise ConnectError "
    "in a middleware (io.use) to refuse it (socket %s)"
)


def greet(socket: Socket, handlers: Sequence[Handler], runner: Runner) -> None:
    """Call the connection handlers of a socket in order; may block.

    One that raises :exc:`ConnectError`, or the builtin ``ConnectionRefusedError``, has the
    client disconnected, and those after it are not called.

    Args:
        socket: The client, which is in the namespace.
        handlers: The functions; those that are concurrent are started in their place, and not
            waited for. Each of these, and each in a thread, is an event of its own.
        runner: Reports what they raise.
    """
    for handler in handlers:
        call = (socket, _EVENT, _call, socket, handler.function, runner)
        if handler.concurrent and handler.thread:
            socket.conn.inbox.spawn(runner.threads.run, (runner.within, *call))
        elif handler.concurrent:
            socket.conn.inbox.spawn(runner.within, call)
        elif handler.thread:
            if not runner.threads.run(runner.within, *call):
                return
        elif not _call(socket, handler.function, runner):
            return


def _call(socket: Socket, handler: Callable[..., Any], runner: Runner) -> bool:
    """Call one handler; return whether the client may stay."""
    try:
        if handler(socket) is False:
            logger.error(_FALSE, quoted(_EVENT), named(socket.id))
    except _REFUSALS as error:
        runner.report(error, socket, _EVENT, _REFUSED)
        socket.disconnect()
        return False
    except CAUGHT as error:
        runner.report(error, socket, _EVENT)
    return True
