"""A client that can lose its connection and come back, as the official one does."""

from __future__ import annotations

import json
from typing import Any

from tests.clients import Network, PollingLine, SocketClient
from tests.fakes import settle

__all__ = ["Visitor"]


class Visitor:
    """One client in one namespace.

    Attributes:
        client: Its present connection.
        offset: The last argument of the last event, if that was text.
        received: The events since it came, without their offsets.
        connect: The payload of the last CONNECT.
    """

    def __init__(
        self, network: Network, transport: str = "websocket", namespace: str = "/", **auth: Any
    ) -> None:
        self.network = network
        self.transport = transport
        self.head = "" if namespace == "/" else namespace + ","
        self.offset: str | None = None
        self.pid = ""
        self.sid = ""
        self.recovered = False
        self.connect: dict[str, Any] = {}
        self.received: list[Any] = []
        self.client: SocketClient = network.client(transport)
        self.join(**auth)

    def join(self, **auth: Any) -> None:
        """Join the namespace on the present connection."""
        self.client.send("0" + self.head + (json.dumps(auth) if auth else ""))
        self.read_connect()

    def read_connect(self) -> None:
        while (packet := self.read())[0] != "0":
            pass
        self.connect = json.loads(packet[1 + len(self.head) :])
        pid = self.connect.get("pid", "")
        self.recovered = bool(pid) and pid == self.pid
        self.pid, self.sid = pid, self.connect["sid"]

    def read(self) -> str:
        """Take one packet; an event is kept."""
        packet: str = self.client.receive()
        if packet[0] in "25":
            attachments = int(packet[1 : packet.index("-")]) if packet[0] == "5" else 0
            event = json.loads(packet[packet.index("[") :])
            found = [self.client.receive() for _ in range(attachments)]
            if isinstance(event[-1], str):
                self.offset = event.pop()
            self.received.append([_filled(value, found) for value in event])
        return packet

    def read_event(self) -> Any:
        """Take one packet, which has to be an event."""
        packet = self.read()
        assert packet[0] in "25", packet
        return self.received[-1]

    def read_events(self, io: Any) -> list[Any]:
        """All events that were sent until now."""
        io.to(self.sid).emit("the end")
        while self.received[-1:] != [["the end"]]:
            self.read_event()
        self.received.pop()
        return self.received

    def lose(self) -> None:
        """The connection breaks, and the server sees it."""
        line: Any = self.client.line
        if isinstance(line, PollingLine):
            line.leave()
        else:
            line.reset()
        settle()

    def dial(self, transport: str = "") -> None:
        """A new connection, on which nothing has been joined yet."""
        self.received = []
        self.client = self.network.client(transport or self.transport)

    def come_back(self, **auth: Any) -> None:
        """Connect again and ask for what it was, as far as ``auth`` does not say otherwise."""
        self.dial()
        self.join(**{**self.credentials, **auth})

    @property
    def credentials(self) -> dict[str, Any]:
        """What the official client adds to its CONNECT."""
        return {"pid": self.pid, **({} if self.offset is None else {"offset": self.offset})}


def _filled(value: Any, attachments: list[Any]) -> Any:
    if isinstance(value, dict) and value.get("_placeholder"):
        return attachments[value["num"]]
    return value
