"""Joining a namespace: middlewares, refusals, connection handlers and class-based namespaces."""

from __future__ import annotations

import json
import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime import ConnectError, Namespace, Socket
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld


def answer_to(server: ServerWorld, transport: str = "websocket") -> str:
    """What a client that wants to join gets."""
    client = server.network.client(transport)
    client.send("0")
    return str(client.receive())


def refusal(packet: str) -> Any:
    assert packet.startswith("4{"), packet
    return json.loads(packet[1:])


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


# --- middlewares


def test_middlewares_run_in_order_before_the_client_is_in(server: ServerWorld) -> None:
    seen: list[Any] = []

    @server.io.use
    def first(socket: Socket) -> None:
        seen.append(("first", socket.connected, dict(server.io.sockets.sockets)))
        socket.data["user"] = "ann"
        socket.join("vip")
        socket.emit("early")

    server.io.use(lambda socket: seen.append(("second", socket.data["user"])))
    server.io.on("connection", lambda socket: seen.append(("in", sorted(socket.rooms))))
    client = server.network.client()
    client.send("0")
    assert client.receive() == '2["early"]'
    sid = json.loads(client.receive()[1:])["sid"]
    settle()
    assert seen == [("first", False, {}), ("second", "ann"), ("in", sorted(["vip", sid]))]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    ("error", "payload"),
    [
        (ConnectError("not allowed"), {"message": "not allowed"}),
        (ConnectError("no", {"code": 7}), {"message": "no", "data": {"code": 7}}),
        (ConnectError("no", data=[]), {"message": "no", "data": []}),
    ],
)
def test_a_middleware_refuses_with_a_message_and_data(
    server: ServerWorld, transport: str, error: ConnectError, payload: Any
) -> None:
    seen: list[str] = []

    @server.io.use
    def refuse(socket: Socket) -> None:
        socket.join("vip")
        socket.on("disconnect", lambda reason: seen.append(reason))
        raise error

    server.io.use(lambda socket: seen.append("second"))
    server.io.on("connection", lambda socket: seen.append("connection"))
    assert refusal(answer_to(server, transport)) == payload
    settle()
    assert seen == []
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}
    assert server.io.engine.clients_count == 1  # it may try again


def test_a_refused_client_may_try_again(server: ServerWorld) -> None:
    @server.io.use
    def check(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "right":
            raise ConnectError("wrong token")

    client = server.network.client()
    client.send('0{"token":"wrong"}')
    assert refusal(client.receive()) == {"message": "wrong token"}
    assert client.connect(auth={"token": "right"})


def test_the_text_of_an_unexpected_error_is_not_for_the_client(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((repr(error), event)))

    @server.io.use
    def broken(socket: Socket) -> None:
        raise KeyError("password of the database")

    with caplog.at_level(logging.ERROR):
        payload = refusal(answer_to(server))
    assert "password" not in json.dumps(payload)
    assert set(payload) == {"message"}
    assert told == [("KeyError('password of the database')", "middleware")]
    assert "password of the database" in caplog.text


def test_a_context_that_cannot_be_entered_does_not_open_the_door(server: ServerWorld) -> None:
    class Broken:
        def call(self, socket: Any, function: Any, args: Any) -> None:
            raise ConnectionError("the session store is down")

    @server.io.use
    def check(socket: Socket) -> None:
        raise ConnectError("nobody comes in")

    server.io.runner.context = Broken()
    packet = answer_to(server)
    assert packet.startswith("4{"), packet
    assert "session store" not in packet


def test_a_middleware_may_block(server: ServerWorld) -> None:
    release = Event()
    server.io.use(lambda socket: release.wait())
    client = server.network.client()
    client.send("0")
    settle()
    assert server.io.sockets.sockets == {}
    release.set()
    assert client.receive().startswith("0{")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_that_leaves_during_a_middleware_was_never_there(
    server: ServerWorld, transport: str
) -> None:
    release, seen = Event(), []

    @server.io.use
    def wait(socket: Socket) -> None:
        socket.join("vip")
        socket.on("disconnect", lambda reason: seen.append("disconnect"))
        release.wait()
        seen.append("asked")

    server.io.on("connection", lambda socket: seen.append("connection"))
    client = server.network.client(transport)
    client.send("0")
    settle()
    client.line.leave()
    settle()
    release.set()
    wait_until(lambda: seen)
    settle()
    assert seen == ["asked"]
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}
    assert server.io.engine.clients_count == 0


def test_middlewares_are_for_one_namespace_only(server: ServerWorld) -> None:
    @server.io.of("/closed").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("no")

    client = server.network.joined()
    client.send("0/closed,")
    assert client.receive() == '4/closed,{"message":"no"}'


def test_a_middleware_has_to_be_callable(server: ServerWorld) -> None:
    with pytest.raises(TypeError):
        server.io.use("not a function")  # type: ignore[arg-type]


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
    def who(socket: Socket) -> str:
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
