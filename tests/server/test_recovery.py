"""Connection state recovery, as clients see it."""

from __future__ import annotations

import json
from typing import Any

from tests.clients import SocketClient
from tests.fakes import settle
from tests.worlds import MakeServer, ServerWorld


class Visitor:
    """A client that can lose its connection and come back."""

    def __init__(self, server: ServerWorld, transport: str = "websocket") -> None:
        self.server = server
        self.transport = transport
        self.client: SocketClient = server.network.client(transport)
        self.offset: str | None = None
        self.pid = ""
        self.sid = ""
        self.received: list[Any] = []
        self.join()

    def join(self, **auth: Any) -> None:
        self.client.send("0" + (json.dumps(auth) if auth else ""))
        self.read_until("0")

    def read_until(self, kind: str) -> None:
        """Take events up to a packet of another kind."""
        while True:
            packet = self.client.receive()
            if packet[0] == "2":
                *event, self.offset = json.loads(packet[1:])
                self.received.append(event)
            if packet[0] == kind:
                break
        if kind == "0":
            reply = json.loads(packet[1:])
            self.pid, self.sid = reply["pid"], reply["sid"]

    def lose(self) -> None:
        """The connection breaks, and the server sees it."""
        line: Any = self.client.line
        line.reset()
        settle()

    def come_back(self, **auth: Any) -> None:
        self.received = []
        self.client = self.server.network.client(self.transport)
        offset = {} if self.offset is None else {"offset": self.offset}
        self.join(**{"pid": self.pid, **offset, **auth})


def test_a_client_that_comes_back_is_who_it_was_and_gets_what_it_missed(
    make_server: MakeServer,
) -> None:
    server = make_server(connection_state_recovery={})
    sockets: list[Any] = []

    @server.io.on("connection")
    def connected(socket: Any) -> None:
        sockets.append(socket)
        if not socket.recovered:
            socket.join("red")

    visitor = Visitor(server)
    sockets[0].data["name"] = "Ada"
    server.io.emit("news", 1)
    visitor.read_until("2")
    before = visitor.sid
    visitor.lose()
    server.io.to("red").emit("news", 2)
    server.io.to("blue").emit("news", 3)
    sockets[0].emit("news", 4)
    visitor.come_back()
    assert visitor.received == [["news", 2], ["news", 4]]
    assert visitor.sid == before == sockets[1].id
    assert sockets[1].recovered
    assert sockets[1].rooms == {before, "red"}
    assert sockets[1].data == {"name": "Ada"}


def test_a_client_that_has_received_nothing_yet_can_come_back(make_server: MakeServer) -> None:
    server = make_server(connection_state_recovery={})
    server.io.emit("too early")
    visitor = Visitor(server)
    before = visitor.sid
    visitor.lose()
    server.io.emit("in time")
    visitor.come_back()
    assert visitor.sid == before
    assert visitor.received == [["in time"]]


def test_a_client_may_come_back_before_its_end_was_noticed(make_server: MakeServer) -> None:
    server = make_server(connection_state_recovery={})
    reasons: list[str] = []

    @server.io.on("connection")
    def connected(socket: Any) -> None:
        socket.on("disconnecting", lambda reason: reasons.append(reason))

    visitor = Visitor(server)
    before = visitor.sid
    server.io.emit("into the void")
    visitor.come_back()
    assert visitor.sid == before
    assert visitor.received == [["into the void"]]
    assert reasons == ["transport close"]
    assert list(server.io.sockets.sockets) == [before]


def test_a_private_id_is_good_for_one_return(make_server: MakeServer) -> None:
    server = make_server(connection_state_recovery={})
    visitor = Visitor(server)
    pid, before = visitor.pid, visitor.sid
    visitor.lose()
    visitor.come_back()
    assert visitor.sid == before
    visitor.client.disconnect()
    settle()
    visitor.come_back(pid=pid)
    assert visitor.sid != before
