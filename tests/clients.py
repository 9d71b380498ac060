"""Clients inside this process: they call a WSGI application and speak Socket.IO with it.

A polling client makes its requests by calling the application; a WebSocket client holds the
other end of the socket that the application takes over.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import gevent
from gevent import socket
from gevent.event import AsyncResult

from flask_realtime.testing.frames import BINARY, CLOSE, TEXT, FrameReader, frame, text_frame
from tests.fakes import DEADLINE, UPGRADE_HEADERS, Answer, deadline, request, reset, tcp_pair

Packet = str | bytes


class Closed(Exception):
    """The server has closed the WebSocket; ``code`` is 1006 without a close frame."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Line(Protocol):
    """A client of one Engine.IO session, whichever transport it uses."""

    handshake: dict[str, Any]

    def send(self, *packets: Packet) -> None:
        """Send packets."""

    def receive(self) -> Packet:
        """The next packet; raises :exc:`Closed` after the last."""

    def leave(self) -> None:
        """Go away for good, as a client that is closed does."""


class WebSocketLine:
    """A WebSocket whose other end the application has.

    Attributes:
        socket: The client's end.
        answer: The answer of the application, 101 at best.
        greenlet: The greenlet that serves the request.
    """

    def __init__(
        self, network: Network, query: str, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        server, self.socket = tcp_pair() if more.pop("tcp", False) else socket.socketpair()
        network.sockets += [server, self.socket]
        self.answer = Answer()
        self.handshake: dict[str, Any] = {}
        self.frames = FrameReader()
        environ = request(
            query=query,
            headers={**UPGRADE_HEADERS, **(headers or {})},
            connection=server,
            **more,
        )
        self.greenlet = network.start(self.answer, environ)

    @property
    def sid(self) -> str:
        return str(self.handshake["sid"])

    def open(self) -> WebSocketLine:
        """Take the OPEN packet of a new session."""
        packet = self.receive()
        assert isinstance(packet, str)
        assert packet.startswith("0{"), packet
        self.handshake = json.loads(packet[1:])
        return self

    def send(self, *packets: Packet) -> None:
        self.send_frames(
            *(
                text_frame(packet) if isinstance(packet, str) else frame(BINARY, packet)
                for packet in packets
            )
        )

    def send_frames(self, *frames: bytes) -> None:
        with deadline("sending"):
            self.socket.sendall(b"".join(frames))

    def receive_frame(self) -> tuple[int, bytes]:
        with deadline("a frame of the server"):
            while (found := self.frames.next()) is None:
                try:
                    data = self.socket.recv(262_144)
                except ConnectionResetError:
                    data = b""
                if not data:
                    assert self.frames.is_empty, "the stream ends inside a frame"
                    raise Closed(1006)
                self.frames.feed(data)
        return found

    def receive(self) -> Packet:
        opcode, payload = self.receive_frame()
        if opcode == CLOSE:
            raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)
        return payload.decode() if opcode == TEXT else payload

    def leave(self) -> None:
        """Close the connection: FIN, also when something is unread."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection: RST."""
        reset(self.socket)

    def wait_closed(self) -> int:
        """Take what comes until the server has closed; the code of its close frame."""
        while True:
            try:
                self.receive()
            except Closed as closed:
                return closed.code

    def ended(self) -> None:
        """Wait until the server has let the request go."""
        self.greenlet.get(timeout=DEADLINE)


