"""Clients of Engine.IO protocol 3 inside this process; see clients.py."""

from __future__ import annotations

import json
from typing import Any

from flask_realtime.codec.message import Message
from flask_realtime.codec.payload3 import Payload3
from tests.clients import Closed, Network, Packet, PollingLine, WebSocketLine
from tests.fakes import Answer


class OldPollingLine(PollingLine):
    """Requests of one polling session.

    Args:
        network: Makes the requests.
        more: What is added to the query of the handshake, such as ``"&b64=1"``.
    """

    def __init__(self, network: Network, more: str = "") -> None:
        super().__init__(network)
        self._more = more
        self._waiting: list[Packet] = []

    def open(self, **more: Any) -> Answer:
        answer = self.request("GET", f"EIO=3&transport=polling{self._more}", **more)
        packets = packets_of(answer)
        assert isinstance(packets[0], str)
        assert packets[0].startswith("0{"), packets
        self.handshake = json.loads(packets[0][1:])
        self._waiting += packets[1:]
        return answer

    def start(self, method: str = "GET", query: str = "", **more: Any) -> Any:
        return super().start(method, query or f"EIO=3&transport=polling&sid={self.sid}", **more)

    def post(self, *packets: Packet, **more: Any) -> Answer:
        codec = Payload3(takes_binary=not self._more)
        parts: list[bytes] = []
        for packet in packets:
            if isinstance(packet, str):
                parts.append(packet.encode())
            else:
                parts += codec.packets(Message(None, [packet]))
        body, is_binary = codec.encode(parts)
        return self.post_body(body, is_binary)

    def post_body(self, body: bytes, is_binary: bool = False) -> Answer:
        kind = "application/octet-stream" if is_binary else "text/plain;charset=UTF-8"
        return self.request("POST", body=body, headers={"Content-Type": kind})

    def receive(self) -> Packet:
        while not self._waiting:
            answer = self.get()
            if answer.status != 200:
                raise Closed(answer.json["code"])
            self._waiting = packets_of(answer)
        return self._waiting.pop(0)


class OldWebSocketLine(WebSocketLine):
    """A WebSocket; binary messages have their type in front."""

    def __init__(self, network: Network, more: str = "", **options: Any) -> None:
        super().__init__(network, f"EIO=3&transport=websocket{more}", **options)

    def send(self, *packets: Packet) -> None:
        super().send(*(p if isinstance(p, str) else b"\x04" + p for p in packets))

    def receive(self) -> Packet:
        packet = super().receive()
        if isinstance(packet, bytes):
            assert packet[:1] == b"\x04"
            return packet[1:]
        return packet


def packets_of(answer: Answer) -> list[Packet]:
    """The packets of a polling payload."""
    assert answer.status == 200, answer.body
    is_binary = answer.headers["Content-Type"] == "application/octet-stream"
    return list(Payload3().decode(answer.body, is_binary))


def old_polling(network: Network, more: str = "") -> OldPollingLine:
    """A new polling session."""
    line = OldPollingLine(network, more)
    line.open()
    return line


def old_websocket(network: Network, more: str = "", **options: Any) -> OldWebSocketLine:
    """A new WebSocket session."""
    line = OldWebSocketLine(network, more, **options)
    line.open()
    return line


def old_line(network: Network, transport: str) -> OldPollingLine | OldWebSocketLine:
    return old_polling(network) if transport == "polling" else old_websocket(network)


def old_upgrade(network: Network, line: OldPollingLine, more: str = "") -> OldWebSocketLine:
    """Take a polling session over to WebSocket."""
    new = OldWebSocketLine(network, f"&sid={line.sid}{more}")
    new.handshake = line.handshake
    new.send("2probe")
    assert new.receive() == "3probe"
    new.send("5")
    return new
