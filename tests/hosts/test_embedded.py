"""The handler of the embedded server, on a real port of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.pywsgi import WSGIServer

from flask_realtime import Middleware, Server
from flask_realtime.engine.requests.host import HANDLER_KEY
from flask_realtime.engine.session import Session
from flask_realtime.hosts.embedded import EmbeddedServer, RealtimeHandler
from flask_realtime.hosts.finder import SocketFinder
from flask_realtime.testing.frames import FrameReader, text_frame
from tests.fakes import deadline, wait_until

HELLO = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Serve = Callable[..., int]


@pytest.fixture
def serve(quiet_hub: Any) -> Iterator[Serve]:
    """Serve an application; returns the port."""
    servers: list[WSGIServer] = []

    def start(app: Any, handler: type = RealtimeHandler) -> int:
        server = EmbeddedServer(("127.0.0.1", 0), app, handler_class=handler, log=None)
        server.start()
        servers.append(server)
        return int(server.address[1])

    yield start
    for server in servers:
        server.stop(timeout=1)


class Connection:
    """A TCP connection that speaks as the test says."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.buffer = b""
        self._reader = FrameReader()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until(self, mark: bytes) -> bytes:
        """Read until the mark, and keep what is behind it."""
        with deadline(f"{mark!r}"):
            while mark not in self.buffer:
                data = self.socket.recv(65536)
                assert data, f"the end before {mark!r}: {self.buffer!r}"
                self.buffer += data
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def rest(self) -> bytes:
        """Read to the end; a reset is an error."""
        with deadline("the end"):
            while data := self.socket.recv(65536):
                self.buffer += data
        return self.buffer

    def frames(self, count: int) -> list[bytes]:
        """The payloads of the next WebSocket frames."""
        self._reader.feed(self.buffer)
        self.buffer = b""
        found: list[bytes] = []
        with deadline("frames"):
            while len(found) < count:
                if (frame := self._reader.next()) is not None:
                    found.append(frame[1])
                else:
                    data = self.socket.recv(65536)
                    assert data, "the end before a frame"
                    self._reader.feed(data)
        return found

    def talk(self) -> None:
        """Join the main namespace, unless that was done, and get an answer to an event."""
        opened, connected = self.frames(2)
        assert opened.startswith(b'0{"sid"')
        assert connected.startswith(b'40{"sid"')
        self.send(text_frame('420["event","hi"]'))
        assert self.frames(1) == [b'430["hi!"]']


def test_the_application_finds_the_handler_behind_any_middleware(serve: Serve) -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        def wrapped(*args: Any) -> Any:
            return start_response(*args)

        found = SocketFinder().find(environ, wrapped)
        assert found is not None
        seen.append((type(environ[HANDLER_KEY]), found.socket.getpeername()))
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.until(b"\r\n\r\n")
        assert seen == [(RealtimeHandler, connection.socket.getsockname())]


def test_a_websocket_is_opened_by_the_application(serve: Serve) -> None:
    io = Server()
    io.event("event")(lambda socket, text: text + "!")
    with Connection(serve(Middleware(io))) as connection:
        connection.send(HELLO)
        head = connection.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert b"Transfer-Encoding" not in head
        connection.send(text_frame("40"))
        connection.talk()
    wait_until(lambda: io.engine.clients_count == 0)


def test_frames_in_one_segment_with_the_request_are_not_lost(serve: Serve) -> None:
    io = Server()
    io.event("event")(lambda socket, text: text + "!")
    with Connection(serve(Middleware(io))) as connection:
        connection.send(HELLO + text_frame("40"))
        connection.until(b"\r\n\r\n")
        connection.talk()


def test_a_refusal_is_an_ordinary_answer_and_the_connection_goes_on(serve: Serve) -> None:
    with Connection(serve(Middleware(Server(allow_request=lambda environ: False)))) as connection:
        for _ in range(2):
            connection.send(HELLO)
            head = connection.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 403 ")
            connection.until(b'{"code":4,"message":"Forbidden"}')


