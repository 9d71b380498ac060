"""What stands in for the world in the tests: the WSGI server, the layer above.

Nothing here is a mock: sockets are real ones, connected to each other inside this process.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gevent import socket
from werkzeug.datastructures import Headers

from flask_realtime.engine.engine import Engine
from flask_realtime.engine.requests.host import Environ, Host, NoHost, StartResponse
from flask_realtime.engine.requests.obstacles import Obstacle
from flask_realtime.engine.requests.request import Request
from flask_realtime.engine.session import Session
from flask_realtime.engine.sessions import Sessions
from flask_realtime.engine.traffic import Traffic
from flask_realtime.errors import WriteKept
from flask_realtime.hosts.remedies import REMEDIES
from flask_realtime.loop.hub import HubThread
from flask_realtime.loop.scheduler import Scheduler
from flask_realtime.options import Options
from flask_realtime.testing import Late, ManualTime, deadline, settle, wait_until
from flask_realtime.testing.waiting import DEADLINE

__all__ = [
    "CONNECTION",
    "DEADLINE",
    "UPGRADE_HEADERS",
    "Answer",
    "EngineUnderTest",
    "FakeHost",
    "FakeHostSocket",
    "Late",
    "RecordingHandler",
    "RecordingReceiver",
    "deadline",
    "request",
    "reset",
    "settle",
    "tcp_pair",
    "wait_until",
]

#: Where the environ of a request holds the server's end of its connection.
CONNECTION = "tests.connection"

# --- sockets -----------------------------------------------------------------


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets, for what Unix sockets cannot do, such as a reset."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return server, client


def reset(sock: socket.socket) -> None:
    """Close a TCP socket with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class FakeHostSocket:
    """The socket below one request, as a WSGI server would give it."""

    def __init__(
        self, sock: socket.socket, start_response: StartResponse, leftover: bytes, upgraded: bool
    ) -> None:
        self.socket = sock
        self.is_upgraded = upgraded
        self._start_response = start_response
        self._leftover = leftover

    @property
    def can_peek(self) -> bool:
        return not hasattr(self.socket, "pending")

    def writer_of(self, write: Any) -> Any:
        """A middleware of these tests keeps what is written in a list."""
        owner = getattr(write, "__self__", self)
        return None if isinstance(owner, list) else owner

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        if not self.is_upgraded:
            write = self._start_response("101 Switching Protocols", list(headers))
            if self.writer_of(write) is None:
                raise WriteKept
        self.socket.sendall(first)
        return self._leftover

    def detach(self, lost: Callable[[str], None]) -> None:
        """Return nothing: the request lasts as long as the WebSocket."""

    def give_back(self) -> None:
        """The greenlet of the request closes the socket."""


class FakeHost:
    """Finds the sockets that tests leave in the environ.

    Attributes:
        leftover: What it says it had read beyond the request.
        upgrades_first: Whether it behaves like a host that sends the 101 by itself.
    """

    def __init__(self) -> None:
        self.leftover = b""
        self.upgrades_first = False

    def find(
        self, environ: Mapping[str, Any], start_response: StartResponse
    ) -> FakeHostSocket | None:
        sock = environ.get(CONNECTION)
        if sock is None:
            return None
        upgraded = self.upgrades_first and "HTTP_UPGRADE" in environ
        return FakeHostSocket(sock, start_response, self.leftover, upgraded)

    def remedy(self, obstacle: Obstacle) -> str:
        return REMEDIES[obstacle]


# --- requests ----------------------------------------------------------------


