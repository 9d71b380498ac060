"""The Socket.IO server: namespaces by name, and the way from sessions to them.

Its methods are those of the Socket.IO documentation, "Server API"; most of them act on the main
namespace.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

import gevent
from gevent.event import Event

from ..adapters.base import Adapter, LocalSockets
from ..codec.parser import Parser
from ..engine.engine import Engine
from ..engine.requests.host import Environ, Host, NoHost, StartResponse
from ..engine.session import Receiver, Session
from ..engine.shutdown import GRACE, spread
from ..engine.state import Life
from ..loop import children
from ..loop.hub import HubThread
from ..loop.scheduler import Scheduler
from ..options import Options
from ..reasons import Reason
from .backends import Backends
from .broadcast import BroadcastOperator
from .client import Client
from .handlers import Runner
from .namespace import Namespace
from .namespace_core import NamespaceCore
from .namespaces import Namespaces
from .parent import Matcher, ParentNamespace
from .parser_option import parser_of
from .registrations import Registrations
from .server_methods import ServerMethods
from .tasks import Tasks
from .work import work_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .option_types import ServerOptions

__all__ = ["BaseServer"]

logger = logging.getLogger(__name__)

N = TypeVar("N", bound=Namespace)


class BaseServer(ServerMethods):
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
        self,
        *,
        host: Host | None = None,
        scheduler: Scheduler | None = None,
        **options: Unpack[ServerOptions],
    ) -> None:
        self._host: Host = host or NoHost()
        self._scheduler = scheduler
        self.hub: HubThread = HubThread(work_of)
        self.hub.before_takeover(self._check_adapters)
        self.runner: Runner = Runner(self.hub)
        self._tasks = Tasks(self.runner, self.hub)
        self.engine: Engine = self._settle(Engine())
        self._namespaces = Namespaces(self)
        self.backends: Backends = Backends(self._namespaces.sweep)
        self._started_in = 0  # the process
        #: Each joins one way into the server to the other workers of this host.
        self.joiners: list[Callable[[Any], Any]] = []
        # Sessions of engines that are not this server's.
        self._adopted: set[Session] = set()
        self.configure({**options})

    def configure(self, options: dict[str, Any]) -> None:
        """Build everything that depends on the options; before the first request only."""
        self.options: Options = Options.build(options)
        self.parser: Parser = parser_of(self.options)
        self.runner.threads.limit = self.options.max_threads
        self._deadlines = scheduler = self._scheduler or Scheduler()
        self.engine.configure(self.options, scheduler)
        self._start_deadline = scheduler.start
        self._joins = scheduler.queue(self.options.connect_timeout, Client.join_timed_out)
        self._clock = scheduler.clock
        new_adapters = self.backends.configure(self.options, scheduler)
        cleanup = self.options.cleanup_empty_child_namespaces
        self._namespaces.configure(self.parser, cleanup, new_adapters)

    @property
    def max_message_size(self) -> int:
        """The bytes of the largest message to clients: ``max_buffered_bytes``."""
        return self.options.max_buffered_bytes

    # The engine

    def bind(self, engine: Engine) -> None:
        """Use another engine than the one that the server has made.

        It gets the options of the server and becomes ``io.engine``; listeners and middlewares
        of the one before are left behind with it.

        Args:
            engine: A new :class:`~flask_realtime.engine.engine.Engine`, of a subclass usually.

        Raises:
            TypeError: It is not an engine.
            RuntimeError: A request has been answered already, or the engine is another's.
        """
        if not isinstance(engine, Engine):
            raise TypeError(f"bind() takes an Engine, not {type(engine).__name__}")
        if self.hub.is_bound:
            raise RuntimeError("bind() must be called before the first request")
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
            TypeError: It is not a session.
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
        return self._namespaces.main.face

    @property
    def namespaces(self) -> dict[str, Namespace]:
        """The namespaces by name; a copy, without parents, whose names no client can join."""
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
            ValueError: It is ``"*"``, which is not a pattern.
        """
        if isinstance(name, str):
            return self._namespaces.of(name)
        return self._namespaces.parent(name)

    def register(self, namespace: N) -> N:
        """Put a class-based namespace, or a class-based parent, to work, and return it.

        Raises:
            TypeError: It is not a namespace.
            ValueError: There is a namespace of that name, or a parent with that matcher.
        """
        return self._namespaces.register(namespace)

    def use_adapters(self, make_adapter: Callable[[LocalSockets], Adapter]) -> None:
        """Give every namespace another adapter; before the first session only.

        Listeners that applications have on the present ones are kept.

        Args:
            make_adapter: ``fn(namespace)``, such as a class of adapters.
        """
        self.backends.use_adapters(make_adapter)
        self._namespaces.renew_adapters()

    def start_adapter(self, adapter: Adapter) -> None:
        """Start a new adapter if this server has started."""
        if self._started_in == children.pid and not self.engine.is_closed:
            adapter.start()

    # What applications register

    def registrations(self) -> list[tuple[Namespace, Registrations]]:
        """Return what is registered at each namespace, parents included."""
        return self._namespaces.registrations()

    # Broadcasting

    @property
    def _home(self) -> NamespaceCore:
        return self._namespaces.main

    def _operator(self) -> BroadcastOperator:
        return BroadcastOperator(self._namespaces.main)

    # Life

    def start(self) -> None:
        """Listen to the other servers of the cluster, in this process.

        The first request does it, and so does ``run()``: a server that is made before a fork
        must not listen there. Calling it again is harmless.
        """
        if self._started_in != children.pid:
            self._started_in = children.pid
            logger.info("+ server at %s started", self.options.path)
            self._tasks.note_inherited()
            for namespace in self._namespaces.by_name().values():
                namespace.adapter.start()

    def handle(self, environ: Environ, start_response: StartResponse) -> Any:
        """Answer one request that belongs to the server; a WSGI application (PEP 3333).

        Args:
            environ: The WSGI environ.
            start_response: That of the host, or of a middleware.
        """
        return self.engine.handle(environ, start_response)

    def _check_adapters(self) -> None:
        for namespace in self._namespaces.by_name().values():
            if namespace.adapter.is_bound_to_thread:
                raise RuntimeError(
                    "the thread of this server has ended, and with it what connects it to the "
                    "other servers of the cluster: make a new server"
                )

    def close(self) -> None:
        """Refuse new clients, tell the present ones, and give back what adapters hold.

        Sockets get the reason ``server shutting down``; what is buffered is delivered first.
        New handshakes are answered with 503. It may be called from anywhere and does not
        block; calling it again is harmless.
        """
        self._inherit_hub()
        self.hub.run(self._close)

    def _inherit_hub(self) -> None:
        if self.hub.is_orphaned:
            # There is no other thread to close the server.
            self.hub.take_over()

    def _close(self) -> None:
        if not self.engine.enter(Life.CLOSING):
            return
        logger.info("- server at %s closed", self.options.path)
        self._namespaces.close()
        self.engine.close()
        for session in list(self._adopted):
            session.close(Reason.SERVER_SHUTTING_DOWN, code=1001)
        # Handlers of the end may still emit to the cluster.
        gevent.spawn_later(GRACE, self.close_adapters)

    def refuse(self) -> None:
        """Answer new handshakes with 503; present clients stay. Hosts call this and the next."""
        self.engine.enter(Life.DRAINING)

    def spread(self, seconds: float, hurry: Event) -> None:
        """Refuse handshakes and close the clients evenly over a time; block until then.

        Args:
            seconds: The time; 0 closes none, which :meth:`drain` does.
            hurry: Set to return early: the other clients are left to :meth:`drain`.
        """
        self.refuse()
        if seconds > 0:
            self._inherit_hub()
            sessions = [*self.engine.clients.values(), *self._adopted]
            logger.info("= %d clients are closed over %g s", len(sessions), seconds)
            self.hub.ask(spread, sessions, seconds, hurry, self._clock)

    def drain(self, grace: float) -> None:
        """Close, and block until clients have what was sent to them, at most ``grace`` seconds."""
        self._inherit_hub()
        self.hub.ask(self._close)
        self.engine.drain(grace)

    def end(self, timeout: float) -> None:
        """Block until handlers have returned, at most ``timeout`` seconds; close the adapters."""
        self.engine.wait_for_handlers(timeout)
        self.close_adapters()

    def close_adapters(self) -> None:
        """Give back what the adapters hold, connections to Redis for instance; once.

        Background tasks are stopped before. It may block for a bounded time.
        """
        if self.engine.enter(Life.CLOSED):
            self._tasks.stop()
            self.runner.threads.close()
            self._namespaces.close_adapters()

    def _stats(self) -> dict[str, float]:
        adapter = self.sockets.adapter.stats()
        found: dict[str, float] = {f"adapter_{name}": value for name, value in adapter.items()}
        return {"handler_errors": self.runner.errors, **found}

    # What the engine and the clients report

    def on_open(self, session: Session) -> Receiver:
        """Return what receives the messages of a new session."""
        client = Client(session, self, self.options.max_http_buffer_size)
        self._start_deadline(self._joins, client)
        if self.runner.observers:
            self.runner.observe("connected", client)
        client.begin()
        return client

    def admit(self, client: Client, name: str, auth: Any) -> None:
        """Let a client into a namespace or refuse it; may block.

        Args:
            client: Its connection.
            name: The name of the namespace.
            auth: What it has sent to be let in.
        """
        self._namespaces.admit(client, name, auth)

    def joined(self, client: Client) -> None:
        """Take note that a client has joined a namespace: it may stay."""
        self._joins.discard(client)

    def left(self, client: Client) -> None:
        """Take note that the session of a client is over."""
        self._joins.discard(client)
        self._adopted.discard(client.conn)
        if self.runner.observers:
            self.runner.observe("closed", client)

    def now(self) -> float:
        """Return the monotonic seconds of the deadlines."""
        return self._clock()
