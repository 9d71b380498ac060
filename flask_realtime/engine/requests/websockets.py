"""The requests that become WebSockets: new sessions and upgrades.

The greenlet of such a request is lent to its session until the WebSocket is over, unless the host
lets the request return before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gevent.event import Event
from werkzeug.datastructures import Headers

from ...codec.deflate import PerMessageDeflate
from ...codec.deflate_agreement import Agreement, agree
from ...codec.websocket import encode_close
from ...codec.websocket_handshake import (
    VERSION,
    accept_key,
    first_subprotocol,
    handshake_problem,
)
from ...errors import BadRequest, UnsupportedWebSocketVersion
from ...loop.scheduler import Scheduler
from ...options import DeflateSettings, Options
from ...reasons import Reason
from ..session import Session
from ..state import SessionState, UpgradeState
from ..traffic import Traffic
from ..transports.deflate import DeflateTransport
from ..transports.transport import SocketTransport
from ..transports.websocket import WebSocketTransport
from ..upgrade import Probe
from .host import Environ, HostSocket
from .request import Request
from .revision import framed
from .trimmed import shed_headers

__all__ = ["WebSocketRequests", "refuse_upgraded", "require_socket"]

logger = logging.getLogger(__name__)

#: Headers of the answer that applications cannot change.
_OURS = frozenset({"upgrade", "connection", "sec-websocket-accept"})
_UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))


class WebSocketRequests:
    """Takes sockets over and serves them.

    Args:
        options: Limits and compression.
        extra_headers: Returns what CORS and listeners add to an answer.
        scheduler: Runs the deadline of upgrades.
        traffic: Counts the bytes.
    """

    def __init__(
        self,
        options: Options,
        extra_headers: Callable[[Request], Headers | None],
        scheduler: Scheduler,
        traffic: Traffic,
    ) -> None:
        self._traffic = traffic
        self._allow_upgrades = options.allow_upgrades
        self._max_size = options.max_http_buffer_size
        self._max_buffered = options.max_buffered_bytes
        self._extra_headers = extra_headers
        self._scheduler = scheduler
        self._upgrades = scheduler.queue(options.upgrade_timeout, _upgrade_timed_out)
        settings = DeflateSettings.build(options.per_message_deflate)
        self._deflate: PerMessageDeflate | None = None
        if settings is not None:
            self._deflate = PerMessageDeflate(settings, self._max_size)

    def switch_protocols(
        self,
        request: Request,
        host_socket: HostSocket,
        headers: Headers | None,
        protocol: int,
        first: bytes = b"",
    ) -> tuple[SocketTransport, bytes]:
        """Answer 101; return the transport and what the host had read beyond the request.

        Args:
            request: The request.
            host_socket: What :func:`require_socket` has returned for it.
            headers: Headers of the answer beside those of the protocol, if there are any.
            protocol: The revision of the Engine.IO protocol.
            first: Frames that follow the answer.

        Raises:
            BadRequest: The offers of extensions cannot be read; nothing has been answered.
            WriteKept: A middleware keeps the answer; nothing has been sent.
        """
        environ = request.environ
        agreement = self._negotiate(environ, host_socket)
        extra = self._extra_headers(request)
        subprotocol = first_subprotocol(environ)
        accept = accept_key(environ["HTTP_SEC_WEBSOCKET_KEY"])
        answer = [*_UPGRADE, ("Sec-WebSocket-Accept", accept)]
        if headers or extra or agreement is not None or subprotocol is not None:
            headers = Headers(headers)
            if agreement is not None:
                headers["Sec-WebSocket-Extensions"] = agreement.answer
            headers.extend(extra or ())
            if subprotocol is not None:
                # Browsers and `ws` close a WebSocket whose server chooses none of their offer.
                headers.setdefault("Sec-WebSocket-Protocol", subprotocol)
            answer += [pair for pair in headers.to_wsgi_list() if pair[0].lower() not in _OURS]
        leftover = host_socket.switch_protocols(answer, first)
        common = (self._max_size, self._max_buffered, self._traffic)
        if self._deflate is None or agreement is None:
            transport = WebSocketTransport(host_socket.socket, *common)
        else:
            compression = self._deflate.compression(agreement)
            transport = DeflateTransport(host_socket.socket, *common, compression)
        return framed(transport, protocol, request), leftover

    def _negotiate(self, environ: Environ, host_socket: HostSocket) -> Agreement | None:
        offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS")
        if self._deflate is None or not offers or host_socket.is_upgraded:
            return None
        try:
            return agree(offers, self._deflate.settings)
        except ValueError as error:
            problem = {"name": "TRANSPORT_HANDSHAKE_ERROR", "error": str(error)}
            raise BadRequest(problem) from error

    def upgrade(self, session: Session, request: Request) -> list[bytes]:
        """Serve a WebSocket that may become the transport of a polling session.

        Args:
            session: The session that the request names.
            request: The request, which asks for the WebSocket protocol.

        Raises:
            BadRequest: The host gives no socket, or the handshake breaks RFC 6455.
        """
        host_socket = require_socket(request)
        transport, leftover = self.switch_protocols(request, host_socket, None, session.protocol)
        may_upgrade = (
            self._allow_upgrades
            and request.transport == "websocket"
            and session.upgrade_state is UpgradeState.NONE
            and session.state is SessionState.OPEN
            and session.transport_name == "polling"
        )
        if not may_upgrade:
            # Another WebSocket for the same session: it is closed without an answer.
            transport.close()
            transport.abort()
            host_socket.give_back()
            return []
        ended = Event()

        def on_end(probe: Probe) -> None:
            self._upgrades.discard(probe)
            ended.set()

        probe = Probe(session, transport, on_end)
        self._scheduler.start(self._upgrades, probe)
        transport.start(probe, leftover)
        try:
            # The deadline of the upgrade ends this wait at the latest.
            ended.wait()
            if not session.has_request:
                shed_headers(request.environ)
            self.serve(session, transport, host_socket)
        finally:
            # Also when the server kills this greenlet.
            self._upgrades.discard(probe)
            if session.transport is not transport:
                probe.give_up("its request is over")
                host_socket.give_back()
        return []

    def serve(self, session: Session, transport: SocketTransport, host_socket: HostSocket) -> None:
        """Serve the session until its WebSocket is over, on this greenlet if the host needs it."""
        end = host_socket.detach(session.lost) if session.transport is transport else None
        if end is not None:
            session.inbox.at_end(end)
            return
        try:
            if session.transport is transport:
                session.inbox.host()
        finally:
            # Also when the server kills this greenlet.
            if session.transport is transport:
                session.close(Reason.TRANSPORT_CLOSE, flush=False)
            transport.abort()
            host_socket.give_back()


def _upgrade_timed_out(probe: Probe) -> None:
    probe.give_up("it took too long")


def require_socket(request: Request) -> HostSocket:
    """Return the socket of an upgrade request.

    Raises:
        BadRequest: The host gives none, or the handshake breaks RFC 6455.
    """
    host_socket = request.host_socket
    if host_socket is None:
        raise BadRequest({"name": "TRANSPORT_HANDSHAKE_ERROR", "error": "no socket"})
    if not host_socket.is_upgraded:
        problem = handshake_problem(request.environ)
        if problem is not None:
            supported = request.environ.get("HTTP_SEC_WEBSOCKET_VERSION") == VERSION
            kind = BadRequest if supported else UnsupportedWebSocketVersion
            raise kind({"name": "TRANSPORT_HANDSHAKE_ERROR", "error": problem})
    return host_socket


def refuse_upgraded(
    host_socket: HostSocket, message: str, code: int = 1008, first: bytes = b""
) -> list[bytes]:
    """Refuse a request that its host has answered with 101 already: by a close frame.

    Args:
        host_socket: Its socket.
        message: The reason in the close frame.
        code: The status in the close frame.
        first: Frames in front of it.
    """
    host_socket.switch_protocols((), first)
    try:
        host_socket.socket.send(encode_close(code, message))
    except OSError:
        logger.debug("the peer was gone before it could be refused")
    host_socket.give_back()
    return []
