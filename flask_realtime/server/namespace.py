"""A namespace: its sockets, its middlewares and the events of its application.

Applications get one from ``io.of("/name")``, or derive a class from :class:`Namespace` and
register it (Socket.IO documentation, "Namespaces").
"""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import gevent

from ..adapters.base import Adapter, RemoteState, ServerAck
from ..adapters.memory_log import SavedSession
from ..codec.message import Message
from ..codec.parser import Parser
from ..events import EventEmitter
from ..functions import require_event, require_function
from ..loop.hub import HubThread
from .admission import deny, refusal_of
from .broadcast import Broadcaster, BroadcastOperator, check_timeout
from .handlers import HandlerTable, Runner, describe
from .recovery import Recovery
from .remote_socket import RemoteSocket
from .server_side import (
    NOT_FOR_SERVERS,
    SERVER_TIMEOUT,
    ask_servers,
    call_listeners,
    for_servers,
)
from .socket import Socket

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Namespace", "NamespaceServer", "ServerAck", "with_slash"]

logger = logging.getLogger(__name__)

#: Names that mean "a client has connected", for the application.
CONNECTION_EVENTS = frozenset({"connection", "connect"})

M = TypeVar("M", bound=Callable[[Socket], Any])


def with_slash(name: str) -> str:
    """Return the name of a namespace: one without a slash in front gets it."""
    return name if name.startswith("/") else "/" + name


def _one_name(event: str) -> str:
    # One event with two names: its listeners keep their order.
    return "connection" if event in CONNECTION_EVENTS else event


class NamespaceServer(Protocol):
    """The server, as its namespaces see it."""

    @property
    def parser(self) -> Parser:
        """Encodes packets."""

    @property
    def hub(self) -> HubThread:
        """The thread that owns the sockets."""

    @property
    def runner(self) -> Runner:
        """Calls handlers."""

    def make_adapter(self, namespace: Namespace) -> Adapter:
        """Return the adapter of a new namespace."""

    def start_adapter(self, adapter: Adapter) -> None:
        """Let a new adapter listen to other servers, if this one does."""

    def make_recovery(self, adapter: Adapter) -> Recovery | None:
        """Return the connection state recovery of a namespace, if it is on."""