def test_nagle_is_off(serve: Serve) -> None:
    seen: list[int] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found = SocketFinder().find(environ, start_response)
        assert found is not None
        seen.append(found.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    with Connection(serve(app)) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.until(b"\r\n\r\n")
    assert seen[0] != 0


def test_a_close_is_announced_to_keep_alive_clients(serve: Serve) -> None:
    with Connection(serve(Middleware(Server()))) as connection:
        connection.send(
            b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert b"connection: close" in connection.until(b"\r\n\r\n").lower()


def test_the_first_request_of_a_connection_is_answered_when_the_server_is_told_to_end(
    quiet_hub: Any,
) -> None:
    app = Middleware(Server())
    server = EmbeddedServer(("127.0.0.1", 0), app, handler_class=RealtimeHandler, log=None)
    server.start()
    port = int(server.address[1])
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with Connection(port) as used, Connection(port) as fresh, Connection(port) as silent:
        used.send(request)
        assert used.until(b"\r\n").startswith(b"HTTP/1.1 404")
        wait_until(lambda: len(server.connections) == 3)
        end = gevent.spawn(server.stop, 30)
        used.rest()
        fresh.send(request)
        assert fresh.until(b"\r\n").startswith(b"HTTP/1.1 404")
        assert silent.rest() == b""
        with deadline():
            end.get()


def test_bytes_behind_the_end_of_a_websocket_are_not_a_request(serve: Serve) -> None:
    seen: list[str] = []

    def behind(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    io = Server()
    with Connection(serve(Middleware(io, behind))) as connection:
        connection.send(HELLO)
        connection.until(b"\r\n\r\n")
        connection.send(b"\x88\x80abcd" + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        with deadline("the end"):
            try:
                while connection.socket.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    wait_until(lambda: io.engine.clients_count == 0)
    gevent.sleep(0.01)
    assert seen == []


def test_a_websocket_holds_the_environ_of_its_request_and_no_handler(serve: Serve) -> None:
    io = Server()
    with Connection(serve(Middleware(io))) as connection:
        connection.send(HELLO)
        connection.until(b"\r\n\r\n")
        (session,) = wait_until(lambda: list(io.engine.clients.values()))
        assert session.request["HTTP_HOST"] == "localhost"
        assert HANDLER_KEY not in session.request


POLL = (
    b"%s /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
)


def waiting_get(io: Server, port: int) -> tuple[Connection, Session]:
    """Open a session whose GET waits."""
    connection = Connection(port)
    connection.send(POLL % (b"GET", b"", 0, b""))
    connection.until(b'"maxPayload"')
    connection.until(b"}")
    (session,) = io.engine.clients.values()
    connection.send(POLL % (b"GET", b"&sid=%s" % session.id.encode(), 0, b""))
    wait_until(lambda: session.writable)
    return connection, session


def test_a_client_that_goes_away_while_its_get_waits_ends_its_session(serve: Serve) -> None:
    io = Server()
    connection, session = waiting_get(io, serve(Middleware(io)))
    reasons: list[str] = []
    session.on("close", lambda *args: reasons.extend(args))
    connection.socket.close()
    wait_until(lambda: reasons)
    assert reasons == ["transport error", "poll connection closed prematurely"]


def test_a_request_behind_a_get_that_waits_is_answered_after_it(serve: Serve) -> None:
    io = Server()
    connection, session = waiting_get(io, serve(Middleware(io)))
    with connection:
        for packet in (b"4one", b"4two"):
            connection.send(POLL % (b"GET", b"&sid=%s" % session.id.encode(), 0, b""))
            gevent.sleep(0.01)
            session.send(packet[1:].decode())
            connection.until(b"\r\n\r\n" + packet)
        connection.socket.close()
        wait_until(lambda: session.ready_state == "closed")


def test_a_session_does_not_hold_the_buffer_of_a_connection_that_is_gone(serve: Serve) -> None:
    io = Server()
    with Connection(serve(Middleware(io))) as connection:
        connection.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.until(b'"maxPayload"')
        (session,) = io.engine.clients.values()
        stream = session.request[HANDLER_KEY].rfile
        assert not stream.closed
    wait_until(lambda: stream.closed)
    assert session.ready_state == "open"
