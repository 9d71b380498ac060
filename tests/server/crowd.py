"""Many clients, each in rooms of its own."""

from __future__ import annotations

from typing import Any

from tests.clients import SocketClient
from tests.fakes import settle
from tests.worlds import ServerWorld


class Crowd:
    """Clients by name, each in the rooms of its auth."""

    def __init__(self, server: ServerWorld, **rooms: str) -> None:
        self.io = server.io
        self.sids: dict[str, str] = {}
        self.clients: dict[str, SocketClient] = {}

        @server.io.on("connection")
        def connected(socket: Any) -> None:
            self.sids[socket.handshake.auth["name"]] = socket.id
            socket.join(socket.handshake.auth["rooms"].split())

        for number, (name, of) in enumerate(rooms.items()):
            transport = "websocket" if number % 2 else "polling"
            auth = {"name": name, "rooms": of}
            self.clients[name] = server.network.joined(transport, auth=auth)

    def heard(self) -> str:
        """The names of those who have heard of "news", once each; the others get a mark."""
        self.io.emit("mark")
        names = []
        for name, client in self.clients.items():
            events = [client.event()]
            while events[-1] != ["mark"]:
                events.append(client.event())
            names += [name] * (len(events) - 1)
        return "".join(names)


def answer(client: SocketClient, *args: Any) -> None:
    """Acknowledge the next event."""
    ack_id, _ = client.question()
    client.answer(ack_id, *args)
    settle()
