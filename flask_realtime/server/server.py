"""The Socket.IO server: namespaces by name, and the way from sessions to them.

Its methods are those of the Socket.IO documentation, "Server API"; most of them speak of the
main namespace.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar, overload

import gevent

from ..adapters.base import Adapter, ServerAck
from ..adapters.memory import MemoryAdapter
from ..adapters.urls import adapter_factory
from ..codec.parser import DefaultParser, Parser
from ..engine.engine import Engine
from ..engine.requests.host import Environ, Host, NoHost, StartResponse
from ..engine.session import Receiver, Session
from ..engine.shutdown import GRACE
from ..functions import require_function
from ..loop.hub import HubThread
from ..loop.scheduler import Scheduler
from ..options import Options
from ..reasons import Reason
from .broadcast import Broadcaster, BroadcastOperator
from .client import Client
from .handlers import Runner
from .main_events import MainNamespaceEvents
from .namespace import Namespace
from .namespaces import Namespaces
from .parent import Matcher, ParentNamespace
from .recovery import Recovery

__all__ = ["BaseServer"]

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H", bound=Callable[[Exception, Any, str], Any])
N = TypeVar("N", bound=Namespace)


class BaseServer(Broadcaster, MainNamespaceEvents):
    """A Socket.IO server without the WSGI servers around it.

    Args:
        host: Finds the sockets below requests.
        scheduler: Runs the deadlines; tests bring their own clock.
        options: See :class:`~flask_realtime.options.Options`.

    Raises:
        TypeError: An option is unknown.
        ValueError: An option is out of range.
    """

    def __init__(
        self, *, host: Host | None = None, scheduler: Scheduler | None = None, **options: Any
    ) -> None:
        self._host: Host = host or NoHost()
        self._scheduler = scheduler
        self.hub = HubThread()
        self.runner = Runner()
        self.engine = self._settle(Engine())
        self._namespaces = Namespaces(self)
        self._make_adapter: Callable[[Any], Adapter] = MemoryAdapter
        self._started_in = 0  # the process
        # Sessions of engines that are not this server's.
        self._adopted: set[Session] = set()
        self.configure(options)

    def configure(self, options: dict[str, Any]) -> None:
        """Build everything that depends on the options; before the first request only."""
        self.options = Options.build(options)
        self.parser = self._make_parser()
        self._deadlines = scheduler = self._scheduler or Scheduler()
        self.engine.configure(self.options, scheduler)
        self._start_deadline = scheduler.start
        self._joins = scheduler.queue(self.options.connect_timeout, _join_timed_out)
        recovery = self.options.recovery
        wait = recovery.max_disconnection_duration if recovery is not None else 0.0
        self._sweeps = scheduler.queue(wait, self._sweep)
        self._clock = scheduler.clock
        make_adapter = adapter_factory(self.options.adapter)
        new_adapters, self._make_adapter = make_adapter is not self._make_adapter, make_adapter
        cleanup = self.options.cleanup_empty_child_namespaces
        self._namespaces.configure(self.parser, cleanup, new_adapters)

    def _make_parser(self) -> Parser:
        parser = self.options.parser
        if parser is None or parser is DefaultParser:
            return DefaultParser(self.options.json, self.options.max_attachments)
        made: Parser = parser() if isinstance(parser, type) else parser
        for name in ("encode", "decoder"):
            if not callable(getattr(made, name, None)):
                raise TypeError(f"a parser has encode() and decoder(), {parser!r} has not")
        return made

    # The engine

    def bind(self, engine: Engine) -> None:
        """Work with another engine than the one that the server has made.

        It gets the options of the server and becomes ``io.engine``; listeners and middlewares
        of the one before are left behind with it.

        Args:
            engine: A new :class:`~flask_realtime.engine.engine.Engine`, of a subclass usually.

        Raises:
            TypeError: It is no engine.
            RuntimeError: A request has been answered already, or the engine is another's.
        """
        if not isinstance(engine, Engine):
            raise TypeError(f"bind() takes an Engine, not {type(engine).__name__}")
        if self.hub.is_bound:
            raise RuntimeError("bind() comes before the first request")
        self.engine = self._settle(engine)
        engine.configure(self.options, self._deadlines)

    def _settle(self, engine: Engine) -> Engine:
        engine.bind(self, self._host, self.hub)
        engine.add_stats(self._stats)
        return engine

    def onconnection(self, session: Session) -> None:
        """Take over a session of an engine that is not the server's.

        Made for ``engine.on("connection", io.onconnection)``. The engine keeps its options and
        counters; :meth:`close` closes the session, not its engine.

        Raises:
            TypeError: It is no session.
            RuntimeError: A server has it already.
        """
        if not isinstance(session, Session):
            raise TypeError(f"onconnection() takes a session, not {type(session).__name__}")
        if session.is_taken:
            raise RuntimeError("this session belongs to a server already")
        self.hub.bind()
        self.start()
        if self.engine.is_closed:
            session.close(Reason.SERVER_SHUTTING_DOWN, code=1001)
        else:
            self._adopted.add(session)
            session.hand_to(self.on_open(session))

    # Namespaces

    @property
    def sockets(self) -> Namespace:
        """The main namespace, ``/``."""
        return self._namespaces.main

    @property
    def namespaces(self) -> dict[str, Namespace]:
        """The namespaces by name; a copy. Parents have no name that clients know: none is in it."""
        return self._namespaces.by_name()

    @overload
    def of(self, name: str) -> Namespace: ...
    @overload
    def of(self, name: Matcher) -> ParentNamespace: ...
    def of(self, name: str | Matcher) -> Namespace:
        """Return the namespace of that name, or the parent of all that match.

        Args:
            name: A string: a slash is put in front when it has none, and the namespace is made
                when there is none. A compiled pattern or ``fn(name, auth)``: see
                :class:`ParentNamespace`; the same one again returns the same parent.

        Raises:
            TypeError: It is none of these.
        """
        if isinstance(name, str):
            return self._namespaces.of(name)
        return self._namespaces.parent(name)

    def register(self, namespace: N) -> N:
        """Put a class-based namespace, or a class-based parent, to work.

        Raises:
            TypeError: It is not a namespace.
            ValueError: There is a namespace of that name, or a parent with that matcher.
        """
        return self._namespaces.register(namespace)

    def make_adapter(self, namespace: Namespace) -> Adapter:
        """Return the adapter of a new namespace."""
        return self._make_adapter(namespace)

    def use_adapters(self, make_adapter: Callable[[Namespace], Adapter]) -> None:
        """Give every namespace another adapter; before the first session only.

        What applications listen to on the ones before goes on.
        """
        self._make_adapter = make_adapter
        self._namespaces.renew_adapters()

    def start_adapter(self, adapter: Adapter) -> None:
        """Let a new adapter listen to other servers, if this one does."""
        if self._started_in == os.getpid() and not self.engine.is_closed:
            adapter.start()

    def make_recovery(self, adapter: Adapter) -> Recovery | None:
        """Return the connection state recovery of a namespace, if it is on."""
        options = self.options.recovery
        if options is None:
            adapter.disable_recovery()
            return None
        if not adapter.enable_recovery(options, self._clock):
            logger.warning("! %s cannot recover connections", type(adapter).__name__)
            return None
        return Recovery(adapter, options, self.options.max_buffered_bytes, self._keep_clean)

    def _keep_clean(self, recovery: Recovery) -> None:
        # Not put off by each client that comes.
        if recovery not in self._sweeps:
            self._start_deadline(self._sweeps, recovery)

    def _sweep(self, recovery: Recovery) -> None:
        recovery.sweep()
        self._namespaces.sweep()

    # What applications register

    @overload
    def event(self, name: F) -> F: ...
    @overload
    def event(
        self,
        name: str | None = None,
        *,
        namespace: str | Matcher = "/",
        concurrent: bool = False,
    ) -> Callable[[F], F]: ...
    def event(
        self, name: Any = None, *, namespace: str | Matcher = "/", concurrent: bool = False
    ) -> Any:
        """Register ``function(socket, *args)`` for an event of every socket; a decorator.

        Used bare, the function's name is the event: ``connection`` and ``disconnect`` work
        as well.

        Args:
            name: The event.
            namespace: The namespace whose sockets are meant; what :meth:`of` takes.
            concurrent: Give each call a greenlet of its own, out of order.
        """
        if name is not None and not isinstance(name, str):
            require_function(name, "a handler")
            return self.of(namespace).event(name.__name__, name, concurrent)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            event = name or function.__name__
            return self.of(namespace).event(event, function, concurrent)

        return decorate

    def on_error(self, function: H) -> H:
        """Call ``function(exception, socket, event)`` for what handlers raise; a decorator."""
        require_function(function, "an error handler")
        self.runner.on_error = function
        return function

    # Broadcasting

    def broadcast_operator(self) -> BroadcastOperator:
        """Return an operator for every socket of the main namespace."""
        return self.sockets.broadcast_operator()

    def server_side_emit(self, event: str, *args: Any, ack: ServerAck | None = None) -> None:
        """Send an event to the other servers. See :meth:`Namespace.server_side_emit`."""
        self.sockets.server_side_emit(event, *args, ack=ack)

    def server_side_emit_with_ack(self, event: str, *args: Any, timeout: float = 5) -> list[Any]:
        """Send an event to the other servers and return what they answered."""
        return self.sockets.server_side_emit_with_ack(event, *args, timeout=timeout)

    # Life

    def start(self) -> None:
        """Listen to the other servers of the cluster, in this process.

        The first request does it, and so does ``run()``: a server that is made before a fork
        must not listen there. Calling it again is harmless.
        """
        process = os.getpid()
        if self._started_in != process:
            self._started_in = process
            logger.info("+ server at %s started", self.options.path)
            for namespace in self._namespaces.by_name().values():
                namespace.adapter.start()

    def handle(self, environ: Environ, start_response: StartResponse) -> Any:
        """Answer one request that belongs to the server; a WSGI application."""
        return self.engine.handle(environ, start_response)

    def close(self) -> None:
        """Refuse new clients, tell the present ones, and give back what adapters hold.

        Sockets get the reason ``server shutting down``; what is buffered is delivered first.
        New handshakes are answered with 503. It may be called from anywhere and does not
        block; calling it again is harmless.
        """
        self.hub.run(self._close)

    def _close(self) -> None:
        if self.engine.is_closed:
            return
        logger.info("- server at %s closed", self.options.path)
        self._namespaces.close()
        self.engine.close()
        for session in list(self._adopted):
            session.close(Reason.SERVER_SHUTTING_DOWN, code=1001)
        # Handlers of the end may still have something to say to the cluster.
        gevent.spawn_later(GRACE, self.close_adapters)

    def close_adapters(self) -> None:
        """Give back what the adapters hold, connections to Redis for instance.

        :meth:`close` does it by itself when handlers have had their time; who ends the process
        before calls this last. It may block for a bounded time; calling it again is harmless.
        """
        self._namespaces.close_adapters()

    def _stats(self) -> dict[str, float]:
        adapter = self.sockets.adapter.stats()
        found: dict[str, float] = {f"adapter_{name}": value for name, value in adapter.items()}
        return {"handler_errors": self.runner.errors, **found}

    # What the engine and the clients report

    def on_open(self, session: Session) -> Receiver:
        """The engine has opened a session."""
        client = Client(session, self, self.options.max_http_buffer_size)
        self._start_deadline(self._joins, client)
        client.begin()
        return client

    def admit(self, client: Client, name: str, auth: Any) -> None:
        """Let a client into a namespace or refuse it; may block."""
        self._namespaces.admit(client, name, auth)

    def joined(self, client: Client) -> None:
        """The client has joined a namespace: it may stay."""
        self._joins.discard(client)

    def left(self, client: Client) -> None:
        """The client is gone."""
        self._joins.discard(client)
        self._adopted.discard(client.conn)


def _join_timed_out(client: Client) -> None:
    logger.debug("! session %s has joined no namespace in time", client.conn.id[:6])
    client.conn.close(Reason.FORCED_SERVER_CLOSE)
