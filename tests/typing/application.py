"""An application with types: what mypy and pyright accept, and what they report.

``./dev lint`` passes it through mypy and the tests pass it through pyright. Each comment that
silences a checker says that the line is reported: one that is not needed fails the check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Flask

from flask_realtime import Namespace, ParentNamespace, Realtime, RemoteSocket, Server, Socket


@dataclass
class User:
    name: str


app = Flask(__name__)
io = Realtime(app, cors="*", ping_interval=5, cookie={"name": "io", "secure": True})
later = Realtime(connection_state_recovery={"max_disconnection_duration": 60})
later.init_app(Flask("other"), per_message_deflate=True, adapter="redis://")
plain = Server(path="/chat", transports=["websocket"], allow_request=lambda environ: True)


@io.on("connection")
def connected(socket: Socket) -> None:
    # An application's own attributes.
    socket.user = User("Ada")
    greeting: str = socket.user.name
    # What is known has its type.
    sid: str = socket.id
    namespace: Namespace = socket.nsp
    server: str = socket.nsp.server.options.path
    transport: str = socket.conn.transport.name
    environ = dict(socket.request)
    others: list[Socket] = socket.client.sockets
    socket.data["user"] = greeting, sid, namespace, server, transport, environ, others

    @socket.on("message")
    def message(text: str) -> str:
        socket.to("room").except_("other").emit("message", text)
        return "delivered"

    socket.emit("hello", 1, ack=message)


@io.event(thread=True, concurrent=False)
def search(socket: Socket, text: str) -> int:
    io.start_background_task(io.sleep, 0.5).join(timeout=1)
    return len(text)


@io.fallback
def unknown(socket: Socket, event: str, *args: object) -> str:
    length: int = search(socket, event)
    return f"no {event} of {length}"


@io.of("/chat").fallback(thread=True)
def unknown_there(socket: Socket, event: str) -> str:
    return unknown(socket, event).upper()


def mistakes(socket: Socket) -> None:
    socket.id = 5  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    socket.rooms = set()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    socket.join(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    socket.nsp.emti("x")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    io.of(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Server(ping_intervall=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Server(ping_interval="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Realtime(app, cookie=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def names() -> list[str]:
    found: list[Socket | RemoteSocket] = io.to("room").fetch_sockets()
    here = [socket.user.name for socket in found if isinstance(socket, Socket)]
    away = [socket.id for socket in found if isinstance(socket, RemoteSocket)]
    parent: ParentNamespace = io.of(re.compile("/room-.*"))
    return [*here, *away, *(child.name for child in parent.children)]


class Chat(Namespace):
    """A class-based namespace."""

    def on_connection(self, socket: Socket) -> None:
        self.to("lobby").emit("joined", socket.id)


chat: Chat = io.register(Chat("/chat"))
