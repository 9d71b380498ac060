"""python-socketio's client, over both transports and through an upgrade."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
import socketio

from tests.interop.running import MODES, Servers
from tests.processes import ServerProcess, eventually

TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


class Peer:
    """A client that keeps what it hears in queues."""

    def __init__(self, server: ServerProcess, mode: str, tag: str) -> None:
        self.server = server
        self.tag = tag
        self.io = socketio.Client(reconnection=False)
        self._mode = mode
        self._heard: dict[tuple[str, str], queue.Queue[Any]] = {}

    def listen(self, *events: str, nsp: str = "/") -> None:
        for event in events:
            heard = self._heard.setdefault((nsp, event), queue.Queue())
            self.io.on(event, lambda *args, put=heard.put: put(args), namespace=nsp)

    def connect(self, *namespaces: str, auth: dict[str, Any] | None = None) -> None:
        self.io.connect(
            self.server.url,
            transports=TRANSPORTS[self._mode],
            namespaces=list(namespaces) or ["/"],
            auth={"tag": self.tag, **(auth or {})},
            wait_timeout=5,
        )
        expected = "polling" if self._mode == "polling" else "websocket"
        assert self.io.transport() == expected

    def heard(self, event: str, nsp: str = "/") -> Any:
        return self._heard[nsp, event].get(timeout=5)

    def leave(self) -> None:
        # While a POST of it has no answer yet, this client leaves without a word: the thread
        # that writes looks whether the client is connected before it looks into its queue.
        queued = self.io.eio.queue
        eventually(lambda: not queued.unfinished_tasks, what="the end of its POST")
        self.io.disconnect()


@pytest.fixture(params=["bare", "flask"])
def server_of_each_kind(servers: Servers, request: pytest.FixtureRequest) -> ServerProcess:
    return servers.get(request.param)


@pytest.fixture(params=MODES)
def peer(
    server_of_each_kind: ServerProcess, request: pytest.FixtureRequest, tag: str
) -> Iterator[Peer]:
    client = Peer(server_of_each_kind, request.param, tag)
    try:
        yield client
    finally:
        client.io.disconnect()


def test_events_are_echoed(peer: Peer) -> None:
    peer.listen("echo")
    peer.connect()
    peer.io.emit("echo", ("ü", 1, {"a": [None, True, 1.5]}))
    assert peer.heard("echo") == ("ü", 1, {"a": [None, True, 1.5]})


def test_credentials_arrive(peer: Peer) -> None:
    peer.connect(auth={"token": "123"})
    told = peer.io.call("handshake", timeout=5)
    assert told["auth"] == {"tag": peer.tag, "token": "123"}


def test_events_keep_their_order(peer: Peer) -> None:
    peer.listen("burst")
    peer.connect()
    for number in range(200):
        peer.io.emit("count", number)
    assert peer.io.call("counted", timeout=5) == list(range(200))
    peer.io.emit("burst", 10)  # it refuses payloads of more than 16 packets
    received = [peer.heard("burst")[0] for _ in range(10)]
    assert sorted(received) == list(range(10))  # it handles events in threads


def test_the_server_acknowledges(peer: Peer) -> None:
    peer.connect()
    assert peer.io.call("one", "ü", timeout=5) == "ü"
    assert peer.io.call("several", (1, [2]), timeout=5) == (1, [2])
    assert peer.io.call("none", timeout=5) is None


def test_the_client_acknowledges(peer: Peer) -> None:
    peer.io.on("question", lambda *args: args if len(args) > 1 else args[0])
    peer.connect()
    assert peer.io.call("ask", "ü", timeout=5) == ["str", "ü"]
    assert peer.io.call("ask", ("a", 1), timeout=5) == ["tuple", ["a", 1]]


def test_binary_travels_both_ways(peer: Peer) -> None:
    peer.listen("echo")
    peer.connect()
    blob = bytes(range(256))
    peer.io.emit("echo", ({"deep": [blob, b""]}, b"\x00", "text"))
    assert peer.heard("echo") == ({"deep": [blob, b""]}, b"\x00", "text")
    assert peer.io.call("one", {"b": blob}, timeout=5) == {"b": blob}


def test_several_namespaces_share_a_connection(peer: Peer) -> None:
    peer.listen("echo")
    peer.listen("echo", nsp="/chat")
    peer.connect("/", "/chat")
    peer.io.emit("echo", "chat", namespace="/chat")
    peer.io.emit("echo", "main")
    assert peer.heard("echo", "/chat") == ("chat",)
    assert peer.heard("echo") == ("main",)


def test_a_refusal_is_told(peer: Peer) -> None:
    peer.listen("connect_error", nsp="/secret")
    with pytest.raises(socketio.exceptions.ConnectionError):
        peer.connect("/secret")
    expected = {"message": "not authorized", "data": {"code": 42, "hint": ["ask", "nicely"]}}
    assert peer.heard("connect_error", "/secret") == (expected,)


def test_the_client_disconnects(peer: Peer) -> None:
    peer.connect()
    peer.leave()
    record = peer.server.saw(kind="disconnect", tag=peer.tag)
    assert record["reason"] in ("client namespace disconnect", "transport close")


def test_the_server_disconnects(peer: Peer) -> None:
    peer.connect()
    peer.io.emit("disconnect me", True)
    record = peer.server.saw(kind="disconnect", tag=peer.tag)
    assert record["reason"] == "server namespace disconnect"
    eventually(lambda: not peer.io.connected, what="the end of the connection")
