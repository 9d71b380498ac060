"""Events of clients to the handlers of an application, as Flask-SocketIO's users expect it.

A namespace of the engine gets a table of handlers that looks every event up here, so that
catch-all handlers and handlers that are registered later are found. ``connect`` runs as a
middleware, so that it can refuse; its client is among the sockets of the namespace by then, so
that it gets what the handler broadcasts. ``disconnect`` runs before the rooms are left.

The engine has pushed the contexts of the event before anything here is called, and logs what
comes out of it.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Hashable, Iterable, MutableMapping
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from flask.sessions import SessionMixin

from ..context import EventContext, event_context
from ..errors import ConnectError
from ..extension import Realtime
from ..reasons import Reason as EngineReason
from ..server.handlers import Handler
from ..server.handlers import HandlerTable as EngineTable
from ..server.namespace import Namespace as EngineNamespace
from ..server.socket import Socket
from .exceptions import ConnectionRefusedError, refusal_of
from .reasons import reason_of
from .seam import admit_early, is_here, run_as_event, set_handlers
from .sessions import begin_managed, begin_unmanaged, save
from .table import ANY, Entry, Found, HandlerTable

__all__ = ["Dispatcher"]

ErrorHandler = Callable[[Exception], Any]

_REFUSALS = (ConnectionRefusedError, builtins.ConnectionRefusedError)
_UNBOUNDED = 1_000
_EVERY_NAME = re.compile("/.*", re.DOTALL)
#: What callbacks of acknowledgements are called in the log.
_ACK = "acknowledgement"
#: What handlers of the end get: the socket, the reason and its description.
_END_ARGS = 3


class Dispatcher:
    """Calls the handlers of one application.

    Attributes:
        table: The handlers.
        exception_handlers: What handles the exceptions of a namespace.
        default_exception_handler: What handles those of the others.
        manage_session: Whether a connection has a session of its own.
        async_handlers: Whether each event gets a greenlet of its own.
        always_connect: Whether clients are let in before ``connect`` is asked.
        namespaces: The namespaces of the engine that are served here, by name.
    """

    def __init__(self, table: HandlerTable) -> None:
        self.table = table
        self.exception_handlers: dict[str, ErrorHandler] = {}
        self.default_exception_handler: ErrorHandler | None = None
        self.manage_session = True
        self.async_handlers = True
        self.always_connect = False
        # Those whose names clients choose go when they are empty.
        self.namespaces: MutableMapping[str, EngineNamespace] = WeakValueDictionary()
        self._realtime: Realtime | None = None
        # Sockets that a connect handler has disconnected before they were let in.
        self._leaving: set[str] = set()

    def serve(self, realtime: Realtime, namespaces: Iterable[str]) -> None:
        """Handle the events of a server.

        Args:
            realtime: The server.
            namespaces: Those that are accepted without handlers; ``"*"`` for all.
        """
        self._realtime = realtime
        self.namespaces.clear()
        self._attach(realtime.sockets)
        realtime.on("new_namespace", self._attach)
        every = namespaces == ANY
        for name in (*self.table.namespaces(), *(() if every else namespaces)):
            self.accept(name)
        if every:
            realtime.of(_EVERY_NAME)

    def accept(self, namespace: str) -> None:
        """Let clients into a namespace."""
        if self._realtime is not None and namespace != ANY:
            self._realtime.of(namespace)

    def _attach(self, namespace: EngineNamespace) -> None:
        self.namespaces[namespace.name] = namespace
        set_handlers(namespace, _Lookup(self, namespace.name))
        namespace.on("connection", self._connected)
        if not self.always_connect:
            # Broadcasts of the handler, and of others meanwhile, are for this client as well.
            admit_early(namespace)
            namespace.use(self._ask)

    # Connecting

    def _ask(self, socket: Socket) -> None:
        is_let_in = False
        try:
            refusal = self._refusal(socket)
            if refusal is not None:
                raise refusal
            is_let_in = is_here(socket)
            if not is_let_in:
                # It was connected for its handler, which may have counted it.
                self.disconnect(socket, EngineReason.TRANSPORT_CLOSE)
        finally:
            if not is_let_in:
                self._leaving.discard(socket.id)

    def _refusal(self, socket: Socket) -> ConnectError | None:
        try:
            return refusal_of(self._connect(socket))
        except _REFUSALS as error:
            return refusal_of(error)

    def _connected(self, socket: Socket) -> None:
        if self.always_connect and self._refusal(socket) is not None:
            socket.disconnect()
        if socket.id in self._leaving:
            self._leaving.discard(socket.id)
            socket.disconnect()

    def _connect(self, socket: Socket) -> Any:
        found = self.table.find(socket.nsp.name, "connect")
        if found is None:
            return None
        auth = socket.handshake.auth or None
        return self._run(found, "connect", socket, (socket.request, auth))

    def leave(self, socket: Socket) -> None:
        """Disconnect a client from its namespace; one that is being asked, once it is in."""
        if socket.connected:
            socket.disconnect()
        else:
            self._leaving.add(socket.id)

    def disconnect(self, socket: Socket, reason: str) -> None:
        """Call the handler of the end."""
        found = self.table.find(socket.nsp.name, "disconnect")
        if found is not None:
            self._run(found, "disconnect", socket, (reason_of(reason),))

    # Events

    def on_event(self, found: Found, event: str, socket: Socket, *args: Any) -> Any:
        """Call the handler of an event; its result is the answer."""
        return self._run(found, event, socket, (event, *args) if found.is_catch_all else args)

    def _run(self, found: Found, event: str, socket: Socket, args: tuple[Any, ...]) -> Any:
        name = socket.nsp.name
        entry = found.entry
        if entry is not None:
            return self.call(entry, name, socket.id, args)
        assert found.namespace is not None
        _address(socket.id, name, event, args)
        return found.namespace.trigger_event(event, socket.id, *args)

    def call(self, entry: Entry, namespace: str, sid: str, args: tuple[Any, ...]) -> Any:
        """Call a function as the handler of an event of a client.

        Args:
            entry: The function.
            namespace: The namespace of the event.
            sid: The client.
            args: As ``request.event`` shows them; ``connect`` and ``disconnect`` are passed on
                what they take.

        Returns:
            Its result, or that of an error handler.
        """
        context = _address(sid, namespace, entry.message, args)
        session: SessionMixin | None = None
        if self.manage_session:
            begin_managed(context)
        else:
            session = begin_unmanaged(context)
        try:
            if entry.message == "connect":
                result = _call_with_as_many(entry, args[1:])
            elif entry.message == "disconnect":
                result = _call_with_as_many(entry, args)
            else:
                result = entry.function(*args)
        except _REFUSALS:
            raise
        except Exception as error:
            handler = self.exception_handlers.get(namespace, self.default_exception_handler)
            if handler is None:
                raise
            return handler(error)
        if session is not None:
            save(context, session)
        return result

    def as_event(
        self, function: Callable[..., Any], namespace: str, sid: str
    ) -> Callable[..., None]:
        """Return a function that runs another as an event of a client, while it is here."""
        entry = Entry(function, None, _UNBOUNDED)

        def run(*args: Any) -> None:
            place = self.namespaces.get(namespace)
            socket = None if place is None else place.sockets.get(sid)
            if socket is not None:
                run_as_event(socket, _ACK, self.call, entry, namespace, sid, args)

        return run


def _address(sid: str, namespace: str, message: str | None, args: tuple[Any, ...]) -> EventContext:
    context = event_context()
    request: Any = context.request
    request.sid = sid
    request.namespace = namespace
    request.event = {"message": message, "args": args}
    return context


def _call_with_as_many(entry: Entry, args: tuple[Any, ...]) -> Any:
    """Call a handler whose last argument may be missing."""
    try:
        return entry.function(*args[: entry.max_args])
    except TypeError as error:
        # A decorator may add arguments of its own, and applications have come to rely on being
        # called once more.
        try:
            return entry.function(*args[:-1])
        except TypeError:
            raise error from None


class _Lookup(EngineTable):
    """The table of a namespace of the engine: each event is looked up when it comes."""

    __slots__ = ("_dispatcher", "_known", "_namespace", "_native", "_state")

    def __init__(self, dispatcher: Dispatcher, namespace: str) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._namespace = namespace
        self.has_apart = True
        # What is registered with the engine itself.
        self._native = EngineTable()
        # Handlers of names that the application has chosen; a client's are without a bound.
        self._known: dict[Any, tuple[Handler, ...]] = {}
        self._state = (0, True)

    def __bool__(self) -> bool:
        return True

    def add(self, event: Hashable, entry: Handler, first: bool = False) -> None:
        self._native.add(event, entry, first)
        self._known.clear()

    def remove(self, event: Hashable, function: Callable[..., Any] | None = None) -> None:
        self._native.remove(event, function)
        self._known.clear()

    def items(self) -> Any:
        """Return what is registered with the engine itself."""
        return self._native.items()

    def get(self, event: Any, default: Any = ()) -> Any:
        dispatcher = self._dispatcher
        state = (dispatcher.table.changes, dispatcher.async_handlers)
        if state != self._state:
            self._known.clear()
            self._state = state
        known = self._known.get(event)
        if known is None:
            # What was registered with the engine itself comes first.
            known = (*self._native.get(event, ()), *self._look_up(dispatcher, event))
            if event in dispatcher.table.names(self._namespace):
                self._known[event] = known
        return known

    def __contains__(self, event: Any) -> bool:
        """Whether a function was registered for this very name."""
        if event in self._native:
            return True
        found = self._dispatcher.table.find(self._namespace, event)
        if found is None or found.is_catch_all:
            return False
        return found.entry is not None or hasattr(found.namespace, f"on_{event}")

    def _look_up(self, dispatcher: Dispatcher, event: Any) -> tuple[Handler, ...]:
        if event == "disconnecting":
            end = partial(_end, dispatcher)
            return (Handler(end, _END_ARGS, False, with_socket=True),)
        if event == "disconnect":
            return ()
        found = dispatcher.table.find(self._namespace, event)
        if found is None:
            return ()
        function = partial(dispatcher.on_event, found, event)
        apart = dispatcher.async_handlers
        return (Handler(function, _UNBOUNDED, False, False, apart, True),)


def _end(dispatcher: Dispatcher, socket: Socket, reason: str, description: object) -> None:
    dispatcher.disconnect(socket, reason)
