"""A namespace keeps its own methods out of the way of an application's."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime import ConnectError, Namespace, Socket
from flask_realtime.server.namespace_core import NamespaceCore
from tests.clients import SocketClient
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld


def core_of(server: ServerWorld) -> NamespaceCore:
    """The core of the main namespace, which its adapter sees."""
    core = server.io.sockets.adapter.namespace
    assert isinstance(core, NamespaceCore)
    return core


class Chat(Namespace):
    """A class with methods that have the names of the server's own."""

    parser = hub = runner = recovery = handlers = "mine"

    def admit(self) -> str:
        return "mine"

    callback = forget = message_of = ended = remote = next_ack_id = admit

    def on_ask(self, socket: Socket) -> str:
        return self.admit()


def test_a_class_may_use_names_of_the_server(server: ServerWorld) -> None:
    chat = server.io.register(Chat("/chat"))
    client = server.network.joined(namespace="/chat")
    client.send('2/chat,0["ask"]')
    assert client.receive() == '3/chat,0["mine"]'
    chat.emit("news")
    assert client.receive() == '2/chat,["news"]'
    client.disconnect("/chat")
    wait_until(lambda: not chat.sockets)


def test_a_class_may_have_properties_that_fail_before_it_is_ready(server: ServerWorld) -> None:
    class Late(Namespace):
        @property
        def room(self) -> str:
            raise RuntimeError("not yet")

        def on_ask(self, socket: Socket) -> str:
            return "asked"

    assert server.io.register(Late("/late")).name == "/late"


def test_the_sockets_are_a_mapping_that_is_always_current(server: ServerWorld) -> None:
    sockets = server.io.sockets.sockets
    assert not sockets
    client = server.network.client()
    sid = client.connect()
    settle()
    socket = sockets[sid]
    assert isinstance(socket, Socket)
    assert (len(sockets), list(sockets), sid in sockets) == (1, [sid], True)
    assert sockets == {sid: socket}
    assert repr(sockets) == repr({sid: socket})
    assert sockets.get("other") is None
    client.disconnect()
    wait_until(lambda: not sockets)


def test_a_namespace_knows_its_server_from_its_registration_on(server: ServerWorld) -> None:
    chat = Namespace("/chat")
    with pytest.raises(RuntimeError, match="'/chat' is not registered"):
        _ = chat.server
    server.io.register(chat)
    assert chat.server is server.io


@pytest.mark.parametrize("early", [False, True])
def test_a_socket_may_be_in_its_namespace_while_middlewares_are_asked(
    server: ServerWorld, early: bool
) -> None:
    core_of(server).admits_early = early
    seen: list[Any] = []

    @server.io.use
    def ask(socket: Socket) -> None:
        seen.append((socket.id in socket.nsp.sockets, bool(socket.rooms)))
        if socket.handshake.auth:
            raise ConnectError("not you")

    server.network.joined()
    refused: SocketClient = server.network.client()
    refused.send('0{"a":1}')
    assert refused.receive() == '4{"message":"not you"}'
    assert seen == [(early, early)] * 2
    assert len(server.io.sockets.sockets) == 1
    assert len(server.io.sockets.adapter.sids) == 1
