"""Handlers as Flask code: a request context of the handshake around each event.

A context that was left is entered again for the next event of the same socket, which costs a
quarter of a new one; teardown functions run each time, and ``g`` is new each time. Only public
names of Flask are used.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from flask import Flask
from flask.ctx import RequestContext

__all__ = ["APP_KEY", "handler_context"]

#: Where the middleware of an application leaves the application for its handlers.
APP_KEY = "flask_realtime.app"


class handler_context:
    """The context manager around the handlers of one event.

    Args:
        socket: The socket; its ``context`` keeps the contexts that are free.
    """

    __slots__ = ("_context", "_socket")

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def __enter__(self) -> None:
        free = self._socket.context
        if free:
            context = free.pop()
        else:
            # None is free: the first event, or one beside another that blocks.
            environ = self._socket.request
            app: Flask = environ[APP_KEY]
            context = app.request_context(environ)
        self._context: RequestContext = context
        context.push()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context = self._context
        context.pop(error)
        socket = self._socket
        if not socket.connected:
            socket.context = None
        elif socket.context is None:
            socket.context = [context]
        else:
            socket.context.append(context)
