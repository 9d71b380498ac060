"""A client and its socket."""

from __future__ import annotations

from typing import Any

from gevent.event import Event

from flask_realtime.server.socket import Socket
from tests.clients import SocketClient
from tests.fakes import settle
from tests.worlds import ServerWorld


class Pair:
    """A client and its socket, with what the socket's handlers noted."""

    def __init__(self, server: ServerWorld, transport: str = "websocket") -> None:
        self.seen: list[Any] = []
        self.sockets: list[Socket] = []
        self.server = server
        server.io.on("connection", self.sockets.append)
        self.client: SocketClient = server.network.joined(transport)
        settle()

    @property
    def socket(self) -> Socket:
        return self.sockets[-1]

    def note(self, event: str, **options: Any) -> None:
        """Note each event of that name."""
        self.socket.on(event, lambda *args: self.seen.append((event, *args)), **options)

    def block_on(self, event: str) -> Event:
        """A handler that blocks until it is released."""
        release = Event()

        def handler(*args: Any) -> str:
            self.seen.append(f"{event} begins")
            release.wait()
            self.seen.append(f"{event} ends")
            return "done"

        self.socket.on(event, handler)
        return release
