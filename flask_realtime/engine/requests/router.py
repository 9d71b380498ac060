"""Requests of the engine to the part that answers them: checks, polls, WebSockets, refusals.

Built once, when the options are known: with the first request.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ...errors import BadRequest, RequestError, WriteKept
from ...options import Options
from ...quoting import quoted, shown
from ...reasons import Reason
from ..sessions import Sessions
from .cors import CorsPolicy
from .host import Host
from .http import begin, error_body, reply
from .obstacles import Obstacle, Obstacles, request_obstacle
from .opening import Opening, random_id
from .polls import PollRequests
from .refused import RefusedRequest
from .request import Request
from .verify import (
    ask_middleware,
    verify_handshake,
    verify_protocol,
    verify_session,
    verify_transport,
)
from .websockets import WebSocketRequests, refuse_upgraded

if TYPE_CHECKING:
    from ..engine import Engine

__all__ = ["Router"]

logger = logging.getLogger(__name__)


class Router:
    """Answers the requests of one engine.

    Args:
        engine: Has the middlewares and the listeners.
        options: The options of the server.
        sessions: The sessions that are open.
        host: Knows the WSGI server.
        cors: Which foreign origins are allowed; ``None`` for none.
    """

    def __init__(
        self,
        engine: Engine,
        options: Options,
        sessions: Sessions,
        host: Host,
        cors: CorsPolicy | None,
    ) -> None:
        self._engine = engine
        self._options = options
        self._allow_eio3 = options.allow_eio3
        self._middlewares = engine.middlewares
        self._sessions = sessions
        self._host = host
        self._transports = frozenset(options.transports)
        self._cors = cors
        traffic = sessions.traffic
        self._polls = PollRequests(options, engine.extra_headers, traffic)
        self._websockets = WebSocketRequests(
            options, engine.extra_headers, sessions.scheduler, traffic
        )
        self._obstacles = Obstacles(host)
        self._opening = Opening(engine, sessions, self._polls, self._websockets, self._obstacles)

    def answer(self, request: Request) -> Any:
        """Answer a request; what is wrong with it becomes its answer."""
        try:
            if self._middlewares or self._cors is not None:
                answered = self._answer_first(request)
                if answered is not None:
                    return answered
                if self._middlewares:
                    # They may have changed the environ.
                    request = Request(request.environ, request.start_response, self._host)
            transport = verify_transport(request, self._transports)
            sid = request.sid
            if sid is None:
                return self._open(request, transport)
            session = verify_session(request, self._sessions.by_id.get(sid), self._cors)
            if self._allow_eio3:
                verify_protocol(request, session.protocol)
            if request.is_upgrade:
                return self._websockets.upgrade(session, request)
            return self._polls.answer(session, request)
        except RequestError as error:
            return self._refuse(error, request)

    def _answer_first(self, request: Request) -> Any:
        """Answer a preflight request, or as a middleware wants it; ``None`` to go on."""
        if self._cors is not None and request.method == "OPTIONS":
            allowed = self._cors.preflight_headers(request).to_wsgi_list()
            request.start_response("204 No Content", allowed)
            return []
        for middleware in self._middlewares:
            response = ask_middleware(middleware, request.environ)
            if response is not None:
                response.headers.extend(self._engine.cors_headers(request))
                return response(request.environ, request.start_response)
        return None

    def _open(self, request: Request, transport: str) -> Any:
        options = self._options
        protocol = verify_handshake(request, self._cors, options.allow_request, options.allow_eio3)
        if self._engine.is_refusing:
            return self._refuse_while_draining(request)
        if transport == "websocket":
            return self._opening.websocket(request, protocol)
        return self._opening.polling(request, protocol)

    def _refuse(self, error: RequestError, request: Request) -> list[bytes]:
        logger.info("! refused: %s %s", shown(error.message), quoted(error.context))
        self._engine.trigger(
            "connection_error",
            RefusedRequest(request.environ, error.code, error.message, error.context),
        )
        is_kept = isinstance(error, WriteKept)
        obstacle = Obstacle.WRITE_KEPT if is_kept else request_obstacle(request)
        if obstacle is not None and isinstance(error, BadRequest):
            self._obstacles.tell(obstacle)
        host_socket = request.host_socket
        if host_socket is not None and host_socket.is_upgraded:
            return refuse_upgraded(host_socket, error.message)
        headers = [*self._engine.cors_headers(request), *error.headers]
        headers.append(("Content-Type", "application/json"))
        body = error_body(error)
        if is_kept:
            # It has been called with 101.
            begin(request, error.status, headers, len(body), error)
            return [body]
        return reply(request, error.status, headers, body)

    def _refuse_while_draining(self, request: Request) -> list[bytes]:
        # Clients come again after any error: to the server that takes the place of this one.
        logger.info("! refused: %s", Reason.SERVER_SHUTTING_DOWN)
        host_socket = request.host_socket
        if host_socket is not None and host_socket.is_upgraded:
            # The official client that sees a WebSocket end before its handshake waits for its
            # timeout of 20 s; after the handshake it comes again at once.
            first = self._opening.first_frame(random_id(request.environ))
            return refuse_upgraded(host_socket, Reason.SERVER_SHUTTING_DOWN, 1001, first)
        headers = self._engine.cors_headers(request)
        headers["Retry-After"] = "1"
        headers["Content-Type"] = "text/plain"
        body = Reason.SERVER_SHUTTING_DOWN.encode()
        return reply(request, 503, headers, body, close=True)
