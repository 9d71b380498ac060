"""The Engine.IO server as applications see it: ``io.engine``.

This public face exists at once, so that listeners, middlewares and ``generate_id`` can be set
before the options are known; what depends on the options is built with the first request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as HTTPResponse

from ..events import EventEmitter
from ..functions import require_function
from ..loop.hub import HubThread
from ..loop.scheduler import Scheduler
from ..options import Options
from ..reasons import Reason
from ..transitions import check_move
from .receiver import Receiver
from .requests.cors import CorsPolicy
from .requests.host import Environ, Host, NoHost, StartResponse
from .requests.opening import random_id
from .requests.refused import RefusedRequest
from .requests.request import REQUEST_KEY, Request
from .requests.router import Router
from .session import Session
from .sessions import Sessions
from .state import LIFE_MOVES, Life
from .traffic import Source, Traffic, collect

__all__ = ["Engine", "EngineHandler", "RefusedRequest", "random_id"]

_SERVING = Life.SERVING  # a global is quicker than a member of an enumeration (Python 3.11)

EngineMiddleware = Callable[[Environ], HTTPResponse | None]


class EngineHandler(Protocol):
    """The layer above, as the engine sees it."""

    def on_open(self, session: Session) -> Receiver:
        """Return the receiver of the messages of a session that has been opened."""


class Engine(EventEmitter):
    """Sessions and the requests that belong to them.

    Events: ``connection(session)``, ``initial_headers(headers, environ)``,
    ``headers(headers, environ)``, ``connection_error(error)``, ``flush(session, messages)`` and
    ``drain(session)``. The last two come from sessions that open while they have a listener.

    It is an Engine.IO server by itself, :meth:`handle` is its WSGI application: sessions then
    have their events alone. ``io.bind()`` puts an engine to work, a subclass usually, which may
    have a :meth:`handle` of its own.

    Attributes:
        generate_id: ``fn(environ)`` makes session ids; override it or assign another function.
        life: Where the engine is in its life.
        middlewares: The functions of :meth:`use`, in order.
    """

    generate_id: Callable[[Mapping[str, Any]], str] = staticmethod(random_id)

    def __init__(self) -> None:
        super().__init__()
        self.life: Life = Life.NEW
        self.middlewares: list[EngineMiddleware] = []
        self._handler: EngineHandler | None = None
        self._host: Host = NoHost()
        self._hub = HubThread()
        self._hub.on_takeover(self._abandon)
        self._options: Options | None = None
        self._cors: CorsPolicy | None = None
        self._scheduler: Scheduler | None = None
        self._by_id: dict[str, Session] = {}
        self._traffic = Traffic()
        self._sources: list[Source] = []
        self._sessions: Sessions | None = None
        # Built with the first request.
        self._router: Router | None = None

    def bind(
        self,
        handler: EngineHandler | None = None,
        host: Host | None = None,
        hub: HubThread | None = None,
    ) -> None:
        """Put the engine into its surroundings; once, and before its first request.

        Args:
            handler: Makes the receivers of new sessions; ``io.bind()`` makes that a server.
            host: Finds the sockets below requests; without one there is no WebSocket.
            hub: The thread that owns the sessions.

        Raises:
            RuntimeError: The engine has a server, or has seen a request.
        """
        if self._handler is not None or self._hub.is_bound:
            raise RuntimeError("this engine is in use already")
        self._handler = handler
        self._host = host or self._host
        if hub is not None:
            self._hub = hub
            hub.on_takeover(self._abandon)

    def configure(self, options: Options, scheduler: Scheduler | None = None) -> None:
        """Set the options; before the first request only.

        Args:
            options: The options of the server.
            scheduler: Runs the deadlines; left out, the engine makes one.

        Raises:
            RuntimeError: The engine has seen a request.
            TypeError: The ``cors`` option has an unknown key, or a value of the wrong type.
            ValueError: The ``cors`` option cannot be served.
        """
        if self._router is not None:
            raise RuntimeError("the options are set before the first request")
        self._cors = None if options.cors is None else CorsPolicy(options.cors)
        self._options = options
        self._scheduler = scheduler = scheduler or Scheduler()
        # Before the deadlines of the layer above: of two that fall due at the same time, a ping
        # without its pong is the better reason.
        self._sessions = Sessions(self._by_id, self._traffic, options, scheduler)
        if options.generate_id is not None:
            self.generate_id = options.generate_id

    @property
    def options(self) -> Options:
        """The options; the defaults unless they have been set."""
        if self._options is None:
            self.configure(Options.build({}))
        assert self._options is not None
        return self._options

    def _build(self) -> Router:
        options = self.options
        assert self._sessions is not None
        self._router = Router(self, options, self._sessions, self._host, self._cors)
        self.enter(Life.SERVING)
        return self._router

    @property
    def clients_count(self) -> int:
        """How many sessions are open in this process; ``docs/workers.md`` has the sum."""
        return len(self._by_id)

    @property
    def clients(self) -> Mapping[str, Session]:
        """The sessions by id."""
        return self._by_id

    def upgrades(self, transport: str) -> list[str]:
        """Return the transports to which a session on ``transport`` may change."""
        options = self.options
        allowed = options.allow_upgrades and "websocket" in options.transports
        return ["websocket"] if allowed and transport == "polling" else []

    @property
    def is_idle(self) -> bool:
        """Whether no handler of an open session runs or waits for its turn; for tests."""
        return self._sessions is None or self._sessions.is_idle

    def stats(self) -> dict[str, float]:
        """Return counters for a metrics exporter; sums count from the start.

        ``clients``, ``polling_clients``, ``websocket_clients``; ``messages_in``,
        ``messages_out``, ``bytes_in``, ``bytes_out`` (frames and bodies, without HTTP
        headers); ``outbox_bytes``, what waits for slow clients now; ``hub_lag``, for how many
        seconds something kept the hub from its work, at most, in the last 10 to 20 s;
        ``handler_errors``; and with a cluster the counters of its adapter, each beginning with
        ``adapter_``. Workers of one host have more, beginning with ``siblings``. It may be
        called in any thread.
        """
        # A copy, made in one step: sessions come and go while another thread counts.
        return collect(list(self._by_id.values()), self._traffic, self._hub.lag, self._sources)

    def add_stats(self, source: Source) -> None:
        """Add what ``source()`` returns to :meth:`stats`."""
        self._sources.append(source)

    def use(self, middleware: EngineMiddleware) -> EngineMiddleware:
        """Add a function that sees every request first; works as a decorator.

        Args:
            middleware: ``fn(environ)`` returns ``None`` to go on, or a werkzeug ``Response``
                that ends the request. An exception is answered with code 3.

        Returns:
            The function.

        Raises:
            TypeError: It cannot be called.
        """
        require_function(middleware, "an engine middleware")
        self.middlewares.append(middleware)
        return middleware

    # Requests

    def handle(self, environ: Environ, start_response: StartResponse) -> Any:
        """Answer one request that belongs to the server; a WSGI application.

        Args:
            environ: The WSGI environ.
            start_response: The function that came with it.

        Returns:
            The body.
        """
        self._hub.bind()
        router = self._router or self._build()
        request = environ.pop(REQUEST_KEY, None)
        if request is None or not request.is_of(environ, start_response):
            request = Request(environ, start_response, self._host)
        return router.answer(request)

    def request(self, environ: Environ, start_response: StartResponse) -> Request:
        """Return the value of a request that the engine has not seen yet.

        What is left in the environ under ``REQUEST_KEY`` is not made again by :meth:`handle`.
        """
        return Request(environ, start_response, self._host)

    def cors_headers(self, request: Request) -> Headers:
        """Return what an answer to this request says of origins; nothing without ``cors``."""
        return Headers() if self._cors is None else self._cors.headers(request)

    def extra_headers(self, request: Request) -> Headers | None:
        """Return what CORS and listeners add to an answer; ``None`` where there is neither."""
        if self._cors is None and not self._listeners:
            return None
        headers = self.cors_headers(request)
        self.trigger("headers", headers, request.environ)
        return headers

    def receiver_of(self, session: Session) -> Receiver | None:
        """Return the receiver of a new session's messages; ``None`` without a layer above."""
        return None if self._handler is None else self._handler.on_open(session)

    # The end

    @property
    def is_refusing(self) -> bool:
        """Whether new sessions are refused."""
        # Each request asks: without the values of members, which are functions.
        return self.life is not _SERVING and self.life.value >= Life.DRAINING.value

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` has been called: the present sessions are ending, or over."""
        return self.life.value >= Life.CLOSING.value

    def enter(self, life: Life) -> bool:
        """Move on in life; return whether that is news.

        It may be called from a handler of a signal, which interrupts anything: the state is
        read once.
        """
        before = self.life
        if before.value >= life.value:
            return False
        check_move(LIFE_MOVES, before, life)
        self.life = life
        return True

    def close(self) -> None:
        """Refuse new sessions and close the present ones; what is buffered is delivered."""
        self.enter(Life.CLOSING)
        self._hub.unwatch()
        for session in list(self._by_id.values()):
            session.close(Reason.SERVER_SHUTTING_DOWN, code=1001)
        if self._sessions is not None:
            self._sessions.pool.close()

    def drain(self, grace: float) -> None:
        """Block until the sessions of a closed engine are over.

        Args:
            grace: Seconds for clients that are still taking what was sent to them; the others
                get a moment. Those that take longer are cut.
        """
        if self._sessions is not None:
            self._sessions.drain(grace)

    def wait_for_handlers(self, timeout: float) -> None:
        """Block until the handlers have returned; stop the others.

        Args:
            timeout: Seconds.
        """
        if self._sessions is not None:
            self._sessions.wait_for_handlers(timeout)

    def forget_clients(self) -> None:
        """Leave the sessions to the parent: in a forked child, which has copies of them."""
        self._by_id.clear()
        if self._scheduler is not None:
            self._scheduler.clear()

    def _abandon(self) -> None:
        # The hub of the sessions has ended with its thread.
        if self._scheduler is not None:
            self._scheduler.begin_anew()
        if self._sessions is not None:
            self._sessions.abandon()
