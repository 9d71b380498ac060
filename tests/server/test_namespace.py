"""Joining a namespace: ids, connection handlers, and other servers."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from flask_realtime import Socket
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_joins_and_learns_its_id(server: ServerWorld, transport: str) -> None:
    sockets: list[Socket] = []
    server.io.on("connection", sockets.append)
    client = server.network.client(transport)
    sid = client.connect(auth={"token": "x"})
    settle()
    assert [socket.id for socket in sockets] == [sid]
    assert sockets[0].handshake.auth == {"token": "x"}
    assert dict(server.io.sockets.sockets) == {sid: sockets[0]}


def test_connect_is_another_name_for_connection(server: ServerWorld) -> None:
    seen: list[str] = []
    server.io.on("connect", lambda socket: seen.append("connect"))
    server.io.on("connection", lambda socket: seen.append("connection"))
    server.network.joined()
    settle()
    assert sorted(seen) == ["connect", "connection"]


def test_a_connection_handler_for_once_sees_one_client(server: ServerWorld) -> None:
    seen: list[str] = []
    server.io.once("connection", lambda socket: seen.append(socket.id))
    first = server.network.client()
    sid = first.connect()
    server.network.joined()
    settle()
    assert seen == [sid]


def test_a_connection_handler_that_fails_leaves_the_client_connected(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((str(error), event)))

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("event", lambda: "still here")
        raise KeyError("broken")

    assert server.network.joined().call("event") == ["still here"]
    assert told == [("'broken'", "connection")]
    assert "KeyError: 'broken'" in caplog.text


# --- other servers


def test_without_other_servers_nobody_answers(server: ServerWorld) -> None:
    heard: list[Any] = []
    server.io.on("ping", lambda: heard.append("not for the sender"))
    server.io.server_side_emit("ping", 1)
    server.io.server_side_emit("ping", ack=lambda *args: heard.append(args))
    assert server.io.server_side_emit_with_ack("ping") == []
    assert server.io.of("/chat").server_side_emit_with_ack("ping") == []
    wait_until(lambda: heard)
    assert heard == [(None, [])]


@pytest.mark.parametrize("event", ["connection", "connect", "new_namespace"])
def test_some_names_cannot_be_emitted_to_servers(server: ServerWorld, event: str) -> None:
    for emitter in (server.io, server.io.sockets):
        with pytest.raises(ValueError, match="reserved"):
            emitter.server_side_emit(event)
        with pytest.raises(ValueError, match="reserved"):
            emitter.server_side_emit_with_ack(event)


def test_two_namespaces_of_one_client_are_apart(server: ServerWorld) -> None:
    server.io.of("/chat")
    client = server.network.client()
    first, second = client.connect(), client.connect("/chat")
    assert first != second
    server.io.emit("main")
    server.io.of("/chat").emit("chat")
    assert [client.receive(), client.receive()] == ['2["main"]', '2/chat,["chat"]']
    server.io.of("/chat").disconnect_sockets()
    assert client.receive() == "1/chat,"
    assert list(server.io.sockets.sockets) == [first]
    assert repr(server.io.of("/chat")) == "<Namespace /chat>"


def test_ids_of_acknowledgements_count_up_from_zero(server: ServerWorld) -> None:
    client = server.network.joined()
    for number in range(3):
        gevent.spawn(server.io.timeout(0.01).emit, "question", ack=lambda *args: None)
        assert client.question()[0] == number
