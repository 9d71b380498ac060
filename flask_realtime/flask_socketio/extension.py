"""The extension: Flask-SocketIO's interface on the engine of this package."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, overload

import flask
import gevent
from flask import Flask

from ..extension import Realtime
from ..functions import require_function
from .dispatch import Dispatcher
from .namespace import Namespace
from .notes import Notes
from .options import settings_of
from .outgoing import Outgoing
from .reasons import Reason
from .running import run
from .server_view import ServerView
from .table import ANY, Entry, HandlerTable

__all__ = ["SocketIO"]

Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)

_CALL_TIMEOUT = 60.0


class SocketIO:
    """A Socket.IO server for a Flask application, with the interface of Flask-SocketIO.

    Args:
        app: The application; left out, :meth:`init_app` follows. With ``message_queue`` and
            without an application the object only emits.
        options: Those of Flask-SocketIO, and those of :class:`flask_realtime.Server`.
            ``docs/flask-socketio.md`` has what differs.

    Attributes:
        server: What python-socketio calls the server; ``None`` before there is one.
        server_options: The options as they were given.
        manage_session: Whether each connection has a session of its own.
        async_mode: ``"gevent"``.
        reason: The texts that ``disconnect`` handlers get.
    """

    reason = Reason
    async_mode = "gevent"

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        self.server: ServerView | None = None
        self.server_options: dict[str, Any] = {}
        self.wsgi_server: Realtime | None = None
        self._table = HandlerTable()
        self.dispatcher: Dispatcher = Dispatcher(self._table)
        self._outgoing: Outgoing | None = None
        self._notes = Notes()
        if app is not None or "message_queue" in options:
            self.init_app(app, **options)
        else:
            self.server_options.update(options)

    def init_app(self, app: Flask | None, **options: Any) -> None:
        """Put the server in front of an application; ``None`` for a process that only emits.

        Args:
            app: The application; doing it again gives it a new server.
            options: As for the constructor, whose options they are added to.
        """
        given = {**self.server_options, **options}
        self.manage_session = given.pop("manage_session", self.manage_session)
        settings = settings_of(given, app)
        if settings.queue is not None:
            given["client_manager"] = settings.queue
        self.server_options = given
        dispatcher = self.dispatcher
        dispatcher.async_handlers = settings.async_handlers
        dispatcher.always_connect = settings.always_connect
        self._outgoing = Outgoing(dispatcher.namespaces, settings.queue)
        if app is None:
            return
        self.wsgi_server = realtime = Realtime(**settings.engine)
        self.server = ServerView(self, realtime, self._outgoing, dispatcher)
        dispatcher.serve(realtime, settings.namespaces)
        app.extensions["socketio"] = self
        app.extensions.pop("realtime", None)
        realtime.init_app(app)

    @property
    def realtime(self) -> Realtime:
        """The native server, for what moves there first; handlers of both may share an event.

        Raises:
            RuntimeError: There is no application yet.
        """
        if self.wsgi_server is None:
            raise RuntimeError("this SocketIO has no application yet: call init_app() first")
        return self.wsgi_server

    # Handlers

    @property
    def manage_session(self) -> bool:
        """Whether each connection has a session of its own; False shares it with requests."""
        return self.dispatcher.manage_session

    @manage_session.setter
    def manage_session(self, value: bool) -> None:
        self.dispatcher.manage_session = value

    @property
    def exception_handlers(self) -> dict[str, Callable[[Exception], Any]]:
        """What handles the exceptions of each namespace."""
        return self.dispatcher.exception_handlers

    @property
    def default_exception_handler(self) -> Callable[[Exception], Any] | None:
        """What handles the exceptions of all other namespaces."""
        return self.dispatcher.default_exception_handler

    @property
    def handlers(self) -> list[tuple[str, Handler, str]]:
        """The registered functions: event, function and namespace."""
        found = self._table.entries()
        return [(str(entry.message), entry.function, namespace) for namespace, entry in found]

    @property
    def namespace_handlers(self) -> list[Namespace]:
        """The class-based namespaces."""
        return self._table.classes()

    def on(self, message: str, namespace: str | None = None) -> Callable[[F], F]:
        """Register the handler of an event; a decorator.

        Args:
            message: The event; ``connect``, ``disconnect``, ``message`` and ``json`` are known,
                ``*`` is every event that has no handler.
            namespace: Its namespace, ``/`` by default; ``*`` is every one.
        """
        if not isinstance(message, str):
            raise TypeError(f"on() takes the name of an event, not {type(message).__name__}")
        name = _slash(namespace)

        def decorate(handler: F) -> F:
            self._table.add(name, message, handler)
            self.dispatcher.accept(name)
            return handler

        return decorate

    def on_event(self, message: str, handler: Handler, namespace: str | None = None) -> None:
        """Register the handler of an event, without a decorator; see :meth:`on`."""
        self.on(message, namespace)(handler)

    @overload
    def event(self, function: F, /) -> F: ...
    @overload
    def event(self, namespace: str | None = None, /) -> Callable[[F], F]: ...
    @overload
    def event(self, *, namespace: str | None = None) -> Callable[[F], F]: ...
    def event(self, *args: Any, **keywords: Any) -> Any:
        """Register a function for the event of its name, with brackets or not; see :meth:`on`."""
        if len(args) == 1 and not keywords and callable(args[0]):
            return self.on(args[0].__name__)(args[0])
        return lambda handler: self.on(handler.__name__, *args, **keywords)(handler)

    def on_namespace(self, namespace_handler: Namespace) -> None:
        """Register a class-based namespace.

        Args:
            namespace_handler: An instance of a class of :class:`Namespace`.

        Raises:
            ValueError: It is something else.
        """
        if not isinstance(namespace_handler, Namespace):
            raise ValueError(f"on_namespace() takes a Namespace, not {namespace_handler!r}")
        namespace_handler.socketio = self
        self._table.add_class(namespace_handler)
        self.dispatcher.accept(namespace_handler.namespace)

    def on_error(self, namespace: str | None = None) -> Callable[[F], F]:
        """Register what handles the exceptions of a namespace; a decorator.

        What it returns answers the client; what it raises is logged.
        """

        def decorate(handler: F) -> F:
            require_function(handler, "an error handler")
            self.dispatcher.exception_handlers[_slash(namespace)] = handler
            return handler

        return decorate

    def on_error_default(self, exception_handler: F) -> F:
        """Register what handles the exceptions of all other namespaces; a decorator.

        Args:
            exception_handler: ``fn(exception)``; what it returns answers the client.
        """
        require_function(exception_handler, "an error handler")
        self.dispatcher.default_exception_handler = exception_handler
        return exception_handler

    def call_handler(self, entry: Entry, sid: str, args: tuple[Any, ...]) -> Any:
        """Call a method of a class-based namespace for the event that is being handled.

        Args:
            entry: The method.
            sid: The id of the client.
            args: What the client has sent.
        """
        request: Any = flask.request
        return self.dispatcher.call(entry, request.namespace, sid, args)

    # Emitting

    @property
    def outgoing(self) -> Outgoing:
        """What reaches the clients.

        Raises:
            RuntimeError: There is no application yet, and no message queue.
        """
        if self._outgoing is None:
            raise RuntimeError("this SocketIO has no application yet: call init_app() first")
        return self._outgoing

    def emit(
        self,
        event: str,
        data: Any = None,
        *,
        namespace: str | None = "/",
        to: Any = None,
        room: Any = None,
        include_self: bool = True,
        skip_sid: Any = None,
        callback: Handler | None = None,
        ignore_queue: bool = False,
        **keywords: Any,
    ) -> None:
        """Send an event to all clients of a namespace, or to some.

        Args:
            event: Its name.
            data: What JSON can carry, and bytes; a tuple is several arguments.
            namespace: The namespace, ``/`` by default.
            to: A room or the id of a client, or a list of them.
            room: The same.
            include_self: Whether the sender gets it as well.
            skip_sid: The id of a client, or a list of them, that does not get it.
            callback: Called with the values of each client that acknowledges it.
            ignore_queue: Whether only clients of this server are meant.
            keywords: Accepted, and named in the log.
        """
        keywords.pop("broadcast", None)
        self._notes.once("emit()", keywords)
        if not include_self and not skip_sid:
            request: Any = flask.request
            skip_sid = request.sid
        if callback is not None:
            callback = self._in_sender_context(callback)
        where = _slash(namespace)
        target = room if to is None else to
        self.outgoing.emit(event, data, where, target, skip_sid or None, callback, ignore_queue)

    def _in_sender_context(self, callback: Handler) -> Handler:
        """Let a callback run as an event of the client whose handler has asked for it."""
        request: Any = flask.request
        sid = getattr(request, "sid", None) if flask.has_request_context() else None
        if sid is None:
            return callback
        return self.dispatcher.as_event(callback, request.namespace, sid)

    def send(
        self, data: Any, json: bool = False, namespace: str | None = None, **keywords: Any
    ) -> None:
        """Send a ``message`` event, or a ``json`` one; keywords as for :meth:`emit`."""
        self.emit("json" if json else "message", data, namespace=namespace, **keywords)

    def call(
        self,
        event: str,
        data: Any = None,
        *,
        namespace: str | None = "/",
        to: Any = None,
        room: Any = None,
        timeout: float = _CALL_TIMEOUT,
        ignore_queue: bool = False,
        **keywords: Any,
    ) -> Any:
        """Send an event to one client and return its answer.

        Args:
            event: Its name.
            data: As for :meth:`emit`.
            namespace: The namespace.
            to: The id of the client.
            room: The same.
            timeout: Seconds that it has.
            ignore_queue: Whether it is on this server.
            keywords: Accepted, and named in the log.

        Raises:
            TimeoutError: There is no answer, or the client is gone.
        """
        self._notes.once("call()", keywords)
        target = room if to is None else to
        return self.outgoing.call(event, data, _slash(namespace), target, timeout, ignore_queue)

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take all clients out of a room.

        Args:
            room: The room.
            namespace: Its namespace, ``/`` by default.
        """
        self.outgoing.close_room(room, _slash(namespace))

    # Running

    def run(
        self, app: Flask, host: str | None = None, port: int | str | None = None, **keywords: Any
    ) -> None:
        """Serve an application until it is stopped.

        Args:
            app: The application.
            host: The address to listen on, 127.0.0.1 by default.
            port: The port; that of ``SERVER_NAME``, or 5000.
            keywords: ``debug``, ``use_reloader``, ``reloader_options``, ``extra_files``,
                ``log_output``, and those of :meth:`flask_realtime.Realtime.run`.
        """
        if app.extensions.get("socketio") is not self:
            self.init_app(app)
        run(self.realtime, app, host, port, keywords)

    def stop(self) -> None:
        """End :meth:`run`."""
        if self.wsgi_server is not None:
            self.wsgi_server.stop()

    def start_background_task(self, target: Handler, *args: Any, **keywords: Any) -> Any:
        """Start a function beside the handlers.

        Args:
            target: The function.
            args: Its arguments.
            keywords: Its keywords.

        Returns:
            The task, which has ``join()``. It runs in an app context; one that is started in a
            handler keeps its ``request`` as well, and can emit to its client.
        """
        if self.wsgi_server is None and self._outgoing is not None:
            task = threading.Thread(target=target, args=args, kwargs=keywords, daemon=True)
            task.start()
            return task
        if flask.has_request_context() and hasattr(flask.request, "sid"):
            target = flask.copy_current_request_context(target)
        if self.wsgi_server is None:
            return gevent.spawn(target, *args, **keywords)
        return self.wsgi_server.start_background_task(target, *args, **keywords)

    def sleep(self, seconds: float = 0) -> None:
        """Wait, and let others run.

        Args:
            seconds: For how long.
        """
        gevent.sleep(seconds)

    def test_client(self, app: Flask, *args: Any, **keywords: Any) -> Any:
        """Return a client inside this process; see :class:`SocketIOTestClient`."""
        from .test_client import SocketIOTestClient

        return SocketIOTestClient(app, self, *args, **keywords)


def _slash(namespace: str | None) -> str:
    name = namespace or "/"
    return name if name.startswith("/") or name == ANY else "/" + name
