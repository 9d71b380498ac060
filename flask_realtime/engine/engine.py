"""The Engine.IO server: session ids to sessions, and requests to whoever answers them.

It is what applications see as ``io.engine``.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gevent.pool import Group
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as HTTPResponse

from ..codec.websocket_handshake import is_upgrade
from ..errors import RequestError
from ..events import EventEmitter
from ..functions import require_function
from ..loop.hub import HubThread
from ..loop.scheduler import Scheduler
from ..options import Options
from ..reasons import Reason
from .requests.cors import CorsPolicy
from .requests.host import Environ, Host, HostSocket, NoHost, StartResponse
from .requests.http import error_body, reply
from .requests.opening import Opening
from .requests.polls import PollRequests
from .requests.refused import RefusedRequest
from .requests.revision import heartbeats
from .requests.verify import (
    ask_middleware,
    parse_query,
    verify_handshake,
    verify_protocol,
    verify_session,
    verify_transport,
)
from .requests.websockets import WebSocketRequests, refuse_upgraded, require_socket
from .session import Receiver, Session
from .shutdown import see_off, wait_for_handlers
from .state import SessionState
from .traffic import Source, Traffic, collect

__all__ = ["RefusedRequest", "Engine", "EngineHandler"]

logger = logging.getLogger(__name__)

EngineMiddleware = Callable[[Environ], HTTPResponse | None]

#: Seconds that a closed session has to deliver what is buffered.
CLOSE_TIMEOUT = 30.0


class EngineHandler(Protocol):
    """The layer above, as the engine sees it."""

    def on_open(self, session: Session) -> Receiver:
        """A session has been opened; return who takes its messages."""


def random_id(environ: Mapping[str, Any]) -> str:
    """Return a session id: 20 characters, 120 random bits."""
    return secrets.token_urlsafe(15)


class Engine(EventEmitter):
    """Sessions and the requests that belong to them.

    Events: ``connection(session)``, ``initial_headers(headers, environ)``,
    ``headers(headers, environ)``, ``connection_error(error)``, ``flush(session, messages)`` and
    ``drain(session)``. The last two come from sessions that open while somebody listens.

    It is an Engine.IO server by itself, :meth:`handle` is its WSGI application: sessions then
    have their events alone. A subclass, with a :meth:`handle` of its own for instance, is put
    to work by ``io.bind()``.

    Attributes:
        generate_id: ``fn(environ)`` makes session ids; override it or assign another function.
    """

    generate_id: Callable[[Mapping[str, Any]], str] = staticmethod(random_id)

    def __init__(self) -> None:
        super().__init__()
        self._handler: EngineHandler | None = None
        self._host: Host = NoHost()
        self._hub = HubThread()
        self._sessions: dict[str, Session] = {}
        self._middlewares: list[EngineMiddleware] = []
        self.traffic = Traffic()
        self._sources: list[Source] = []
        self._greenlets = Group()
        self.is_closed = False
        #: Whether new sessions are refused.
        self.is_refusing = False
        self.configure(Options.build({}))

    def bind(
        self,
        handler: EngineHandler | None = None,
        host: Host | None = None,
        hub: HubThread | None = None,
    ) -> None:
        """Put the engine into its surroundings; once, and before its first request.

        Args:
            handler: Who is told of new sessions; ``io.bind()`` makes that a server.
            host: Finds the sockets below requests; without one there is no WebSocket.
            hub: The thread that owns the sessions.

        Raises:
            RuntimeError: The engine belongs to somebody, or has seen a request.
        """
        if self._handler is not None or self._hub.is_bound:
            raise RuntimeError("this engine is in use already")
        self._handler = handler
        self._host = host or self._host
        self._hub = hub or self._hub

    def configure(self, options: Options, scheduler: Scheduler | None = None) -> None:
        """Apply the options; before the first request only.

        Args:
            options: The options of the server.
            scheduler: Runs the deadlines.
        """
        self.options = options
        if options.generate_id is not None:
            self.generate_id = options.generate_id
        self._scheduler = scheduler = scheduler or Scheduler()
        self._transports = frozenset(options.transports)
        self._cors = None if options.cors is None else CorsPolicy(options.cors)
        self._heartbeats = heartbeats(options, scheduler)
        self._goodbyes = scheduler.queue(CLOSE_TIMEOUT, _goodbye_timed_out)
        self._polls = PollRequests(options, self._headers, self.traffic)
        self._websockets = WebSocketRequests(options, self._headers, scheduler, self.traffic)
        self._opening = Opening(self, options, self._polls, self._websockets)

    @property
    def clients_count(self) -> int:
        """How many sessions are open in this process; ``docs/workers.md`` has the sum."""
        return len(self._sessions)

    @property
    def clients(self) -> Mapping[str, Session]:
        """The sessions by id."""
        return self._sessions

    def stats(self) -> dict[str, float]:
        """Return what a metrics exporter wants to know; sums count from the start.

        ``clients``, ``polling_clients``, ``websocket_clients``; ``messages_in``,
        ``messages_out``, ``bytes_in``, ``bytes_out`` (frames and bodies, without HTTP
        headers); ``outbox_bytes``, what waits for slow clients now; ``hub_lag``, by how many
        seconds the last timer was late; ``handler_errors``; and with a cluster the counters of
        its adapter, each beginning with ``adapter_``. Workers of one host have more, beginning
        with ``siblings``.
        """
        return collect(self._sessions.values(), self.traffic, self._scheduler.lag, self._sources)

    def add_stats(self, source: Source) -> None:
        """Add what ``source()`` returns to :meth:`stats`."""
        self._sources.append(source)

    def use(self, middleware: EngineMiddleware) -> EngineMiddleware:
        """Add a function that sees every request first; works as a decorator.

        Args:
            middleware: ``fn(environ)`` returns ``None`` to go on, or a werkzeug ``Response``
                that ends the request. An exception is answered with code 3.
        """
        require_function(middleware, "an engine middleware")
        self._middlewares.append(middleware)
        return middleware

    def close(self) -> None:
        """Refuse new sessions and close the present ones; what is buffered is delivered."""
        self.is_closed = self.is_refusing = True
        for session in list(self._sessions.values()):
            session.close(Reason.SERVER_SHUTTING_DOWN, code=1001)

    def see_off(self, grace: float) -> None:
        """Block until the sessions of a closed engine are over; cut those that take too long.

        Args:
            grace: Seconds for clients that are still taking what was sent to them; the others
                get a moment.
        """
        see_off(self._sessions, grace, self._scheduler.clock)

    def wait_for_handlers(self, timeout: float) -> None:
        """Block until the handlers of polling sessions have returned; stop the others.

        Args:
            timeout: Seconds. The handlers of WebSockets run on greenlets of the host.
        """
        wait_for_handlers(self._greenlets, timeout, self._scheduler.clock)

    # Requests

    def handle(self, environ: Environ, start_response: StartResponse) -> Any:
        """Answer one request that belongs to the server; a WSGI application."""
        self._hub.bind()
        try:
            if self._cors is not None and environ["REQUEST_METHOD"] == "OPTIONS":
                allowed = self._cors.preflight_headers(environ).to_wsgi_list()
                start_response("204 No Content", allowed)
                return []
            for middleware in self._middlewares:
                response = ask_middleware(middleware, environ)
                if response is not None:
                    response.headers.extend(self.cors_headers(environ))
                    return response(environ, start_response)
            return self._route(environ, start_response)
        except RequestError as error:
            return self._refuse(error, environ, start_response)

    def _route(self, environ: Environ, start_response: StartResponse) -> Any:
        query = parse_query(environ)
        transport = verify_transport(query, environ, self._transports)
        host_socket = self._host.find(environ, start_response)
        sid = query.get("sid")
        if sid is not None:
            found = self._sessions.get(sid)
            session = verify_session(sid, transport, environ, found, self._cors)
            if self.options.allow_eio3:
                verify_protocol(query, session.protocol)
            if is_upgrade(environ):
                websocket = require_socket(environ, host_socket)
                return self._websockets.upgrade(session, transport, environ, websocket)
            sock = None if host_socket is None else host_socket.socket
            return self._polls.answer(session, environ, start_response, sock)
        options = self.options
        protocol = verify_handshake(
            query, transport, environ, self._cors, options.allow_request, options.allow_eio3
        )
        if self.is_refusing:
            return self._turn_away(environ, host_socket, start_response)
        if transport == "websocket":
            return self._opening.websocket(environ, host_socket, protocol)
        return self._opening.polling(environ, host_socket, start_response, protocol)

    def _refuse(
        self, error: RequestError, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        logger.info("! refused: %s %s", error.message, error.context)
        self.trigger(
            "connection_error",
            RefusedRequest(environ, error.code, error.message, error.context),
        )
        host_socket = self._host.find(environ, start_response)
        if host_socket is not None and host_socket.is_upgraded:
            return refuse_upgraded(host_socket, error.message)
        headers = [*self.cors_headers(environ), ("Content-Type", "application/json")]
        return reply(environ, start_response, error.status, headers, error_body(error))

    def _turn_away(
        self, environ: Environ, host_socket: HostSocket | None, start_response: StartResponse
    ) -> list[bytes]:
        # Clients come again after any error: to the server that takes the place of this one.
        logger.info("! refused: %s", Reason.SERVER_SHUTTING_DOWN)
        if host_socket is not None and host_socket.is_upgraded:
            # The official client that sees a WebSocket end before its handshake waits for its
            # timeout of 20 s; after the handshake it comes again at once.
            first = self._opening.first_frame(random_id(environ))
            return refuse_upgraded(host_socket, Reason.SERVER_SHUTTING_DOWN, 1001, first)
        headers = self.cors_headers(environ)
        headers["Retry-After"] = "1"
        headers["Content-Type"] = "text/plain"
        body = Reason.SERVER_SHUTTING_DOWN.encode()
        return reply(environ, start_response, 503, headers, body, close=True)

    def cors_headers(self, environ: Environ) -> Headers:
        """Return what an answer to this request says of origins; nothing without ``cors``."""
        return Headers() if self._cors is None else self._cors.headers(environ)

    def _headers(self, environ: Environ) -> Headers | None:
        if self._cors is None and not self._listeners:
            return None
        headers = self.cors_headers(environ)
        self.trigger("headers", headers, environ)
        return headers

    # Opening sessions

    def upgrades(self, transport: str) -> list[str]:
        """Return the transports to which a session on ``transport`` may change."""
        allowed = self.options.allow_upgrades and "websocket" in self._transports
        return ["websocket"] if allowed and transport == "polling" else []

    def begin(self, session: Session) -> None:
        """A session is there: it is listed, and has a heartbeat."""
        self._sessions[session.id] = session
        self._heartbeats[session.protocol].start(session)

    def receiver_of(self, session: Session) -> Receiver | None:
        """Return who takes the messages of a new session, if anybody does."""
        return None if self._handler is None else self._handler.on_open(session)

    # What sessions report

    def beat(self, session: Session) -> None:
        """The client's part of the heartbeat has arrived."""
        if session.state is SessionState.OPEN:
            self._heartbeats[session.protocol].beat(session)

    def closing(self, session: Session) -> None:
        """A session says goodbye: it has a deadline for that."""
        self._heartbeats[session.protocol].stop(session)
        self._scheduler.start(self._goodbyes, session)

    def closed(self, session: Session) -> None:
        """A session is over."""
        self._heartbeats[session.protocol].stop(session)
        self._goodbyes.discard(session)
        self._sessions.pop(session.id, None)

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a handler of a session beside its transport."""
        return self._greenlets.spawn(function, *args)


def _goodbye_timed_out(session: Session) -> None:
    session.close(flush=False)
