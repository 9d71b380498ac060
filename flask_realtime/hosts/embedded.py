"""The embedded server: gevent's own, quicker with requests and strict with their framing.

WebSockets are opened by the application after its checks, so that a refusal is an ordinary
HTTP answer; the handler shows itself to the application for that.

Polling makes HTTP itself a hot path. gevent reads a request head with the parser for e-mail
and sends head and body of a response in two segments; here a head is a few string operations,
and a response one segment. Measured: 166 µs against 75 µs for the two requests of an echo.
"""

from __future__ import annotations

import errno
import logging
import socket
from http import HTTPStatus
from time import monotonic
from typing import Any, Literal
from urllib.parse import unquote

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ..quoting import shown
from . import request_body
from .connections import read_no_more, set_nodelay
from .forked import silence
from .pywsgi import HANDLER_KEY
from .request_body import MIN_RATE, NO_BODY, BodyError, ChunkedBody, RequestBody, SizedBody
from .request_head import BadHead, RequestHead, parse_request_line, parse_target

__all__ = ["EmbeddedServer", "QuietHandler", "RealtimeHandler"]

logger = logging.getLogger(__name__)

#: Seconds that a client has for its TLS handshake.
HANDSHAKE_TIMEOUT = 10.0
#: Seconds that a client has to send a request head, from the end of the request before, and to
#: take the next bytes of a response. A response may take these seconds and one more for each
#: ``MIN_RATE`` bytes.
IDLE_TIMEOUT = 75.0
#: Bytes and seconds for what a client still sends after an answer that ends the connection.
LINGER_BYTES = 16_777_216
LINGER_TIMEOUT = 5.0
#: Bytes of a request line, and empty lines in front of one.
MAX_REQUEST_LINE = 8_192
MAX_EMPTY_LINES = 4

_STEP = 65_536