class Namespace(EventEmitter, Broadcaster):
    """The sockets under one name, and what happens to them.

    A class-based namespace derives from it: ``on_connection(self, socket)``,
    ``on_disconnect(self, socket, reason)`` and ``on_<event>(self, socket, *args)`` are its
    handlers; ``io.register(Chat("/chat"))`` puts it to work.

    Args:
        name: It begins with a slash; one is added when it does not.

    Raises:
        TypeError: It is not a string.

    Attributes:
        name: The name.
        registrations: How often the application has registered something here.
        sockets: The sockets of this server by id.
        adapter: Looks after rooms and carries broadcasts.
        recovery: Keeps the sockets of clients that may come back; ``None`` when that is off.
    """

    parser: Parser
    hub: HubThread
    runner: Runner
    adapter: Adapter
    recovery: Recovery | None

    def __init__(self, name: str) -> None:
        super().__init__()
        if not isinstance(name, str):
            raise TypeError(
                f"a namespace is named by a string, not {type(name).__name__}; "
                "a class for many names derives from ParentNamespace"
            )
        self.name = with_slash(name)
        self.registrations = 0
        self.sockets: dict[str, Socket] = {}
        self.handlers = HandlerTable()
        self.server: Any = None
        self._middlewares: list[Callable[[Socket], Any]] = []
        self._ack_ids = itertools.count()
        self._register_methods()

    def _register_methods(self) -> None:
        if type(self) is Namespace:
            return
        for name, method in inspect.getmembers(self, inspect.ismethod):
            if name.startswith("on_") and not hasattr(Namespace, name):
                self.event(name[3:], method)

    def bind(self, server: NamespaceServer) -> None:
        """Put the namespace to work on a server; called once.

        Raises:
            RuntimeError: It works on a server already.
        """
        if self.server is not None:
            raise RuntimeError(f"the namespace {self.name!r} is registered already")
        self.server = server
        self.parser = server.parser
        self.hub = server.hub
        self.runner = server.runner
        self.adapter = self._make_adapter(server)
        self.recovery = self._make_recovery(server)

    def _make_adapter(self, server: NamespaceServer) -> Adapter:
        return server.make_adapter(self)

    def _make_recovery(self, server: NamespaceServer) -> Recovery | None:
        return server.make_recovery(self.adapter)

    @property
    def is_used(self) -> bool:
        """Whether the application has registered anything here."""
        return bool(self._listeners or self._middlewares or self.sockets or self.handlers)

    # What applications register

    def _add(self, event: str, listener: Any, *, once: bool = False, first: bool = False) -> Any:
        require_event(event)
        self.registrations += listener is not None
        return super()._add(_one_name(event), listener, once=once, first=first)

    def off(self, event: str, listener: Callable[..., Any] | None = None) -> None:
        """Remove one listener of ``event``, or all of them when none is given."""
        super().off(_one_name(event), listener)

    def listeners(self, event: str) -> list[Callable[..., Any]]:
        """Return the listeners of ``event`` in the order in which they are called."""
        return super().listeners(_one_name(event))

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove every listener of ``event``, or of all events."""
        super().remove_all_listeners(None if event is None else _one_name(event))

    def use(self, middleware: M) -> M:
        """Add ``fn(socket)``, called in order for each client that wants to connect.

        It refuses the client by raising :exc:`~flask_realtime.ConnectError`.
        """
        require_function(middleware, "a middleware")
        self._middlewares.append(middleware)
        self.registrations += 1
        return middleware

    def event(
        self, name: str, function: Callable[..., Any], concurrent: bool = False
    ) -> Callable[..., Any]:
        """Register ``function(socket, *args)`` for an event of all sockets."""
        require_event(name, number=True)
        if name in CONNECTION_EVENTS:
            self.on("connection", function)
        else:
            handler = describe(function, concurrent=concurrent, with_socket=True)
            self.handlers.add(name, handler)
            self.registrations += 1
        return function

    def copy_registrations(self, other: Namespace) -> None:
        """Register at another namespace what is registered here."""
        for event, entries in self._listeners.items():
            for listener, once in entries:
                (other.once if once else other.on)(str(event), listener)
        for middleware in self._middlewares:
            other.use(middleware)
        self.handlers.copy_to(other.handlers)

    # Broadcasting

    def broadcast_operator(self) -> BroadcastOperator:
        """Return an operator for every socket of the namespace."""
        return BroadcastOperator(self)

    def server_side_emit(self, event: str, *args: Any, ack: ServerAck | None = None) -> None:
        """Send an event to the other servers of the cluster.

        Args:
            event: Its name.
            args: What JSON can carry.
            ack: ``fn(error, responses)`` is called with what the others answered within 5 s;
                with an empty list where there is no other server, and with
                :exc:`ClusterTimeout` when some did not answer.

        Raises:
            ValueError: The name belongs to the server, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
            RuntimeError: With ``ack``: this server listens to no other yet.
        """
        done = None if ack is None else self.callback(ack)
        values = for_servers(self, event, args)
        self.hub.run(self.adapter.server_side_emit, values, done, SERVER_TIMEOUT)

    def server_side_emit_with_ack(self, event: str, *args: Any, timeout: float = 5) -> list[Any]:
        """Send an event to the other servers and return what they answered.

        A server without a listener for the event does not answer, and neither does one whose
        first listener raises.

        Args:
            event: Its name.
            args: What JSON can carry.
            timeout: Seconds that they have.

        Raises:
            ClusterTimeout: Some did not answer; ``responses`` holds the others' answers.
            TypeError, ValueError: As for :meth:`server_side_emit`.
            RuntimeError: This server listens to no other yet.
        """
        timeout = check_timeout(timeout)
        return self.hub.ask(ask_servers, self.adapter, for_servers(self, event, args), timeout)

    # What the server and the sockets call

    def remote(self, state: RemoteState) -> RemoteSocket:
        """Return a socket of another server."""
        return RemoteSocket(self, state)

    def next_ack_id(self) -> int:
        """Return a new acknowledgement id."""
        return next(self._ack_ids)

    def callback(
        self, function: Callable[..., Any], socket: Socket | None = None
    ) -> Callable[..., None]:
        """Return a function that calls ``function`` in a greenlet of its own.

        Args:
            function: The callback of an acknowledgement.
            socket: Whose context it is called in; a broadcast has that of no client.

        Raises:
            TypeError: It cannot be called, or it is a coroutine function.
        """
        require_function(function, "an acknowledgement callback")
        event = "acknowledgement"

        def run(*args: Any) -> None:
            call = (self.runner.call, socket, event, function, *args)
            if socket is None:
                gevent.spawn(self.runner.apart, event, *call)
            else:
                gevent.spawn(self.runner.within, socket, event, *call)

        return run

    def give_up(self, pid: str) -> None:
        """The client with this private id has come back to another server; may block."""
        if self.recovery is not None:
            self.recovery.take_over(pid, None)

    def admit(self, client: Client, auth: Any) -> None:
        """Ask the middlewares, then let the client in or refuse it; may block."""
        # Clients of the protocol before this one have no private id to come back with.
        recovery = self.recovery if client.dialect.can_return else None
        session = None if recovery is None else recovery.find(auth, client.conn)
        if recovery is None or session is None:
            self._admit_new(client, auth, recovery)
        else:
            self._admit_again(client, auth, recovery, session)

    def _admit_new(self, client: Client, auth: Any, recovery: Recovery | None) -> None:
        sid = client.dialect.socket_id(client.conn.id, self.name, self.sockets)
        socket = Socket(sid, self, client, auth)
        if self._middlewares and not self._is_welcome(socket, client):
            return
        if not client.is_open:
            # It left while the middlewares were at work: it was never here.
            socket.turn_away()
            return
        if recovery is not None:
            socket.pid, socket.known_offset = recovery.new_identity()
        self._let_in(socket, client)

    def _admit_again(
        self, client: Client, auth: Any, recovery: Recovery, session: SavedSession
    ) -> None:
        socket = Socket(session.sid, self, client, auth)
        socket.restore(session)
        asked = self._middlewares and not recovery.skip_middlewares
        if asked and not self._is_welcome(socket, client):
            return
        missed = recovery.missed(session)
        if not client.is_open:
            # It may try once more.
            socket.turn_away()
            recovery.keep(session)
        elif missed is None:
            socket.turn_away()
            self._admit_new(client, auth, recovery)
        else:
            self._let_in(socket, client, session, missed)

    def _let_in(
        self,
        socket: Socket,
        client: Client,
        session: SavedSession | None = None,
        missed: Iterable[Message] = (),
    ) -> None:
        self.sockets[socket.id] = socket
        client.add(socket)
        socket.welcome(session, missed)
        logger.info("+ socket %s joined %s on %s", socket.id, self.name, client.conn.id[:6])
        handlers = self.take("connection")
        if handlers:
            self.runner.within(socket, "connection", self._greet, socket, handlers)

    def _greet(self, socket: Socket, handlers: list[Callable[..., Any]]) -> None:
        for handler in handlers:
            self.runner.call(socket, "connection", handler, socket)

    def _is_welcome(self, socket: Socket, client: Client) -> bool:
        refusal = refusal_of(socket, self._middlewares, self.runner)
        if refusal is None:
            return True
        socket.turn_away()
        if client.is_open:
            deny(socket, refusal, self.runner)
        return False

    def on_server_side_emit(
        self, args: list[Any], answer: Callable[[Any], None] | None = None
    ) -> None:
        """Another server has sent an event: its listeners run in greenlets of their own."""
        event, *rest = args
        if event not in NOT_FOR_SERVERS:
            call_listeners(self.runner, event, self.take(event), rest, answer)

    def forget(self, socket: Socket) -> None:
        """A socket has left."""
        self.sockets.pop(socket.id, None)

    def ended(self, socket: Socket) -> None:
        """A socket has left, and its last handlers have run."""

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"
