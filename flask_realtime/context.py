"""Handlers as Flask code: each event runs inside the request context of its handshake.

A connection has context variables of its own, whichever greenlets run its handlers, so its
contexts stay pushed: after each event teardown functions run, ``g`` is replaced and the request
object dropped. With Flask 3.1 that costs 4 µs per event, where pushing and popping costs 26 µs,
a new context 110 µs. Handlers that run at the same time have theirs pushed and popped. Only
public names of Flask are used.

Handlers' exceptions are caught, logged and passed to ``on_error`` inside the contexts.
:meth:`FlaskContext.failed` leaves the first of them with the event, for its teardown functions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any
from weakref import WeakSet

from flask import (
    Flask,
    Request,
    appcontext_tearing_down,
    has_app_context,
    request_tearing_down,
)
from flask.ctx import AppContext, RequestContext
from flask.globals import app_ctx, request_ctx
from flask.sessions import SessionMixin
from gevent import getcurrent
from werkzeug.datastructures import ImmutableMultiDict

from .engine.requests.trimmed import APP_KEY
from .loop.inbox import Inbox

__all__ = ["APP_KEY", "EventContext", "FlaskContext", "event_context"]

logger = logging.getLogger(__name__)

#: Attributes of a request that are parsed once for all events of a connection.
_PARSED = ("args", "cookies")
# Flask 3.1.3 has made a property of it.
_SESSION = "_session" if hasattr(RequestContext, "session") else "session"


class EventContext(RequestContext):
    """A request context for one event after another, each with its own request object.

    The object is made when an event first reads it: most events never do.
    """

    def __init__(
        self, app: Flask, environ: Any, request: Request | None = None, session: Any = None
    ) -> None:
        self._environ = environ
        self._made: Request | None = None
        # The attributes of a request that has just been made, once there was a second one.
        self._pristine: dict[str, Any] | None = None
        super().__init__(app, environ, request, session)

    def renew(self) -> None:
        """Drop what belongs to one event."""
        made, self._made, self.flashes = self._made, None, None
        pristine = self._pristine
        # A request that has parsed nothing has no more attributes than a new one.
        if made is not None and pristine is not None and len(made.__dict__) > len(pristine):
            for name in _PARSED:
                if name in made.__dict__ and name not in pristine:
                    self._parse(name, pristine)

    @property
    def itself(self) -> EventContext:
        """The context: a proxy passes it on."""
        return self

    def replace_session(self, session: SessionMixin) -> None:
        """Let ``session`` be another one, for this event and the next ones in this context."""
        setattr(self, _SESSION, session)

    def _parse(self, name: str, pristine: dict[str, Any]) -> None:
        # Not taken from the request of the event, whose handler may have put anything there.
        value = getattr(self.app.request_class(self._environ), name)
        if isinstance(value, ImmutableMultiDict):
            pristine[name] = value

    @property
    def request(self) -> Request:
        """The request object of this event."""
        made = self._made
        if made is None:
            pristine = self._pristine
            if pristine is None:
                made = self._make()
            else:
                # 0.3 µs, where reading the environ takes 1.5 µs.
                request_class = self.app.request_class
                made = request_class.__new__(request_class)
                made.__dict__ = pristine.copy()
            self._made = made
        return made

    @request.setter
    def request(self, request: Request) -> None:
        self._made = request

    def _make(self) -> Request:
        request_class = self.app.request_class
        made = request_class(self._environ)
        made.json_module = self.app.json
        # A class with a constructor of its own may give each request something of its own.
        if request_class.__init__ is Request.__init__:
            self._pristine = made.__dict__.copy()
        return made


class _Connection:
    """What the events of one connection share: the session, and popped contexts for reuse."""

    __slots__ = ("app", "environ", "free", "session")

    def __init__(self, environ: Any) -> None:
        self.environ = environ
        self.app = _app_of(environ)
        self.session: Any = None
        self.free: list[EventContext] = []

    def push(self) -> EventContext:
        """Push a request context; one that was popped can be pushed again."""
        try:
            context = self.free.pop()
        except IndexError:  # not looked up before: events in threads take them as well
            context = EventContext(self.app, self.environ, session=self.session)
        # Without its URL adapter the context does not match the path to a view, which handlers
        # do not need; the adapter is put back for ``url_for``.
        adapter = context.url_adapter
        context.url_adapter = None
        try:
            context.push()
        finally:
            context.url_adapter = adapter
        self.session = context.session
        return context

    def keep(self, context: EventContext) -> None:
        """Keep a context that was popped, to push it again."""
        context.renew()
        # One greenlet uses it at a time: the next one takes it out of the list.
        self.free.append(context)

    @staticmethod
    def release() -> None:
        """Pop the contexts that stay pushed; on the greenlet that runs the events."""
        FlaskContext.release()


def _app_of(environ: Any) -> Flask:
    app: Flask | None = environ.get(APP_KEY)
    if app is None:
        raise RuntimeError(
            "this connection did not come through the Flask application: mount an engine of your "
            "own behind Realtime(app)"
        )
    return app


def _connection(client: Any) -> _Connection:
    if client.context is None:
        client.context = _Connection(client.request)
    connection: _Connection = client.context
    return connection


class _PushedContexts:
    """The contexts that stay pushed for a connection, on the greenlets that run its events."""

    __slots__ = (
        "_app",
        "_app_context",
        "_request_context",
        "environ",
        "failure",
        "greenlet",
        "inbox",
        "is_busy",
    )

    def __init__(self, connection: _Connection, inbox: Inbox) -> None:
        self.environ = connection.environ
        self.inbox = inbox
        self.greenlet = getcurrent()
        self.is_busy = False
        #: The first exception of the event that is under way.
        self.failure: BaseException | None = None
        self._app = connection.app
        self._app_context = self._app.app_context()
        self._app_context.push()
        try:
            self._request_context = connection.push()
        except BaseException:
            self._app_context.pop()
            raise

    def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function as one event: teardown functions run after it."""
        self.is_busy = True
        self.greenlet = getcurrent()
        app = self._app
        try:
            return function(*args)
        except BaseException as error:
            self.failure = self.failure or error
            raise
        finally:
            try:
                # Most applications have nothing to tear down: the tests are cheaper than calls.
                if app.teardown_request_funcs or request_tearing_down.receivers:
                    app.do_teardown_request(self.failure)
            finally:
                try:
                    if app.teardown_appcontext_funcs or appcontext_tearing_down.receivers:
                        app.do_teardown_appcontext(self.failure)
                finally:
                    self._app_context.g = app.app_ctx_globals_class()
                    self._request_context.renew()
                    self.failure = None
                    self.is_busy = False

    def pop(self) -> None:
        """Pop the contexts; the connection is over."""
        for context in (self._request_context, self._app_context):
            try:
                context.pop(None)
            except Exception:
                logger.exception("! a teardown function failed")