class ResponseLost(OSError):
    """The client is gone or too slow; a broken pipe, which gevent does not log."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "the response was not taken")


class RealtimeHandler(WSGIHandler):
    """A ``handler_class`` for ``gevent.pywsgi.WSGIServer``."""

    #: The body of the request; the server looks at it.
    wsgi_input: Any = NO_BODY
    #: Whether the client may still be sending what was refused.
    _lingers = False

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        set_nodelay(sock)
        super().__init__(sock, *args, **kwargs)
        #: Since when the handler has been waiting for the client; the server looks at it.
        self.waiting_since: float | None = None

    def handle(self) -> None:
        """Serve the requests of one connection."""
        connections: set[Any] = getattr(self.server, "connections", set())
        connections.add(self)
        stream = self.rfile
        try:
            while self.handle_one_request():
                pass
            self._linger()
        except OSError as error:
            # The answer to a request that could not be read was not taken either.
            logger.debug("the peer is gone: %s", error)
        finally:
            connections.discard(self)
            # The environ of a handshake outlives its connection, and with it, in the handler,
            # the buffer of 8 kB.
            stream.close()
            self.socket.close()
            for name in ("socket", "rfile", "wsgi_input"):
                self.__dict__.pop(name, None)

    def handle_one_request(self) -> Literal[True] | None:
        """Serve one request; returns ``True`` when another may follow."""
        if self.rfile.closed:
            return None
        try:
            line = self.read_requestline()
            if not line:
                return None
            self.read_request(line)
        except OSError:
            return None
        except BadHead as error:
            logger.debug("a request of %s is refused: %s", self.client_address, error)
            self._refuse(error.status)
            # Its control characters stay out of the access log.
            self.requestline = (self.requestline or "").encode("unicode_escape").decode()
            self.log_request()
            return None
        self.environ = self.get_environ()
        self.application = _server_options if self.path == "*" else self.server.application
        self.handle_one_response()
        if self.close_connection or self.rfile.closed:
            return None
        return True if self.wsgi_input.skip_rest() else None

    def read_requestline(self) -> str:
        """Wait for the next request: its head has a deadline."""
        self.waiting_since = monotonic()
        self.response_length = 0
        line: bytes = self.rfile.readline(MAX_REQUEST_LINE)
        if line == b"\r\n":
            # Old clients send one behind a body (RFC 9112 §2.2).
            for _ in range(MAX_EMPTY_LINES):
                line = self.rfile.readline(MAX_REQUEST_LINE)
                if line != b"\r\n":
                    break
        return line.decode("latin-1")

    def read_request(self, raw_requestline: str) -> Any:
        """Read a request head.

        Raises:
            BadHead: It is refused.
        """
        self.requestline = raw_requestline[:-2]
        if len(raw_requestline) >= MAX_REQUEST_LINE:
            raise BadHead("the request line is too long", 414)
        self.command, self.path, self.request_version = parse_request_line(raw_requestline)
        head: Any = RequestHead(self.rfile, self.request_version)
        self.headers = head
        if self.path[0] != "/":
            self.path, authority = parse_target(self.command, self.path)
            if authority is not None:
                # RFC 9112 §3.2.2: it replaces Host.
                head.environ["HTTP_HOST"] = authority
        if self.command == "HEAD" and head.content_length:
            raise BadHead("a HEAD request has no body")
        self.content_length = head.content_length
        self.close_connection = not head.keeps_alive()
        return True

    def get_environ(self) -> dict[str, Any]:
        """Return the WSGI environ of the request, with the handler in it.

        It is gevent's, made from fields that have their names already.
        """
        self.waiting_since = None
        head: Any = self.headers
        environ: dict[str, Any] = self.server.get_environ()
        environ.update(head.environ)
        environ.pop("", None)
        path, _, query = (self.path or "").partition("?")
        environ["REQUEST_METHOD"] = self.command
        environ["SCRIPT_NAME"] = ""
        environ["PATH_INFO"] = unquote(path, "latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["SERVER_PROTOCOL"] = self.request_version
        address = self.client_address
        if isinstance(address, tuple):
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = str(address[0]), str(address[1])
        body = self.wsgi_input = self._body(environ)
        # The stream itself for a WebSocket, which has no body; a body is never read from it.
        is_bare = body is NO_BODY and self.command == "GET"
        upgrades = is_bare and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        environ["wsgi.input"] = self.rfile if upgrades else body
        environ["wsgi.input_terminated"] = not upgrades
        # Middlewares may wrap `start_response`, behind which it would be found otherwise.
        environ[HANDLER_KEY] = self
        return environ

    def _body(self, environ: dict[str, Any]) -> RequestBody:
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        if not chunked and not self.content_length:
            return NO_BODY
        expects = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        # RFC 9110 §10.1.1: HTTP/1.0 has no interim responses.
        sock = self.socket if expects and self.request_version != "HTTP/1.0" else None
        if chunked:
            return ChunkedBody(self.rfile, sock)
        return SizedBody(self.rfile, self.content_length or 0, sock)

    def forget_head(self) -> None:
        """Let go of the request head: a WebSocket has begun, and the environ has the fields."""
        head: Any = None
        self.headers = head

    # --- responses ---------------------------------------------------------------

    def finalize_headers(self) -> None:
        """Complete the head of a response; one that ends the connection says so."""
        super().finalize_headers()
        if self.request_version == "HTTP/1.0" and self._ends_with_the_connection():
            self.close_connection = True
        if self.close_connection or self.wsgi_input.failed:
            self.close_connection = True
            fields: Any = self.response_headers
            if self.code != 101 and (b"Connection", b"close") not in fields:
                fields[:] = [field for field in fields if field[0].lower() != b"connection"]
                fields.append((b"Connection", b"close"))

    def _ends_with_the_connection(self) -> bool:
        # HTTP/1.0 has no chunks.
        has_body = self.code not in (204, 304)
        is_counted = self.provided_content_length is not None or hasattr(self.result, "__len__")
        return has_body and not is_counted

    def write(self, data: bytes) -> None:
        """Send a piece of the response; the first goes out together with the head."""
        # The length is known, or there is none: a WebSocket and its first frame.
        is_plain = self.provided_content_length is not None or self.code == 101
        if self.headers_sent or not data or not is_plain:
            super().write(data)
            return
        self.headers_sent = True
        self.finalize_headers()
        # Both are bytes here, whatever the stubs say: `start_response` has encoded them.
        status: Any = self.status
        fields: Any = self.response_headers
        lines: list[bytes] = [b"HTTP/1.1 " + status]
        lines += [name + b": " + value for name, value in fields]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        self._sendall(head + data)

    def _sendall(self, data: bytes | bytearray) -> None:
        # gevent calls this for the pieces of a response.
        began = self.waiting_since = monotonic()
        try:
            sent = self.socket.send(data)
            while sent < len(data):
                now = self.waiting_since = monotonic()
                if now - began > IDLE_TIMEOUT + sent / MIN_RATE:
                    raise TimeoutError("the response is taken too slowly")
                sent += self.socket.send(memoryview(data)[sent:])
        except OSError as error:
            logger.debug("a response to %s was not taken: %s", self.client_address, error)
            self.close_connection = True
            raise ResponseLost from error
        finally:
            self.waiting_since = None
        self.response_length += len(data)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Answer a request whose application raised; a broken body is the client's fault."""
        if not isinstance(v, BodyError):
            super().handle_error(t, v, tb)
            return
        logger.debug("a body of %s is broken: %s", self.client_address, shown(v))
        self.close_connection = True
        if not self.headers_sent:
            self._refuse(v.code or 400)

    def _refuse(self, status: int) -> None:
        self.close_connection = self.headers_sent = self._lingers = True
        line = self._orig_status = f"{status} {HTTPStatus(status).phrase}"
        answer = f"HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        try:
            self._sendall(answer.encode())
        except ResponseLost:
            return

    def _linger(self) -> None:
        """Close in stages (RFC 9112 §9.6).

        To bytes that it closes on unread, the kernel answers with a reset, at which the
        client's kernel drops what its program has not read yet: the answer.
        """
        sock = self.socket
        has_more = _drain(sock)
        if self.code == 101 or not (has_more or self._lingers or not self.wsgi_input.is_at_end):
            return
        self.waiting_since = monotonic()
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(None)
        room = LINGER_BYTES
        try:
            with gevent.Timeout(LINGER_TIMEOUT):
                while room > 0 and (data := sock.recv(_STEP)):
                    room -= len(data)
        except gevent.Timeout:
            logger.debug("%s goes on sending behind the answer", self.client_address)


