"""New sessions: an id, a transport, the answer that begins it, and the event for the application.

The requests are verified by now.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from json.encoder import encode_basestring_ascii as as_json
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers

from ...codec.engine_packet import OPEN
from ...codec.message import Message, text_packet
from ...errors import BadRequest
from ...options import Options
from ...quoting import named, shown
from ..ids import new_id
from ..packet_log import log_packets
from ..session import Session
from ..sessions import Sessions
from ..transports.polling import PollingTransport
from ..transports.transport import Transport
from .http import affinity_cookie, begin
from .obstacles import Obstacle, Obstacles, handshake_obstacle
from .polls import PollRequests
from .request import Request
from .revision import payload_codec
from .websockets import WebSocketRequests, require_socket

if TYPE_CHECKING:
    from ..engine import Engine

__all__ = ["Opening", "random_id"]

logger = logging.getLogger(__name__)

#: Bytes of events that may wait behind a handler that blocks, at the least.
_MIN_INBOX = 1_000_000
#: Events of a session that the engine repeats with the session in front of their arguments.
_PASSED_ON = ("flush", "drain")
# Whether a middleware keeps `write` is known when the length of the response has been stated:
# the offer is taken back without changing that, which JSON allows.
_OFFER = b'"upgrades":["websocket"]'
_NO_OFFER = b'"upgrades":[]'.ljust(len(_OFFER))


def random_id(environ: Mapping[str, Any]) -> str:
    """Return a session id: 20 characters, 120 random bits."""
    return new_id()


class Opening:
    """Answers the requests that open sessions.

    Args:
        engine: Makes ids, and has the listeners of the application.
        sessions: The sessions that are open.
        polls: Answers with a payload.
        websockets: Answers with 101, and serves.
        obstacles: Logs what keeps clients from WebSockets.
    """

    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        polls: PollRequests,
        websockets: WebSocketRequests,
        obstacles: Obstacles,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._obstacles = obstacles
        self._options = options = engine.options
        self._polls = polls
        self._websockets = websockets
        # The same for every session: the end of the data of its open packet.
        self._open_rest = _open_rest(options)

    def polling(self, request: Request, protocol: int) -> list[bytes]:
        """Open a session on long-polling.

        Args:
            request: The request.
            protocol: The revision of the Engine.IO protocol.

        Raises:
            BadRequest: ``generate_id`` fails, or its id cannot be used.
        """
        session = self._new_session(request, protocol)
        codec = payload_codec(protocol, request)
        transport = PollingTransport(session, self._options.max_buffered_bytes, codec)
        upgrades = self._upgrades_of(request)
        transport.send_control(OPEN + self._open_data(session.id, upgrades))
        self._start(session, transport)
        # The response holds the handshake alone; what handlers send follows in the next.
        response = transport.take()
        self._announce(session)
        initial = self._initial_headers(request)
        cookie = self._options.cookie
        headers, body = self._polls.payload(response, request)
        answer = [*headers, *(initial or ())]
        if cookie is not None and cookie is not False:
            answer.append(("Set-Cookie", affinity_cookie(cookie, session.id)))
        write = begin(request, 200, answer, len(body))
        host_socket = request.host_socket
        if upgrades and host_socket is not None and host_socket.writer_of(write) is None:
            self._obstacles.tell(Obstacle.WRITE_KEPT)
            body = body.replace(_OFFER, _NO_OFFER, 1)
        return [body]

    def websocket(self, request: Request, protocol: int) -> list[bytes]:
        """Open a session on a WebSocket, and serve it; see :class:`.WebSocketRequests`.

        Args:
            request: The request.
            protocol: The revision of the Engine.IO protocol.

        Raises:
            BadRequest: The host gives no socket, or as for :meth:`polling`.
        """
        host_socket = require_socket(request)
        session = self._new_session(request, protocol)
        initial = self._initial_headers(request)
        first = self.first_frame(session.id)
        transport, leftover = self._websockets.switch_protocols(
            request, host_socket, initial, protocol, first
        )
        self._start(session, transport)
        self._announce(session)
        try:
            transport.start(session, leftover)
        finally:
            self._websockets.serve(session, transport, host_socket)
        return []

    def _initial_headers(self, request: Request) -> Headers | None:
        """Return what listeners add to the answer; ``None`` without any."""
        if not self._engine.has_listeners:
            return None
        initial = Headers()
        self._engine.trigger("initial_headers", initial, request.environ)
        return initial

    def first_frame(self, sid: str) -> bytes:
        """Return the frame that a WebSocket begins with."""
        return text_packet(OPEN + self._open_data(sid, []))

    def _new_session(self, request: Request, protocol: int) -> Session:
        try:
            sid = self._engine.generate_id(request.environ)
        except Exception as error:
            logger.exception("! generate_id failed")
            raise BadRequest({"name": "ID_GENERATION_ERROR", "error": error}) from error
        if not isinstance(sid, str) or not sid or sid in self._sessions.by_id:
            problem = ValueError("generate_id must return a new, non-empty string")
            logger.error("! %s", shown(problem))
            raise BadRequest({"name": "ID_GENERATION_ERROR", "error": problem})
        limit = max(_MIN_INBOX, self._options.max_http_buffer_size)
        return Session(sid, self._sessions, request.environ, limit, protocol)

    def _start(self, session: Session, transport: Transport) -> None:
        session.attach(transport)
        self._sessions.begin(session)
        initial = self._options.initial_packet
        if initial is not None:
            transport.send(Message.of(initial))

    def _announce(self, session: Session) -> None:
        log_packets(session.id, session)
        engine = self._engine
        if engine.has_listeners:
            _pass_on(session, engine)
        receiver = engine.receiver_of(session)
        if receiver is not None:
            session.hand_to(receiver)
        engine.trigger("connection", session)
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "+ session %s opened: %s from %s",
                named(session.id[:6]),
                session.transport.name,
                named(session.remote_address or ""),
            )

    def _open_data(self, sid: str, upgrades: list[str]) -> str:
        names = ",".join(map(as_json, upgrades))
        return f'{{"sid":{as_json(sid)},"upgrades":[{names}],{self._open_rest}}}'

    def _upgrades_of(self, request: Request) -> list[str]:
        upgrades = self._engine.upgrades("polling")
        if upgrades:
            obstacle = handshake_obstacle(request)
            if obstacle is not None:
                self._obstacles.tell(obstacle)
                return []
        return upgrades


def _open_rest(options: Options) -> str:
    return (
        f'"pingInterval":{round(options.ping_interval * 1000)},'
        f'"pingTimeout":{round(options.ping_timeout * 1000)},'
        f'"maxPayload":{options.max_http_buffer_size}'
    )


def _pass_on(session: Session, engine: Engine) -> None:
    # Asked once: a session without listeners pays nothing for each message.
    for event in _PASSED_ON:
        if engine.listeners(event):
            session.on(event, partial(engine.trigger, event, session))