#: What is the same in all requests.
PLAIN_ENVIRON: Final[Environ] = {
    "SCRIPT_NAME": "",
    "REMOTE_ADDR": "127.0.0.1",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "5000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "localhost:5000",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def request(
    method: str = "GET",
    query: str = "EIO=4&transport=polling",
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "/socket.io/",
    connection: socket.socket | None = None,
    wsgi: Mapping[str, Any] | None = None,
    **more: Any,
) -> Environ:
    """The WSGI environ of a request; ``wsgi`` and ``more`` are keys of the environ itself."""
    environ: Environ = {
        **PLAIN_ENVIRON,
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.errors": io.StringIO(),
    }
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["CONTENT_TYPE"] = "text/plain;charset=UTF-8"
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key.startswith("CONTENT_") else f"HTTP_{key}"] = value
    if connection is not None:
        # The second name is the one under which gunicorn's worker gives its socket.
        environ[CONNECTION] = environ["gunicorn.socket"] = connection
    environ.update(more)
    environ.update(wsgi or {})
    return environ


def value_of(
    environ: Mapping[str, Any],
    start_response: StartResponse | None = None,
    host: Host | None = None,
) -> Request:
    """The value that the engine makes of a request."""
    return Request(dict(environ), start_response or Answer().start_response, host or NoHost())


#: The headers with which a browser opens a WebSocket.
UPGRADE_HEADERS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Answer:
    """The answer to a request, as far as it has come; ``sock`` and ``write`` are gunicorn's."""

    def __init__(self) -> None:
        self.status = 0
        self.headers = Headers()
        self.body = b""
        self.sock: Any = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        assert isinstance(status, str)
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in headers)
        self.status = int(status.split()[0])
        self.headers = Headers(headers)
        return self.write

    def write(self, data: bytes) -> None:
        self.body += data

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def packets(self) -> list[str]:
        """The packets of a polling payload."""
        return self.text.split("\x1e")

    @property
    def handshake(self) -> dict[str, Any]:
        """The content of the OPEN packet."""
        assert self.status == 200, self.body
        assert self.text.startswith("0{"), self.text
        found: dict[str, Any] = json.loads(self.packets[0][1:])
        return found

    def fill(self, app: Any, environ: Environ) -> Answer:
        """Run the application in the current greenlet."""
        self.sock = environ.get(CONNECTION)
        chunks = app(environ, self.start_response)
        try:
            for chunk in chunks:
                self.write(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
            if self.status == 101 or environ.get("tests.upgraded"):
                environ[CONNECTION].close()
        length = self.headers.get("Content-Length")
        assert length is None or int(length) == len(self.body) or not self.body
        return self


# --- the layer above the engine ----------------------------------------------


class RecordingReceiver:
    """Keeps what a session reports."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.ends: list[tuple[str, object]] = []

    def on_message(self, data: str | bytes) -> None:
        self.messages.append(data)

    def on_close(self, reason: str, description: object) -> None:
        self.ends.append((reason, description))

    def on_forget(self) -> None:
        """It holds no request."""

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.ends]


class RecordingHandler:
    """Takes new sessions.

    Attributes:
        greet: Called with each new session, in the place of a connection handler.
    """

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.receivers: list[RecordingReceiver] = []
        self.greet: Callable[[Session], Any] = lambda session: None

    def on_open(self, session: Session) -> RecordingReceiver:
        self.sessions.append(session)
        self.receivers.append(RecordingReceiver())
        session.inbox.put(self.greet, (session,))
        return self.receivers[-1]

    @property
    def last(self) -> tuple[Session, RecordingReceiver]:
        return self.sessions[-1], self.receivers[-1]


def no_sessions() -> Sessions:
    """Where sessions of a test are listed that have no engine."""
    return Sessions({}, Traffic(), Options.build({}), Scheduler(ManualTime(), ManualTime()))


class EngineUnderTest:
    """An engine with a fake host, a clock that stands still and a recording layer above."""

    def __init__(self, **options: Any) -> None:
        self.time = ManualTime()
        self.host = FakeHost()
        self.handler = RecordingHandler()
        self.scheduler = Scheduler(self.time, self.time)
        self.engine = Engine()
        self.engine.bind(self.handler, self.host, HubThread())
        self.engine.configure(Options.build(options), self.scheduler)