class _Call:
    """An event whose contexts are popped when it is over."""

    __slots__ = ("failure", "greenlet", "is_busy")

    def __init__(self) -> None:
        self.greenlet = getcurrent()
        self.is_busy = True
        self.failure: BaseException | None = None

    def run(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        context: AppContext | RequestContext,
        below: AppContext | None = None,
    ) -> Any:
        """Call a function inside a context that is pushed, and pop that and the one below."""
        token = _call.set(self)
        try:
            return function(*args)
        except BaseException as error:
            self.failure = self.failure or error
            raise
        finally:
            _call.reset(token)
            self.is_busy = False
            try:
                context.pop(self.failure)
            finally:
                if below is not None:
                    below.pop(self.failure)


_pushed: ContextVar[_PushedContexts | None] = ContextVar("flask_realtime.pushed", default=None)
_call: ContextVar[_Call | None] = ContextVar("flask_realtime.call", default=None)


class FlaskContext:
    """Calls handlers inside the contexts of their application.

    Attributes:
        app: The application that was set up last, for events without a client.
    """

    def __init__(self) -> None:
        self.app: Flask | None = None
        self._apps: WeakSet[Flask] = WeakSet()

    def add(self, app: Flask) -> None:
        """Take note of an application that was set up."""
        self.app = app
        self._apps.add(app)

    def call(
        self, socket: Any, event: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        """Call ``function(*args)`` as one event of a socket, and return its result.

        See :class:`~.server.handlers.Context`.
        """
        client = socket.client
        conn = client.conn
        pushed = _pushed.get()
        if pushed is None and conn.inbox.is_running_here and client.is_open and conn.has_request:
            pushed = _PushedContexts(_connection(client), conn.inbox)
            _pushed.set(pushed)
        if (
            pushed is not None
            and not pushed.is_busy
            and pushed.environ is conn.environ
            and conn.inbox.runner is getcurrent()
        ):
            return pushed.call(function, args)
        if conn.has_request:
            return _call_within_pushed(_connection(client), client.is_open, function, args)
        if pushed is not None and not pushed.is_busy:
            self.release()
        return _call_within_app(_app_of(conn.environ), function, args)

    def call_apart(self, event: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call ``function(*args)`` in an application context, without a request."""
        if self.app is None:
            return function(*args)
        return _call_within_app(self.app, function, args)

    def for_task(self) -> Callable[[Callable[..., Any], tuple[Any, ...]], Any]:
        """Return ``call(function, args)`` in a context of the current app, or of the only one.

        See :class:`~.server.handlers.Context`.
        """
        here = app_ctx.app if has_app_context() else None
        found = [app for app in self._apps if app is here] or list(self._apps)
        if not found:
            raise RuntimeError("this Realtime has no Flask application yet: call init_app() first")
        if len(found) > 1:
            raise RuntimeError(
                "this Realtime has several Flask applications: start the task inside of "
                "app.app_context(), or in a handler"
            )
        return partial(_call_within_app, found[0])

    def failed(self, error: BaseException) -> None:
        """Keep the first exception of the event on this greenlet, for its teardown functions."""
        running = _call.get() or _pushed.get()
        # Greenlets that a handler has started have a copy of its context variables.
        if running is not None and running.greenlet is getcurrent() and running.is_busy:
            running.failure = running.failure or error

    @staticmethod
    def pushed() -> object:
        """Return the contexts that stay pushed here, for :meth:`release`."""
        return _pushed.get()

    @staticmethod
    def release(before: object = None) -> None:
        """Pop the contexts that stay pushed here, unless they are ``before``."""
        pushed = _pushed.get()
        if pushed is None or pushed is before:
            return
        if pushed.greenlet is getcurrent() or pushed.inbox.is_running_here:
            _pushed.set(None)
            pushed.pop()


def event_context() -> EventContext:
    """Return the context of the event whose handler runs here, and not a proxy of it.

    Raises:
        RuntimeError: No handler of a client's event runs here.
    """
    context: Any = request_ctx
    found: EventContext = context.itself
    return found


def _call_within_app(app: Flask, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    context = app.app_context()
    context.push()
    return _Call().run(function, args, context)


def _call_within_pushed(
    connection: _Connection, keep: bool, function: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    below: AppContext | None = None
    if has_app_context():
        # An event inside another: both would have one `g`, and be torn down as one.
        below = connection.app.app_context()
        below.push()
    try:
        context = connection.push()
    except BaseException as error:
        if below is not None:
            below.pop(error)
        raise
    try:
        return _Call().run(function, args, context, below)
    finally:
        if keep:
            connection.keep(context)
