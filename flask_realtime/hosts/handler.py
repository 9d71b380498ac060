"""The embedded server's handler: the requests of one connection, one after the other.

It takes the place of gevent's own behind ``handler_class``. WebSockets are opened by the
application after its checks, so that a refusal is an ordinary HTTP answer; the handler shows
itself to the application for that.

Polling makes HTTP itself a hot path: a body that has arrived with its head is read without
waiting, and a response is one segment.
"""

from __future__ import annotations

import errno
import logging
import sys
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from time import monotonic
from typing import Any

import gevent
from gevent import GreenletExit

from ..engine.requests.host import HANDLER_KEY
from ..quoting import shown
from .connections import ResponseLost, close_in_stages, drain, set_nodelay
from .open_websocket import OpenWebSocket, bare
from .request_body import MIN_RATE, NO_BODY, BodyError, RequestBody, open_body
from .request_environ import Environs, slim
from .request_head import BadHead
from .request_stream import RequestStream
from .response import Response, server_options

__all__ = ["QuietHandler", "RealtimeHandler"]

logger = logging.getLogger(__name__)

#: Seconds that a client has to send a request head, from the end of the request before, and to
#: take the next bytes of a response. A response may take these seconds and one more for each
#: ``MIN_RATE`` bytes.
IDLE_TIMEOUT = 75.0
#: Errors at which the client is gone.
_GONE = (errno.EPIPE, errno.ECONNRESET)
#: What an application may raise; the last when the server kills its greenlet.
_RAISED = (Exception, gevent.Timeout, GreenletExit)
_FAILED = "500 Internal Server Error"