def _drain(sock: Any) -> bool:
    """Take what has arrived; returns whether there was something."""
    sock.settimeout(0)
    try:
        return bool(sock.recv(_STEP))
    except OSError:
        return False


def _server_options(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer ``OPTIONS *``, which is about the server as a whole (RFC 9110 §9.3.7)."""
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


class EmbeddedServer(WSGIServer):
    """gevent's server, with deadlines for clients that are slow or silent.

    One greenlet looks after all connections: a timer for each read would cost more than the
    rest of reading a request head.
    """

    #: Connections that wait to be accepted: gevent's 128 are too few for all clients of a
    #: server that come back at once.
    backlog = 2048

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # With a pool, `stop` waits for the connections.
        kwargs.setdefault("spawn", Pool())
        super().__init__(*args, **kwargs)
        #: The handlers of the open connections.
        self.connections: set[RealtimeHandler] = set()
        self._sweeper: gevent.Greenlet[..., None] | None = None
        self._silence: Any = None

    def start(self) -> None:
        """Start to accept connections."""
        super().start()
        if self._sweeper is None:
            self._sweeper = gevent.spawn(self._sweep)

    def stop(self, timeout: float | None = None) -> None:
        """Stop, and wait for the connections at most ``timeout`` seconds.

        Those that only wait for a next request are closed at once, the others after theirs.
        """
        for handler in self.connections:
            handler.close_connection = True
            if handler.waiting_since is not None:
                read_no_more(handler.socket)
        if self._sweeper is not None:
            self._sweeper.kill(block=False)
            self._sweeper = None
        super().stop(timeout)

    def forget(self) -> None:
        """Neither listen nor read in this process: in a forked child, which has copies."""
        self._silence = silence(handler.socket for handler in self.connections)
        if self.started:
            self.close()

    def _sweep(self) -> None:
        while True:
            gevent.sleep(min(IDLE_TIMEOUT, request_body.BODY_TIMEOUT) / 10)
            now = monotonic()
            for handler in list(self.connections):
                since, body = handler.waiting_since, handler.wsgi_input
                if since is not None and since < now - IDLE_TIMEOUT:
                    handler.waiting_since = None
                    _shut_down(handler.socket)
                elif body.waits_too_long(now):
                    # The application gets an error, and may still answer.
                    read_no_more(handler.socket)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        """Serve one TLS connection."""
        server: Any = self
        try:
            with gevent.Timeout(HANDSHAKE_TIMEOUT):
                tls_socket = server.wrap_socket(client_socket, **server.ssl_args)
        except (OSError, gevent.Timeout) as error:
            logger.debug("! TLS handshake with %s failed: %s", address, error)
            return None
        try:
            return self.handle(tls_socket, address)
        finally:
            tls_socket.close()


def _shut_down(sock: Any) -> None:
    try:
        # A greenlet that reads or writes gets an error, and closes.
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("the peer was gone before its time was over")


class QuietHandler(RealtimeHandler):
    """The same without an access log."""

    def log_request(self) -> None:
        """Write nothing, and format nothing either."""
