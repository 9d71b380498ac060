"""New sessions: an id, a transport, the answer that begins it, and word to the application."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from werkzeug.datastructures import Headers

from ...codec.engine_packet import OPEN
from ...codec.message import Message, text_packet
from ...errors import BadRequest
from ...events import EventEmitter
from ...options import Options
from ..packet_log import log_packets
from ..session import Receiver, Session, SessionOwner
from ..transports.polling import PollingTransport
from .host import Environ, HostSocket, StartResponse
from .http import affinity_cookie, with_headers
from .polls import PollRequests
from .revision import payload_codec
from .websockets import WebSocketRequests, require_socket

__all__ = ["Opening", "OpeningOwner"]

logger = logging.getLogger(__name__)

#: Bytes of events that may wait behind a handler that blocks, at the least.
_MIN_INBOX = 1_000_000
#: What the engine tells of its sessions besides their beginning.
_PASSED_ON = ("flush", "drain")


class OpeningOwner(SessionOwner, Protocol):
    """The engine, as far as new sessions are concerned."""

    @property
    def clients(self) -> Mapping[str, Session]:
        """The sessions by id."""

    def generate_id(self, environ: Mapping[str, Any]) -> str:
        """Return the id of a new session."""

    def upgrades(self, transport: str) -> list[str]:
        """Return the transports to which a session on ``transport`` may change."""

    def begin(self, session: Session) -> None:
        """List a new session and start its heartbeat."""

    def receiver_of(self, session: Session) -> Receiver | None:
        """Return who takes the messages of a new session, if anybody does."""

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens to the engine."""

    def listeners(self, event: str) -> list[Any]:
        """Return the listeners of the engine."""

    def trigger(self, event: str, *args: Any) -> bool:
        """Call the listeners of the engine."""


class Opening:
    """Answers the requests that open sessions; all checks lie behind them.

    Args:
        engine: Owns the sessions.
        options: What the first packet tells the client, and the limits.
        polls: Answers with a payload.
        websockets: Answers with 101, and serves.
    """

    def __init__(
        self,
        engine: OpeningOwner,
        options: Options,
        polls: PollRequests,
        websockets: WebSocketRequests,
    ) -> None:
        self._engine = engine
        self._options = options
        self._polls = polls
        self._websockets = websockets
        self._warned = False
        # The same for every session: the end of the data of its open packet.
        self._open_rest = (
            f'"pingInterval":{round(options.ping_interval * 1000)},'
            f'"pingTimeout":{round(options.ping_timeout * 1000)},'
            f'"maxPayload":{options.max_http_buffer_size}'
        )

    def polling(
        self,
        environ: Environ,
        host_socket: HostSocket | None,
        start_response: StartResponse,
        protocol: int,
    ) -> list[bytes]:
        """Open a session on long-polling.

        Raises:
            BadRequest: There is no id for it.
        """
        session = self._new_session(environ, protocol)
        codec = payload_codec(protocol, environ)
        transport = PollingTransport(session, self._options.max_buffered_bytes, codec)
        upgrades = self._upgrades_of(host_socket)
        transport.send_control(OPEN + self._open_data(session.id, upgrades))
        self._start(session, transport)
        # The response holds the handshake alone; what handlers send follows in the next.
        response = transport.take()
        self._announce(session)
        extra = Headers()
        self._engine.trigger("initial_headers", extra, environ)
        cookie = self._options.cookie
        if cookie is not None and cookie is not False:
            extra.add("Set-Cookie", affinity_cookie(cookie, session.id))
        return self._polls.respond(response, environ, with_headers(start_response, extra))

    def websocket(
        self, environ: Environ, host_socket: HostSocket | None, protocol: int
    ) -> list[bytes]:
        """Open a session on a WebSocket, and serve it to its end.

        Raises:
            BadRequest: There is no socket or no id for it.
        """
        sock = require_socket(environ, host_socket)
        session = self._new_session(environ, protocol)
        initial = Headers()
        self._engine.trigger("initial_headers", initial, environ)
        first = self.first_frame(session.id)
        transport, leftover = self._websockets.switch_protocols(
            environ, sock, initial, first, protocol
        )
        self._start(session, transport)
        self._announce(session)
        try:
            transport.start(session, leftover)
        finally:
            self._websockets.serve(session, transport, sock)
        return []

    def first_frame(self, sid: str) -> bytes:
        """Return the frame that a WebSocket begins with."""
        return text_packet(OPEN + self._open_data(sid, []))

    def _new_session(self, environ: Environ, protocol: int) -> Session:
        try:
            sid = self._engine.generate_id(environ)
        except Exception as error:
            logger.exception("! generate_id failed")
            raise BadRequest({"name": "ID_GENERATION_ERROR", "error": error}) from error
        if not isinstance(sid, str) or not sid or sid in self._engine.clients:
            problem = ValueError("generate_id must return a new, non-empty string")
            logger.error("! %s", problem)
            raise BadRequest({"name": "ID_GENERATION_ERROR", "error": problem})
        limit = max(_MIN_INBOX, self._options.max_http_buffer_size)
        return Session(sid, self._engine, environ, limit, protocol)

    def _start(self, session: Session, transport: Any) -> None:
        session.transport = transport
        self._engine.begin(session)
        initial = self._options.initial_packet
        if initial is not None:
            transport.send(Message.of(initial))

    def _announce(self, session: Session) -> None:
        log_packets(session.id, session)
        engine = self._engine
        if engine.has_listeners:
            _pass_on(session, engine)
        session.attach(session.transport, engine.receiver_of(session))
        engine.trigger("connection", session)
        logger.info(
            "+ session %s opened: %s from %s",
            session.id[:6],
            session.transport.name,
            session.remote_address,
        )

    def _open_data(self, sid: str, upgrades: list[str]) -> str:
        names = ",".join(map(json.dumps, upgrades))
        return f'{{"sid":{json.dumps(sid)},"upgrades":[{names}],{self._open_rest}}}'

    def _upgrades_of(self, host_socket: HostSocket | None) -> list[str]:
        upgrades = self._engine.upgrades("polling")
        if upgrades and host_socket is None:
            if not self._warned:
                self._warned = True
                logger.warning(
                    "this WSGI server does not give its sockets to applications: clients stay "
                    "on HTTP long-polling; use io.run() or gunicorn -k gevent"
                )
            return []
        return upgrades


def _pass_on(session: EventEmitter, engine: OpeningOwner) -> None:
    # Asked once: a session that nobody watches pays nothing for each message.
    for event in _PASSED_ON:
        if engine.listeners(event):
            session.on(event, partial(engine.trigger, event, session))
