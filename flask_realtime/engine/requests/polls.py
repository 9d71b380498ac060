"""The requests of a polling session: GETs that wait and POSTs that bring packets."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent import get_hub
from werkzeug.datastructures import Headers

from ...errors import PacketError
from ...options import Options
from ...quoting import named
from ...reasons import Reason
from ..session import Session
from ..state import UpgradeState
from ..traffic import Traffic
from ..transports.polling import Overlap, PollingTransport, Response
from ..transports.writer import stopped
from .host import HANDLER_KEY
from .http import BodyTooLarge, BrokenBody, compress, read_body, reply
from .request import Request

__all__ = ["PollRequests"]

ExtraHeaders = Callable[[Request], Headers | None]
HeaderList = list[tuple[str, str]]

logger = logging.getLogger(__name__)

_LIMIT = "max_http_buffer_size"
_READ = 1
_OCTETS = "application/octet-stream"
_TEXT, _BINARY = ("Content-Type", "text/plain; charset=UTF-8"), ("Content-Type", _OCTETS)
_NO_STORE = ("Cache-Control", "no-store")
#: Seconds for which a GET may wait while the client is about to upgrade.
_UPGRADE_POLL = 0.1


class PollRequests:
    """Answers the requests that belong to a polling session.

    Args:
        options: Limits and compression.
        extra_headers: Returns what CORS and listeners add to an answer.
        traffic: Counts the bytes.
    """

    def __init__(self, options: Options, extra_headers: ExtraHeaders, traffic: Traffic) -> None:
        self._traffic = traffic
        self._max_body = options.max_http_buffer_size
        self._timeout = options.ping_interval + options.ping_timeout
        self._extra_headers = extra_headers
        self._threshold = options.compression_threshold

    def answer(self, session: Session, request: Request) -> list[bytes]:
        """Serve one request of a session whose transport is polling."""
        transport = session.transport
        assert isinstance(transport, PollingTransport)
        if HANDLER_KEY not in request.environ:
            # On a POST as well: any other host has to set TCP_NODELAY.
            request.find_socket()
        try:
            if request.method == "GET":
                return self._get(session, transport, request)
            if request.method == "POST":
                return self._post(session, transport, request)
        except Overlap:
            return reply(request, 400, self._headers(request))
        return reply(request, 405, [("Allow", "GET, POST"), *self._headers(request)])

    def payload(self, response: Response, request: Request) -> tuple[HeaderList, bytes]:
        """Return the headers and the body of an answer with packets, and count its bytes.

        Args:
            response: What the transport has taken for it.
            request: The GET, or the handshake.
        """
        headers = self._headers(request)
        headers.append(_BINARY if response.is_binary else _TEXT)
        body = response.body
        if response.compress and self._threshold is not None and len(body) >= self._threshold:
            body = compress(body, request.environ, headers)
        self._traffic.bytes_out += len(body)
        return headers, body

    def _get(self, session: Session, transport: PollingTransport, request: Request) -> list[bytes]:
        if transport.has_answer:
            headers, body = self.payload(transport.poll(), request)
            return reply(request, 200, headers, body)
        stop = _watch(request, session)
        timer = None
        if session.upgrade_state is UpgradeState.PROBED:
            timer = gevent.spawn_later(_UPGRADE_POLL, transport.answer_noop)
        try:
            response = transport.poll()
        finally:
            if stop is not None:
                stop()
            if timer is not None:
                timer.kill(block=False)
        headers, body = self.payload(response, request)
        return reply(request, 200, headers, body)

    def _post(self, session: Session, transport: PollingTransport, request: Request) -> list[bytes]:
        environ = request.environ
        is_binary = environ.get("CONTENT_TYPE", "").lower().startswith(_OCTETS)
        if is_binary and not transport.reads_binary:
            session.close(Reason.TRANSPORT_ERROR, "invalid content", flush=False)
            return reply(request, 400, self._headers(request), close=True)
        transport.begin_post()
        try:
            body = read_body(environ, self._max_body, self._timeout)
            self._traffic.bytes_in += len(body)
            transport.post(body, is_binary)
        except BodyTooLarge:
            if transport.first_too_large():
                sid, limit = named(session.id[:6]), self._max_body
                logger.warning("! session %s: a POST exceeds %s, %d bytes", sid, _LIMIT, limit)
            # The client knows that its message was refused and gives up by itself. What it is
            # still sending is not read: this connection cannot go on.
            return reply(request, 413, self._headers(request), close=True)
        except BrokenBody:
            description = "data request connection closed prematurely"
            session.close(Reason.TRANSPORT_ERROR, description, flush=False)
            if request.host_socket is not None:
                request.host_socket.give_back()
            return reply(request, 400, self._headers(request), close=True)
        except PacketError:
            return reply(request, 400, self._headers(request))
        finally:
            transport.end_post()
        # Accepted, but perhaps not handled yet: a client that is ahead of its handlers waits.
        inbox = session.inbox
        if inbox.is_full and not inbox.wait_for_room(self._timeout):
            description = "its handlers are too far behind"
            session.close(Reason.TRANSPORT_ERROR, description, flush=False)
        headers = self._headers(request)
        headers.append(("Content-Type", "text/html"))
        return reply(request, 200, headers, b"ok")

    def _headers(self, request: Request) -> HeaderList:
        extra = self._extra_headers(request)
        headers = [_NO_STORE] if extra is None else [*extra, _NO_STORE]
        agent = request.environ.get("HTTP_USER_AGENT", "")
        if "MSIE" in agent or "Trident" in agent:
            headers.append(("X-XSS-Protection", "0"))
        return headers


def _watch(request: Request, session: Session) -> Callable[[], object] | None:
    """Watch the socket of a waiting GET: a client that goes away ends its session at once.

    Returns:
        What ends the watch; ``None`` when the socket cannot be looked at: the heartbeat notices.
    """
    handler = request.environ.get(HANDLER_KEY)
    if handler is not None and handler.rfile.is_plain:
        # It watches already: no watcher, and no system call, for a GET.
        watch: Callable[..., None] = handler.rfile.watch
        watch(partial(_look, handler.socket, session))
        return partial(watch, None)
    host_socket = request.host_socket
    if host_socket is None or not host_socket.can_peek:
        return None
    sock = host_socket.socket
    watcher = get_hub().loop.io(sock.fileno(), _READ)

    watcher.start(_on_readable, watcher, sock, session)
    return partial(stopped, watcher)


def _on_readable(watcher: Any, sock: Any, session: Session) -> None:
    if not _look(sock, session):
        watcher.stop()


def _look(sock: Any, session: Session) -> bool:
    """End a session whose client is gone; returns whether more can be learned."""
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        if sock.recv(1, socket.MSG_PEEK):
            # A pipelined request: nothing more can be learned here.
            return False
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        sock.settimeout(timeout)
    session.close(Reason.TRANSPORT_ERROR, "poll connection closed prematurely", flush=False)
    return False
