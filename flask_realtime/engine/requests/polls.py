"""The requests of a polling session: GETs that wait and POSTs that bring packets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import gevent
from gevent import get_hub
from werkzeug.datastructures import Headers

from ...errors import PacketError
from ...options import Options
from ...reasons import Reason
from ..session import Session
from ..state import UpgradeState
from ..traffic import Traffic
from ..transports.polling import Overlap, PollingTransport, Response
from .host import Environ, StartResponse
from .http import BodyTooLarge, BrokenBody, compress, read_body, reply

__all__ = ["PollRequests"]

ExtraHeaders = Callable[[Environ], Headers | None]
HeaderList = list[tuple[str, str]]

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
    """

    def __init__(self, options: Options, extra_headers: ExtraHeaders, traffic: Traffic) -> None:
        self._traffic = traffic
        self._max_body = options.max_http_buffer_size
        self._timeout = options.ping_interval + options.ping_timeout
        self._extra_headers = extra_headers
        self._threshold = options.compression_threshold

    def answer(
        self, session: Session, environ: Environ, start_response: StartResponse, sock: Any
    ) -> list[bytes]:
        """Serve one request of a session whose transport is polling."""
        transport = session.transport
        assert isinstance(transport, PollingTransport)
        method = environ["REQUEST_METHOD"]
        try:
            if method == "GET":
                return self._get(session, transport, environ, start_response, sock)
            if method == "POST":
                return self._post(session, transport, environ, start_response)
        except Overlap:
            return reply(environ, start_response, 400, self._headers(environ))
        allow = [("Allow", "GET, POST"), *self._headers(environ)]
        return reply(environ, start_response, 405, allow)

    def respond(
        self, response: Response, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        """Answer a GET with a payload."""
        headers = self._headers(environ)
        headers.append(_BINARY if response.is_binary else _TEXT)
        body = response.body
        if response.compress and self._threshold is not None and len(body) >= self._threshold:
            body = compress(body, environ, headers)
        self._traffic.bytes_out += len(body)
        return reply(environ, start_response, 200, headers, body)

    def _get(
        self,
        session: Session,
        transport: PollingTransport,
        environ: Environ,
        start_response: StartResponse,
        sock: Any,
    ) -> list[bytes]:
        if transport.is_polled or transport.buffered_bytes:
            return self.respond(transport.poll(), environ, start_response)
        watch = _watch(sock, session)
        timer = None
        if session.upgrade_state is UpgradeState.PROBED:
            timer = gevent.spawn_later(_UPGRADE_POLL, transport.answer_noop)
        try:
            response = transport.poll()
        finally:
            if watch is not None:
                watch.stop()
                watch.close()
            if timer is not None:
                timer.kill(block=False)
        return self.respond(response, environ, start_response)

    def _post(
        self,
        session: Session,
        transport: PollingTransport,
        environ: Environ,
        start_response: StartResponse,
    ) -> list[bytes]:
        is_binary = environ.get("CONTENT_TYPE", "").lower().startswith(_OCTETS)
        if is_binary and not transport.reads_binary:
            session.close(Reason.TRANSPORT_ERROR, "invalid content", flush=False)
            return reply(environ, start_response, 400, self._headers(environ), close=True)
        transport.begin_post()
        try:
            body = read_body(environ, self._max_body, self._timeout)
            self._traffic.bytes_in += len(body)
            transport.post(body, is_binary)
        except BodyTooLarge:
            # The client knows that its message was refused and gives up by itself. What it is
            # still sending is not read: this connection cannot go on.
            return reply(environ, start_response, 413, self._headers(environ), close=True)
        except BrokenBody:
            description = "data request connection closed prematurely"
            session.close(Reason.TRANSPORT_ERROR, description, flush=False)
            return reply(environ, start_response, 400, self._headers(environ), close=True)
        except PacketError:
            return reply(environ, start_response, 400, self._headers(environ))
        finally:
            transport.end_post()
        # Accepted, but perhaps not handled yet: a client that is ahead of its handlers waits.
        if not session.inbox.wait_for_room(self._timeout):
            description = "its handlers are too far behind"
            session.close(Reason.TRANSPORT_ERROR, description, flush=False)
        headers = self._headers(environ)
        headers.append(("Content-Type", "text/html"))
        return reply(environ, start_response, 200, headers, b"ok")

    def _headers(self, environ: Environ) -> HeaderList:
        extra = self._extra_headers(environ)
        headers = [_NO_STORE] if extra is None else [*extra, _NO_STORE]
        agent = environ.get("HTTP_USER_AGENT", "")
        if "MSIE" in agent or "Trident" in agent:
            headers.append(("X-XSS-Protection", "0"))
        return headers


def _watch(sock: Any, session: Session) -> Any:
    """Watch the socket of a waiting GET: a client that goes away ends its session at once."""
    if sock is None or hasattr(sock, "pending"):
        # Nobody can look into TLS without reading; the heartbeat notices.
        return None
    watcher = get_hub().loop.io(sock.fileno(), _READ)
    watcher.start(_look, watcher, sock, session)
    return watcher


def _look(watcher: Any, sock: Any, session: Session) -> None:
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        if sock.recv(1, socket.MSG_PEEK):
            # A pipelined request: nothing more can be learned here.
            watcher.stop()
            return
    except BlockingIOError:
        return
    except OSError:
        pass
    finally:
        sock.settimeout(timeout)
    watcher.stop()
    session.close(Reason.TRANSPORT_ERROR, "poll connection closed prematurely", flush=False)