class PollingLine:
    """Requests of one polling session over one keep-alive connection."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._packets: list[str] = []
        self.server_end, self.client_end = socket.socketpair()
        network.sockets += [self.server_end, self.client_end]
        self.handshake: dict[str, Any] = {}

    @property
    def sid(self) -> str:
        return str(self.handshake["sid"])

    def open(self, **more: Any) -> Answer:
        """The handshake."""
        answer = self.request("GET", "EIO=4&transport=polling", **more)
        self.handshake = answer.handshake
        self._packets += answer.packets[1:]
        return answer

    def request(self, method: str, query: str = "", **more: Any) -> Answer:
        found: Answer = self.start(method, query, **more).get(timeout=DEADLINE)
        return found

    def start(self, method: str = "GET", query: str = "", **more: Any) -> Any:
        """A request in a greenlet of its own, whose result is the answer."""
        query = query or f"EIO=4&transport=polling&sid={self.sid}"
        environ = request(method, query, **{"connection": self.server_end, **more})
        return self._network.start(Answer(), environ)

    def start_get(self) -> Any:
        """A GET that waits; settled far enough to be the one under way."""
        greenlet = self.start()
        gevent.sleep(0)
        return greenlet

    def get(self) -> Answer:
        return self.request("GET")

    def post(self, *packets: Packet, **more: Any) -> Answer:
        body = "\x1e".join(_encoded(packet) for packet in packets).encode()
        return self.request("POST", body=body, **more)

    def send(self, *packets: Packet) -> None:
        answer = self.post(*packets)
        assert (answer.status, answer.body) == (200, b"ok")

    def receive(self) -> Packet:
        while not self._packets:
            answer = self.get()
            if answer.status != 200:
                raise Closed(answer.json["code"])
            self._packets = answer.packets
        packet = self._packets.pop(0)
        return _decoded(packet)

    def leave(self) -> None:
        """Say goodbye in a POST."""
        self.send("1")

    def abandon(self) -> None:
        """Close the TCP connection."""
        self.client_end.close()


def _encoded(packet: Packet) -> str:
    from base64 import b64encode

    return packet if isinstance(packet, str) else "b" + b64encode(packet).decode()


def _decoded(packet: str) -> Packet:
    from base64 import b64decode

    return b64decode(packet[1:]) if packet.startswith("b") else packet


class SocketClient:
    """Speaks Socket.IO over a line."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def send(self, packet: str, *attachments: bytes) -> None:
        """Send a Socket.IO packet, such as ``'2["event"]'``."""
        self.line.send("4" + packet, *attachments)

    def receive(self) -> Any:
        """The next message, pings left out: ``str`` without its digit, or ``bytes``."""
        while True:
            packet = self.line.receive()
            if isinstance(packet, bytes):
                return packet
            if packet.startswith("4"):
                return packet[1:]
            if packet.startswith("1"):
                raise Closed(1005)

    def connect(self, namespace: str = "/", auth: Any = None) -> str:
        """Join a namespace; the id of the socket."""
        head = "" if namespace == "/" else namespace + ","
        self.send("0" + head + ("" if auth is None else json.dumps(auth)))
        answer = self.receive()
        assert answer.startswith("0" + head), answer
        return str(json.loads(answer[1 + len(head) :])["sid"])

    def emit(self, event: str, *args: Any, ack_id: int | None = None) -> None:
        self.send(f"2{'' if ack_id is None else ack_id}{json.dumps([event, *args])}")

    def event(self) -> list[Any]:
        """The next packet, which has to be an event without attachments."""
        packet = self.receive()
        assert packet[0] == "2", packet
        found: list[Any] = json.loads(packet[packet.index("[") :])
        return found

    def question(self) -> tuple[int, list[Any]]:
        """The next packet, which has to be an event that asks for an acknowledgement."""
        packet = self.receive()
        assert packet[0] == "2", packet
        start = packet.index("[")
        return int(packet[1:start].rpartition(",")[2]), json.loads(packet[start:])

    def answer(self, ack_id: int, *args: Any) -> None:
        self.send(f"3{ack_id}{json.dumps(list(args))}")

    def call(self, event: str, *args: Any, ack_id: int = 0) -> list[Any]:
        """Emit, and return the arguments of the acknowledgement."""
        self.emit(event, *args, ack_id=ack_id)
        packet = self.receive()
        assert packet.startswith(f"3{ack_id}["), packet
        found: list[Any] = json.loads(packet[1 + len(str(ack_id)) :])
        return found

    def disconnect(self, namespace: str = "/") -> None:
        self.send("1" if namespace == "/" else f"1{namespace},")


class Network:
    """Clients of one application; :meth:`close` hangs up and sees every request end.

    Args:
        app: The WSGI application.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app
        self.sockets: list[socket.socket] = []
        self._requests: list[Any] = []

    def start(self, answer: Answer, environ: dict[str, Any]) -> Any:
        greenlet = gevent.spawn(answer.fill, self.app, environ)
        self._requests.append(greenlet)
        return greenlet

    def request(
        self, method: str = "GET", query: str = "EIO=4&transport=polling", **more: Any
    ) -> Answer:
        """One request, to its end."""
        found: Answer = self.start(Answer(), request(method, query, **more)).get(timeout=DEADLINE)
        return found

    def polling(self, **more: Any) -> PollingLine:
        """A new polling session."""
        line = PollingLine(self)
        line.open(**more)
        return line

    def websocket(self, **more: Any) -> WebSocketLine:
        """A new WebSocket session."""
        return WebSocketLine(self, "EIO=4&transport=websocket", **more).open()

    def dial(self, sid: str = "", **more: Any) -> WebSocketLine:
        """A WebSocket that wants to be the transport of a session."""
        query = f"EIO=4&transport=websocket&sid={sid}" if sid else "EIO=4&transport=websocket"
        return WebSocketLine(self, query, **more)

    def upgrade(self, line: PollingLine) -> WebSocketLine:
        """Take a polling session over to WebSocket."""
        new = self.dial(line.sid)
        new.handshake = line.handshake
        new.send("2probe")
        assert new.receive() == "3probe"
        new.send("5")
        return new

    def line(self, transport: str) -> PollingLine | WebSocketLine:
        return self.polling() if transport == "polling" else self.websocket()

    def client(self, transport: str = "websocket") -> SocketClient:
        """A client that has joined nothing yet."""
        return SocketClient(self.line(transport))

    def joined(
        self, transport: str = "websocket", namespace: str = "/", auth: Any = None
    ) -> SocketClient:
        """A client in a namespace."""
        client = self.client(transport)
        client.connect(namespace, auth)
        return client

    def close(self) -> None:
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        gevent.joinall(self._requests, timeout=DEADLINE)
        for sock in self.sockets:
            sock.close()
        hanging = [greenlet for greenlet in self._requests if not greenlet.ready()]
        gevent.killall(hanging)
        assert not hanging, f"{len(hanging)} requests hang"


@contextlib.contextmanager
def network_of(app: Callable[..., Any]) -> Iterator[Network]:
    network = Network(app)
    try:
        yield network
    finally:
        network.close()


def drain(peer: Line | SocketClient) -> None:
    """Take what comes until the server has closed."""
    with contextlib.suppress(Closed):
        while True:
            peer.receive()


class Later:
    """A function in a greenlet of its own; what it returns or raises can be waited for."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._outcome: AsyncResult[Any] = AsyncResult()
        gevent.spawn(self._run, function, args)
        gevent.sleep(0)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            self._outcome.set(function(*args))
        except Exception as error:  # noqa: BLE001
            self._outcome.set_exception(error)

    @property
    def is_done(self) -> bool:
        return self._outcome.ready()

    def wait(self) -> Any:
        return self._outcome.get(timeout=DEADLINE)
