"""The requests that become WebSockets: new sessions and upgrades.

The greenlet of such a request is lent to its session until the WebSocket is over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gevent.event import Event
from werkzeug.datastructures import Headers

from ...codec.deflate import Compression, PerMessageDeflate
from ...codec.deflate_agreement import agree
from ...codec.websocket import encode_close
from ...codec.websocket_handshake import accept_key, handshake_problem
from ...errors import BadRequest
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
from .revision import framed
from .trimmed import shed_headers

__all__ = ["WebSocketRequests", "refuse_upgraded", "require_socket"]

logger = logging.getLogger(__name__)

#: Headers of the answer that applications cannot change.
_OURS = frozenset({"upgrade", "connection", "sec-websocket-accept"})


class WebSocketRequests:
    """Takes sockets over and serves them.

    Args:
        options: Limits and compression.
        extra_headers: Returns what CORS and listeners add to an answer.
        scheduler: Runs the deadline of upgrades.
    """

    def __init__(
        self,
        options: Options,
        extra_headers: Callable[[Environ], Headers | None],
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
        environ: Environ,
        host_socket: HostSocket,
        headers: Headers,
        first: bytes = b"",
        protocol: int = 4,
    ) -> tuple[SocketTransport, bytes]:
        """Answer 101; return the transport and what the host had read beyond the request.

        Args:
            environ: The request.
            host_socket: Its socket.
            headers: Headers of the answer; those of the protocol are added.
            first: Frames that follow the answer.
            protocol: The revision of the Engine.IO protocol.

        Raises:
            BadRequest: The offers of extensions cannot be read; nothing has been answered.
        """
        compression = self._negotiate(environ, host_socket, headers)
        headers.extend(self._extra_headers(environ) or ())
        answer = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_key(environ["HTTP_SEC_WEBSOCKET_KEY"])),
            *(pair for pair in headers.to_wsgi_list() if pair[0].lower() not in _OURS),
        ]
        leftover = host_socket.switch_protocols(answer, first)
        common = (self._max_size, self._max_buffered, self._traffic)
        if compression is None:
            transport = WebSocketTransport(host_socket.socket, *common)
        else:
            transport = DeflateTransport(host_socket.socket, *common, compression)
        return framed(transport, protocol, environ), leftover

    def _negotiate(
        self, environ: Environ, host_socket: HostSocket, headers: Headers
    ) -> Compression | None:
        offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS")
        if self._deflate is None or not offers or host_socket.is_upgraded:
            return None
        try:
            agreement = agree(offers, self._deflate.settings)
        except ValueError as error:
            problem = {"name": "TRANSPORT_HANDSHAKE_ERROR", "error": str(error)}
            raise BadRequest(problem) from error
        if agreement is None:
            return None
        headers["Sec-WebSocket-Extensions"] = agreement.answer
        return self._deflate.compression(agreement)

    def upgrade(
        self, session: Session, transport_name: str, environ: Environ, host_socket: HostSocket
    ) -> list[bytes]:
        """Serve a WebSocket that wants to become the transport of a polling session."""
        transport, leftover = self.switch_protocols(
            environ, host_socket, Headers(), protocol=session.protocol
        )
        may_upgrade = (
            self._allow_upgrades
            and transport_name == "websocket"
            and session.upgrade_state is UpgradeState.NONE
            and session.state is SessionState.OPEN
            and session.transport_name == "polling"
        )
        if not may_upgrade:
            # Another WebSocket for the same session: it gets no answer but the end.
            transport.close()
            transport.abort()
            host_socket.give_back()
            return []
        ended = Event()

        def on_end(probe: Probe) -> None:
            # At once: the end of the session shall not undo an upgrade that is done.
            session.off("close", on_close)
            self._upgrades.discard(probe)
            ended.set()

        probe = Probe(session, transport, on_end)
        self._scheduler.start(self._upgrades, probe)
        on_close = session.once("close", lambda *_: probe.give_up("the session is over"))
        transport.start(probe, leftover)
        try:
            # The deadline of the upgrade ends this wait at the latest.
            ended.wait()
            if not session.has_request:
                shed_headers(environ)
            self.serve(session, transport, host_socket)
        finally:
            # Also when the server kills this greenlet.
            session.off("close", on_close)
            self._upgrades.discard(probe)
            if session.transport is not transport:
                probe.give_up("its request is over")
                host_socket.give_back()
        return []

    def serve(self, session: Session, transport: SocketTransport, host_socket: HostSocket) -> None:
        """Lend this greenlet to the session until its WebSocket is over."""
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


def require_socket(environ: Environ, host_socket: HostSocket | None) -> HostSocket:
    """Return the socket of an upgrade request.

    Raises:
        BadRequest: The host gives none, or the handshake breaks RFC 6455.
    """
    if host_socket is None:
        raise BadRequest({"name": "TRANSPORT_HANDSHAKE_ERROR", "error": "no socket"})
    if not host_socket.is_upgraded:
        problem = handshake_problem(environ)
        if problem is not None:
            raise BadRequest({"name": "TRANSPORT_HANDSHAKE_ERROR", "error": problem})
    return host_socket


def refuse_upgraded(
    host_socket: HostSocket, message: str, code: int = 1008, first: bytes = b""
) -> list[bytes]:
    """Refuse a request that its host has answered with 101 already: by a close frame.

    Args:
        host_socket: Its socket.
        message: What the close frame says.
        code: Its status.
        first: Frames in front of it.
    """
    host_socket.switch_protocols((), first)
    try:
        host_socket.socket.send(encode_close(code, message))
    except OSError:
        logger.debug("the peer was gone before it could be refused")
    host_socket.give_back()
    return []
