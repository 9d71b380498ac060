"""Requests and WebSockets without a Socket.IO client: the protocol as bytes."""

from __future__ import annotations

import http.client
import json
import socket
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import requests
import websocket

from tests.processes import ServerProcess

SEPARATOR = "\x1e"
PATIENCE = 5.0
PATH = "/socket.io/"


class Wire:
    """A raw client of one server; closes what it opened."""

    def __init__(self, server: ServerProcess, tag: str) -> None:
        self.server = server
        self.tag = tag
        self._http = requests.Session()
        self._opened: list[websocket.WebSocket] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for ws in self._opened:
            hang_up(ws)
        self._http.close()

    def query(self, transport: str | None, sid: str | None, **more: str | None) -> str:
        values: dict[str, str | None] = {"EIO": "4", "transport": transport, "sid": sid}
        values.update({"tag": self.tag, **more})
        return urlencode({name: value for name, value in values.items() if value is not None})

    def request(
        self,
        method: str,
        sid: str | None = None,
        *,
        transport: str | None = "polling",
        headers: dict[str, str] | None = None,
        data: Any = None,
        **more: str | None,
    ) -> requests.Response:
        if isinstance(data, str):
            data = data.encode()
        return self._http.request(
            method,
            f"{self.server.url}{PATH}?{self.query(transport, sid, **more)}",
            headers=headers,
            data=data,
            timeout=PATIENCE,
        )

    def get(self, sid: str | None = None, **more: Any) -> requests.Response:
        return self.request("GET", sid, **more)

    def post(self, sid: str, data: Any, **more: Any) -> requests.Response:
        more.setdefault("headers", {"Content-Type": "text/plain;charset=UTF-8"})
        return self.request("POST", sid, data=data, **more)

    def open(self, **more: Any) -> dict[str, Any]:
        """A handshake by polling: the content of the OPEN packet."""
        answer = self.get(**more)
        assert answer.status_code == 200, answer.text
        return handshake(answer.text)

    def poll(self, sid: str) -> list[str]:
        """One GET: the packets in the answer, without pings."""
        while True:
            answer = self.get(sid)
            assert answer.status_code == 200, answer.text
            packets = [packet for packet in packets_of(answer) if packet != "2"]
            if packets:
                return packets
            self.post(sid, "3")

    def enter(self, nsp: str = "/", auth: dict[str, Any] | None = None) -> str:
        """A polling session that joined a namespace: its sid."""
        sid: str = self.open()["sid"]
        self.join(sid, nsp, auth)
        return sid

    def join(self, sid: str, nsp: str = "/", auth: dict[str, Any] | None = None) -> str:
        """CONNECT by polling: the id of the new socket."""
        packet = connect_packet(nsp, {"tag": self.tag, **(auth or {})})
        assert self.post(sid, packet).text == "ok"
        return connected(self.poll(sid)[0], nsp)

    def dial(
        self,
        sid: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        origin: str | None = None,
        transport: str | None = "websocket",
        **more: str | None,
    ) -> websocket.WebSocket:
        """An open WebSocket; a refusal raises ``WebSocketBadStatusException``."""
        url = f"{self.server.ws_url}{PATH}?{self.query(transport, sid, **more)}"
        ws = websocket.create_connection(
            url,
            timeout=PATIENCE,
            header=headers or {},
            origin=origin,
            suppress_origin=origin is None,
        )
        self._opened.append(ws)
        return ws

    def open_websocket(self, **more: Any) -> tuple[websocket.WebSocket, dict[str, Any]]:
        ws = self.dial(**more)
        return ws, handshake(receive(ws))

    def enter_by_websocket(
        self, nsp: str = "/", auth: dict[str, Any] | None = None
    ) -> websocket.WebSocket:
        """A WebSocket that joined a namespace."""
        ws, _ = self.open_websocket()
        ws.send(connect_packet(nsp, {"tag": self.tag, **(auth or {})}))
        connected(receive(ws), nsp)
        return ws

    def upgrade(self, sid: str) -> websocket.WebSocket:
        """Take a polling session over to WebSocket."""
        ws = self.dial(sid)
        ws.send("2probe")
        assert receive(ws) == "3probe"
        ws.send("5")
        return ws

    def saw(self, kind: str, **fields: Any) -> dict[str, Any]:
        """What the server recorded for this client."""
        return self.server.saw(kind=kind, tag=self.tag, **fields)

    def clients(self) -> int:
        count: int = self._http.get(f"{self.server.url}/clients", timeout=PATIENCE).json()
        return count

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def tcp(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)


def connect_packet(nsp: str, auth: dict[str, Any]) -> str:
    head = "40" if nsp == "/" else f"40{nsp},"
    return head + json.dumps(auth)


def handshake(packet: str | bytes) -> dict[str, Any]:
    assert isinstance(packet, str)
    assert packet.startswith("0")
    found: dict[str, Any] = json.loads(packet[1:])
    return found


def connected(packet: str | bytes, nsp: str = "/") -> str:
    """The socket id in the server's answer to CONNECT."""
    head = "40" if nsp == "/" else f"40{nsp},"
    assert isinstance(packet, str)
    assert packet.startswith(head + "{")
    content = json.loads(packet.removeprefix(head))
    assert list(content) == ["sid"]
    sid: str = content["sid"]
    return sid


def packets_of(answer: requests.Response) -> list[str]:
    return answer.content.decode().split(SEPARATOR)


def receive(ws: websocket.WebSocket, *, pings: bool = False) -> str | bytes:
    """The next message; heartbeats are answered and passed over unless asked for."""
    while True:
        message: str | bytes = ws.recv()
        if message == "2" and not pings:
            ws.send("3")
            continue
        return message


def hang_up(ws: websocket.WebSocket) -> None:
    """Close the connection without a word."""
    if ws.sock is not None:
        ws.sock.close()
        ws.sock = None


def wait_closed(ws: websocket.WebSocket) -> int | None:
    """Read until the server has closed; its close code, if it gave one."""
    code = None
    while True:
        try:
            opcode, data = ws.recv_data(control_frame=True)
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return code
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big") if len(data) >= 2 else None
