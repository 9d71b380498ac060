"""One connection at the level of Socket.IO packets, over either transport."""

from __future__ import annotations

import base64

from tests.interop.wire import PATIENCE, Wire, packets_of, receive, wait_closed
from tests.processes import eventually

Packet = str | bytes


class Line:
    """Sends and receives Engine.IO messages; text and binary, without heartbeats."""

    def __init__(self, wire: Wire, transport: str) -> None:
        self.wire = wire
        self._waiting: list[Packet] = []
        self._ws = None
        if transport == "websocket":
            self._ws, told = wire.open_websocket()
        else:
            told = wire.open()
        self.sid: str = told["sid"]

    def send(self, *packets: Packet) -> None:
        """Messages as ``"2[…]"`` or bytes; in one payload when polling."""
        if self._ws is not None:
            for packet in packets:
                if isinstance(packet, str):
                    self._ws.send("4" + packet)
                else:
                    self._ws.send_binary(packet)
            return
        texts = [
            "4" + packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode()
            for packet in packets
        ]
        self.wire.post(self.sid, "\x1e".join(texts))

    def receive(self) -> Packet:
        while not self._waiting:
            if self._ws is not None:
                self._waiting.append(_message(receive(self._ws)))
            else:
                self._waiting.extend(_message(packet) for packet in self.wire.poll(self.sid))
        return self._waiting.pop(0)

    def connect(self, nsp: str = "/") -> str:
        head = "0" if nsp == "/" else f"0{nsp},"
        self.send(f'{head}{{"tag":"{self.wire.tag}"}}')
        answer = self.receive()
        assert isinstance(answer, str)
        assert answer.startswith(head)
        return answer.removeprefix(head)

    def wait_closed(self, within: float = PATIENCE) -> None:
        """Wait until the server has ended the session."""
        if self._ws is not None:
            wait_closed(self._ws)
        else:
            eventually(self._gone, within=within, what="the end of the session")

    def _gone(self) -> bool:
        answer = self.wire.get(self.sid)
        return answer.status_code == 400 or packets_of(answer)[-1] == "1"


def _message(packet: Packet) -> Packet:
    if isinstance(packet, bytes):
        return packet
    if packet.startswith("b"):
        return base64.b64decode(packet[1:])
    return packet.removeprefix("4")