class RealtimeHandler:
    """A ``handler_class`` for ``gevent.pywsgi.WSGIServer``.

    Args:
        sock: The connection, a gevent socket.
        address: The client's.
        server: The server.

    Attributes:
        socket: As given.
        server: As given.
        rfile: What arrives.
        response: The answer to the present request.
        body: What of the request's body is still to come; the server looks at it.
        close_connection: Whether the connection ends with the present response.
        idle_timeout: Seconds for the next request head.
        waits_until: When the handler will have waited too long for the client; the server looks
            at it.
    """

    #: The two may be gone when the handler has ended.
    socket: Any
    rfile: RequestStream
    #: Whether there is an access log.
    logs_requests: bool = True

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        set_nodelay(sock)
        self.socket = sock
        self.client_address: Any = address
        self.server: Any = server
        self.rfile = RequestStream(sock)
        self.response: Response | None = None
        self.body: RequestBody = NO_BODY
        self.close_connection: bool = False
        self.idle_timeout: float = IDLE_TIMEOUT
        self.waits_until: float | None = None
        #: For the access log: the bytes of the response, and when it began and ended.
        self.response_length: int = 0
        self.time_start: float = 0.0
        self.time_finish: float = 0.0
        # Whether the client may still be sending what was refused.
        self._lingers = False
        self._request_line = b""
        self._block = b""
        self._arrived = b""
        self._refused = ""
        self._websocket: OpenWebSocket | None = None  # once the request may return
        self._environs = Environs(self.begin_environ)

    def handle(self) -> None:
        """Serve the requests of the connection."""
        connections: set[Any] = getattr(self.server, "connections", set())
        connections.add(self)
        self.close_connection = getattr(self.server, "is_ending", False)
        try:
            while self._serve():
                pass
            self._linger()
        except OSError as error:
            # The answer to a request that could not be read was not taken either.
            logger.debug("the peer is gone: %s", error)
        finally:
            connections.discard(self)
            # The environ of a handshake outlives its connection, and with it the handler.
            if not self.rfile.closed:
                self.rfile.close()
                self.forget_head()
            if self._websocket is None:
                self.socket.close()
            # The environs refer to the handler: a circle would wait for the collector of garbage.
            del self.socket, self.rfile, self._environs

    def _serve(self) -> bool:
        """Serve one request; returns whether another may follow."""
        self.waits_until = monotonic() + self.idle_timeout
        self.response = None
        self.response_length = 0
        self._request_line = b""
        try:
            head = self.rfile.head()
            if head is None:
                return False
            environ = self.read_request(*head)
        except OSError:
            return False
        except BadHead as error:
            self._refuse_head(error)
            return False
        self.waits_until = None
        self._respond(environ)
        self._arrived = b""
        if self.close_connection or self.rfile.closed:
            return False
        body = self.body
        return body is NO_BODY or body.skip_rest()

    @property
    def is_fresh(self) -> bool:
        """Whether no request has come yet."""
        return not self.time_start

    # --- requests ----------------------------------------------------------------

    def read_request(self, line: bytes, block: bytes) -> dict[str, Any]:
        """Return the environ of a request, with the handler in it.

        Args:
            line: The request line with its CRLF.
            block: The lines of its fields, each with its CRLF.

        Raises:
            BadHead: It is refused.
        """
        self._request_line, self._block = line, block
        fields, environ = self._environs.make(line, block)
        method = environ["REQUEST_METHOD"]
        if not fields.keeps_alive:
            self.close_connection = True
        if fields.content_length or fields.is_chunked:
            if method == "HEAD" and fields.content_length:
                raise BadHead("a HEAD request has no body")
            opened = open_body(fields, self.rfile, self.socket)
            environ["wsgi.input"], self.body, self._arrived = opened
        else:
            self.body = NO_BODY
            if fields.is_upgrade and method == "GET":
                # The stream itself for a WebSocket, which has no body.
                environ["wsgi.input"] = self.rfile
                environ["wsgi.input_terminated"] = False
        self.response = Response(self, method, environ["SERVER_PROTOCOL"])
        return environ

    def begin_environ(self, fields: dict[str, str]) -> dict[str, Any]:
        """Return what does not depend on the request line.

        Args:
            fields: The fields of the request, as the environ has them.
        """
        environ: dict[str, Any] = self.server.get_environ()
        environ.update(fields)
        environ["SCRIPT_NAME"] = ""
        address = self.client_address
        if isinstance(address, tuple):
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = str(address[0]), str(address[1])
        environ["wsgi.input"] = NO_BODY
        environ["wsgi.input_terminated"] = True
        # Middlewares may wrap `start_response`, behind which it would be found otherwise.
        environ[HANDLER_KEY] = self
        return environ

    def head(self) -> bytes:
        """Return the head of the present request as it came."""
        return self._request_line + self._block + b"\r\n"

    def rest(self) -> bytes:
        """Return what has arrived behind the head of the present request."""
        return self._arrived + self.rfile.peek()

    def hand_over(self) -> bytes:
        """Leave the socket to a WebSocket; return what has arrived of its frames."""
        arrived = self.rfile.peek()
        self.rfile.close()
        self.forget_head()
        if self.rfile.is_plain:
            self.socket = bare(self.socket)
        return arrived

    def detach(self, lost: Callable[[str], None]) -> Callable[[], None] | None:
        """Let the request return; see :class:`~flask_realtime.engine.requests.host.HostSocket`."""
        self.close_connection = True
        log = self._log_websocket if self.logs_requests else None
        if self.rfile.is_plain:  # not on TLS, nor what another worker has begun to read
            self._websocket = OpenWebSocket.in_place_of(self.server, self.socket, lost, log)
        return None if self._websocket is None else self._websocket.end

    def let_go(self) -> None:
        """Write and read nothing more: the connection is another worker's."""
        self.close_connection = True
        self.body = NO_BODY
        if self.response is not None:
            self.response.is_begun = True

    def forget_head(self) -> None:
        """Let go of the request head: the environ has the fields, if anything needs them."""
        self._block = self._arrived = b""
        self._environs.forget()

    # --- responses ---------------------------------------------------------------

    def end_with_response(self) -> None:
        """Let the connection end with the present response."""
        self.close_connection = True

    def send(self, data: bytes) -> None:
        """Send bytes of a response.

        Raises:
            ResponseLost: The client is gone or too slow.
        """
        try:
            try:
                # Nearly always there is room for all of it, which needs no deadline.
                sent = self.socket.send(data, 0, 0.0) if self.rfile.is_plain else 0
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self._send_rest(data, sent)
        except OSError as error:
            logger.debug("a response to %s was not taken: %s", self.client_address, error)
            self.close_connection = True
            raise ResponseLost from error
        self.response_length += len(data)

    def _send_rest(self, data: bytes, sent: int) -> None:
        """Wait for the client to take what it has not got yet."""
        began = now = monotonic()
        try:
            while sent < len(data):
                self.waits_until = now + IDLE_TIMEOUT
                if now - began > IDLE_TIMEOUT + sent / MIN_RATE:
                    raise TimeoutError("the response is taken too slowly")
                sent += self.socket.send(memoryview(data)[sent:])
                now = monotonic()
        finally:
            self.waits_until = None

    def _respond(self, environ: dict[str, Any]) -> None:
        response = self.response
        assert response is not None
        application = self.server.application
        if environ["PATH_INFO"] == "*":
            application = server_options
        self.time_start = time.time()
        try:
            response.run(application, environ)
        except BodyError as error:
            logger.debug("a body of %s is broken: %s", self.client_address, shown(error))
            self.close_connection = True
            if not response.is_begun:
                self._refuse(error.code or 400)
        except OSError as error:
            self.close_connection = True
            if error.errno not in _GONE:
                self._fail(environ, response)
        except _RAISED:
            self._fail(environ, response)
        finally:
            if self._websocket is not None:
                self._detached(environ)
            elif self.logs_requests:
                self.time_finish = time.time()
                self.log_request(environ)

    def _detached(self, environ: dict[str, Any]) -> None:
        """Let go of what a WebSocket does not need; its session keeps the environ."""
        environ.pop(HANDLER_KEY, None)
        slim(environ, self.socket)
        if self.logs_requests:
            self._logged = environ
        else:
            self.response = None

    def _fail(self, environ: dict[str, Any], response: Response) -> None:
        """Log what the application has raised; answer 500 if nothing was sent yet."""
        if not isinstance(sys.exc_info()[1], GreenletExit):
            self.log_failure(environ)
        self.close_connection = True
        if response.is_begun:
            return
        text = b"Internal Server Error"
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        try:
            response.start_response(_FAILED, fields)
            response.write(text)
        except ResponseLost:
            return

    def _refuse_head(self, error: BadHead) -> None:
        logger.debug("a request of %s is refused: %s", self.client_address, error)
        self.time_start = self.time_finish = time.time()
        if not self._request_line:
            self._request_line = self.rfile.peek().partition(b"\n")[0]
        self._refuse(error.status)
        if self.logs_requests:
            self.log_request({})

    def _refuse(self, status: int) -> None:
        self.close_connection = self._lingers = True
        self._refused = f"{status} {HTTPStatus(status).phrase}"
        fields = "Connection: close\r\nContent-Length: 0\r\n\r\n"
        try:
            self.send(f"HTTP/1.1 {self._refused}\r\n{fields}".encode())
        except ResponseLost:
            return

    # --- the logs ----------------------------------------------------------------

    def log_failure(self, environ: dict[str, Any]) -> None:
        """Report the exception of an application as gevent does, without the request's fields."""
        context = self.server.secure_environ_class(environ)
        self.server.loop.handle_error(context, *sys.exc_info())

    @property
    def status(self) -> str:
        """The status of the present answer."""
        if self._refused or self.response is None:
            return self._refused
        return self.response.status

    @property
    def request_line(self) -> str:
        """The present request line as text; one that was refused has no control characters."""
        text = self._request_line.decode("latin-1").rstrip("\r\n")
        return text.encode("unicode_escape").decode() if self._refused else text

    def _log_websocket(self) -> None:
        self.time_finish = time.time()
        self.log_request(self._logged)

    def log_request(self, environ: dict[str, Any]) -> None:
        """Write a line to the access log, in the form of gevent's.

        Args:
            environ: The request; empty when it was refused.
        """
        address = self.client_address
        client = address[0] if isinstance(address, tuple) else address
        now = datetime.now().replace(microsecond=0)
        status = (self.status or "000").split()[0]
        took = self.time_finish - self.time_start
        line = f'"{self.request_line}" {status} {self.response_length or "-"} {took:.6f}'
        self.server.log.write(f"{client or '-'} - - [{now}] {line}\n")

    # --- the end -----------------------------------------------------------------

    def _linger(self) -> None:
        """End the connection so that the last answer arrives."""
        if self._websocket or (self.response is not None and self.response.code == 101):
            return
        is_unread = self._lingers or not self.body.is_at_end
        if drain(self.socket) or is_unread:
            self.waits_until = monotonic() + IDLE_TIMEOUT
            close_in_stages(self.socket)


class QuietHandler(RealtimeHandler):
    """The same without an access log."""

    logs_requests = False
