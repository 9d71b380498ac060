"""Events of all sockets, and class-based namespaces."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.event import Event

from flask_realtime import Namespace, Socket
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld

# --- events of all sockets


def test_an_event_of_every_socket_is_registered_once(server: ServerWorld) -> None:
    seen: list[Any] = []

    @server.io.event
    def connection(socket: Socket) -> None:
        seen.append("connection")

    @server.io.event
    def add(socket: Socket, one: int, two: int) -> int:
        return one + two

    @server.io.event("chat message")
    def chat(socket: Socket, text: str) -> str:
        return f"{text} from {socket.id}"

    @server.io.event
    def disconnecting(socket: Socket) -> None:
        seen.append(f"disconnecting {socket.connected}")

    @server.io.event
    def disconnect(socket: Socket, reason: str) -> None:
        seen.append(reason)

    client = server.network.client()
    sid = client.connect()
    assert client.call("add", 1, 2) == [3]
    assert client.call("chat message", "hi", ack_id=1) == [f"hi from {sid}"]
    client.disconnect()
    wait_until(lambda: len(seen) == 3)
    assert seen == ["connection", "disconnecting True", "client namespace disconnect"]


def test_events_belong_to_their_namespace(server: ServerWorld) -> None:
    @server.io.event("who", namespace="/chat")
    def who(socket: Socket) -> Any:
        return socket.nsp.name

    client = server.network.joined(namespace="/chat")
    client.send('2/chat,7["who"]')
    assert client.receive() == '3/chat,7["/chat"]'
    client.connect()
    client.emit("who", ack_id=8)
    client.send('2/chat,9["who"]')
    assert client.receive() == '3/chat,9["/chat"]'  # and nothing for the other


def test_a_concurrent_event_of_every_socket_does_not_wait(server: ServerWorld) -> None:
    release = Event()

    @server.io.event
    def slow(socket: Socket) -> None:
        release.wait()

    @server.io.event("quick", concurrent=True)
    def quick(socket: Socket) -> str:
        return "at once"

    client = server.network.joined()
    client.emit("slow")
    assert client.call("quick") == ["at once"]
    release.set()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_flood_of_concurrent_events_makes_few_greenlets(
    server: ServerWorld, transport: str
) -> None:
    release, running, done = Event(), [], []

    @server.io.event(concurrent=True)
    def slow(socket: Socket, number: int) -> None:
        running.append(number)
        release.wait()
        done.append(number)

    client = server.network.joined(transport)
    packets = [f'42["slow",{number}]' for number in range(5_000)]
    line: Any = client.line
    if transport == "polling":
        post = line.start("POST", body="\x1e".join(packets).encode())
        wait_until(lambda: len(running) > 50, "the first handlers")
        settle()
        assert not post.ready()  # it is answered when its events have room
    else:
        line.send(*packets[:500])
        wait_until(lambda: len(running) > 50, "the first handlers")
        settle()
        packets = packets[:500]
    assert len(running) < 100
    release.set()
    wait_until(lambda: len(done) == len(packets), "every handler")
    if transport == "polling":
        assert post.get(timeout=5).status == 200


def test_handlers_of_the_socket_come_before_those_of_all(server: ServerWorld) -> None:
    seen: list[str] = []
    server.io.on("connection", lambda socket: socket.on("event", lambda: seen.append("own")))
    server.io.event("event")(lambda socket: seen.append("all"))
    client = server.network.joined()
    client.emit("event")
    settle()
    assert seen == ["own", "all"]


# --- class-based namespaces


class Chat(Namespace):
    """A namespace as applications write them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.seen: list[Any] = []

    def on_connection(self, socket: Socket) -> None:
        self.seen.append("connection")
        socket.join("lobby")

    def on_disconnecting(self, socket: Socket) -> None:
        self.seen.append("disconnecting")

    def on_disconnect(self, socket: Socket, reason: str) -> None:
        self.seen.append(reason)

    def on_message(self, socket: Socket, text: str) -> str:
        self.to("lobby").emit("news", text)
        return "delivered"

    def helper(self) -> None:
        raise AssertionError("not a handler")


def test_methods_of_a_class_are_handlers(server: ServerWorld) -> None:
    chat = Chat("/chat")
    assert server.io.register(chat) is chat
    assert server.io.of("/chat") is chat
    client = server.network.joined(namespace="/chat")
    client.send('2/chat,5["message","hi"]')
    assert client.receive() == '2/chat,["news","hi"]'
    assert client.receive() == '3/chat,5["delivered"]'
    client.send('2/chat,["helper"]')
    client.disconnect("/chat")
    wait_until(lambda: len(chat.seen) == 3)
    assert chat.seen == ["connection", "disconnecting", "client namespace disconnect"]


def test_a_class_may_be_the_main_namespace(server: ServerWorld) -> None:
    chat = server.io.register(Chat("/"))
    client = server.network.joined()
    client.emit("message", "hi")
    assert client.event() == ["news", "hi"]
    assert server.io.sockets is chat


def test_a_slash_is_put_in_front_of_a_name(server: ServerWorld) -> None:
    assert server.io.register(Chat("chat")).name == "/chat"
    assert server.io.of("chat") is server.io.of("/chat")


def test_a_name_is_taken_once(server: ServerWorld) -> None:
    server.io.register(Chat("/chat"))
    with pytest.raises(ValueError, match="/chat"):
        server.io.register(Chat("/chat"))
    server.io.on("connection", print)
    with pytest.raises(ValueError, match="'/'"):
        server.io.register(Chat("/"))


def test_a_namespace_works_on_one_server_only(server: ServerWorld, make_server: Any) -> None:
    chat = Chat("/chat")
    server.io.register(chat)
    with pytest.raises(RuntimeError):
        make_server().io.register(chat)
