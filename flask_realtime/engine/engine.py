"""The Engine.IO server: session ids to sessions, and requests to whoever answers them.

It is what applications see as ``io.engine``.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gevent.pool import Group
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as HTTPResponse

from ..codec.engine_packet import OPEN
from ..codec.message import Message, text_packet
from ..codec.websocket_handshake import is_upgrade
from ..errors import BadRequest, RequestError
from ..events import EventEmitter
from ..functions import require_function
from ..options import Options
from ..reasons import Reason
from .cors import CorsPolicy
from .host import Environ, Host, HostSocket, StartResponse
from .http import affinity_cookie, error_body, reply, with_headers
from .hub import HubThread
from .packet_log import log_packets
from .poll_requests import PollRequests
from .polling import PollingTransport
from .refused import RefusedRequest
from .revision import heartbeats, payload_codec
from .scheduler import Scheduler
from .session import Receiver, Session
from .shutdown import see_off, wait_for_handlers
from .state import SessionState
from .traffic import Source, Traffic, collect
from .verify import (
    ask_middleware,
    parse_query,
    verify_handshake,
    verify_protocol,
    verify_session,
    verify_transport,
)
from .websocket_requests import WebSocketRequests, refuse_upgraded, require_socket

__all__ = ["RefusedRequest", "Engine", "EngineHandler"]

logger = logging.getLogger(__name__)

EngineMiddleware = Callable[[Environ], HTTPResponse | None]

#: Seconds that a closed session has to deliver what is buffered.
CLOSE_TIMEOUT = 30.0
#: Bytes of events that may wait behind a handler that blocks, at the least.
_MIN_INBOX = 1_000_000


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
    ``headers(headers, environ)`` and ``connection_error(error)``.

    Args:
        handler: Who is told of new sessions.
        host: Finds the sockets below requests.
        hub: The thread that owns the sessions.

    Attributes:
        generate_id: ``fn(environ)`` makes session ids; assign another to replace it.
    """

    options: Options

    def __init__(self, handler: EngineHandler, host: Host, hub: HubThread) -> None:
        super().__init__()
        self.generate_id: Callable[[Mapping[str, Any]], str] = random_id
        self._handler = handler
        self._host = host
        self._hub = hub
        self._sessions: dict[str, Session] = {}
        self._middlewares: list[EngineMiddleware] = []
        self._warned = False
        self.traffic = Traffic()
        self._sources: list[Source] = []
        self._greenlets = Group()
        self.is_closed = False
        #: Whether new sessions are refused.
        self.is_refusing = False

    def configure(self, options: Options, scheduler: Scheduler) -> None:
        """Apply the options; before the first request only.

        Args:
            options: The options of the server.
            scheduler: Runs the deadlines.
        """
        self.options = options
        if options.generate_id is not None:
            self.generate_id = options.generate_id
        self._scheduler = scheduler
        self._transports = frozenset(options.transports)
        self._cors = None if options.cors is None else CorsPolicy(options.cors)
        self._heartbeats = heartbeats(options, scheduler)
        self._goodbyes = scheduler.queue(CLOSE_TIMEOUT, _goodbye_timed_out)
        # The same for every session: the end of the data of its open packet.
        self._open_rest = (
            f'"pingInterval":{round(options.ping_interval * 1000)},'
            f'"pingTimeout":{round(options.ping_timeout * 1000)},'
            f'"maxPayload":{options.max_http_buffer_size}'
        )
        self._polls = PollRequests(options, self._headers, self.traffic)
        self._websockets = WebSocketRequests(options, self._headers, scheduler, self.traffic)

    @property
    def clients_count(self) -> int:
        """How many sessions are open."""
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
        its adapter, each beginning with ``adapter_``.
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
            return self._open_websocket(environ, host_socket, protocol)
        return self._open_polling(environ, host_socket, start_response, protocol)

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
            first = text_packet(OPEN + self._open_data(random_id(environ), []))
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

    def _open_polling(
        self,
        environ: Environ,
        host_socket: HostSocket | None,
        start_response: StartResponse,
        protocol: int,
    ) -> list[bytes]:
        session = self._new_session(environ, protocol)
        codec = payload_codec(protocol, environ)
        transport = PollingTransport(session, self.options.max_buffered_bytes, codec)
        upgrades = self._upgrades_of(host_socket)
        transport.send_control(OPEN + self._open_data(session.id, upgrades))
        self._start(session, transport)
        # The response holds the handshake alone; what handlers send follows in the next.
        response = transport.take()
        self._handler_opens(session)
        extra = Headers()
        self.trigger("initial_headers", extra, environ)
        cookie = self.options.cookie
        if cookie is not None and cookie is not False:
            extra.add("Set-Cookie", affinity_cookie(cookie, session.id))
        return self._polls.respond(response, environ, with_headers(start_response, extra))

    def _open_websocket(
        self, environ: Environ, host_socket: HostSocket | None, protocol: int
    ) -> list[bytes]:
        sock = require_socket(environ, host_socket)
        session = self._new_session(environ, protocol)
        initial = Headers()
        self.trigger("initial_headers", initial, environ)
        first = text_packet(OPEN + self._open_data(session.id, []))
        transport, leftover = self._websockets.switch_protocols(
            environ, sock, initial, first, protocol
        )
        self._start(session, transport)
        self._handler_opens(session)
        try:
            transport.start(session, leftover)
        finally:
            self._websockets.serve(session, transport, sock)
        return []

    def _new_session(self, environ: Environ, protocol: int) -> Session:
        try:
            sid = self.generate_id(environ)
        except Exception as error:
            logger.exception("! generate_id failed")
            raise BadRequest({"name": "ID_GENERATION_ERROR", "error": error}) from error
        if not isinstance(sid, str) or not sid or sid in self._sessions:
            problem = ValueError("generate_id must return a new, non-empty string")
            logger.error("! %s", problem)
            raise BadRequest({"name": "ID_GENERATION_ERROR", "error": problem})
        limit = max(_MIN_INBOX, self.options.max_http_buffer_size)
        return Session(sid, self, environ, limit, protocol)

    def _start(self, session: Session, transport: Any) -> None:
        self._sessions[session.id] = session
        session.transport = transport
        self._heartbeats[session.protocol].start(session)
        initial = self.options.initial_packet
        if isinstance(initial, str):
            transport.send(Message(initial.encode()))
        elif initial is not None:
            transport.send(Message(None, [bytes(initial)]))

    def _handler_opens(self, session: Session) -> None:
        log_packets(session.id, session)
        session.attach(session.transport, self._handler.on_open(session))
        self.trigger("connection", session)
        logger.info(
            "+ session %s opened: %s from %s",
            session.id[:6],
            session.transport.name,
            session.remote_address,
        )

    def _open_data(self, sid: str, upgrades: list[str]) -> str:
        return f'{{"sid":{json.dumps(sid)},"upgrades":{json.dumps(upgrades)},{self._open_rest}}}'

    def _upgrades_of(self, host_socket: HostSocket | None) -> list[str]:
        if not self.options.allow_upgrades or "websocket" not in self._transports:
            return []
        if host_socket is None:
            if not self._warned:
                self._warned = True
                logger.warning(
                    "this WSGI server does not give its sockets to applications: clients stay "
                    "on HTTP long-polling; use io.run() or gunicorn -k gevent"
                )
            return []
        return ["websocket"]

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
