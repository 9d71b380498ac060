"""What clients of version 2 do in their own way, and that the others do not notice."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.event import Event

from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.errors import ConnectError
from flask_realtime.server.dialect import Dialect4, Dialect5, dialect_of
from flask_realtime.server.socket import Socket
from tests.clients import SocketClient, drain
from tests.fakes import settle, wait_until
from tests.old_clients import old_line
from tests.worlds import MakeServer, ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.fixture
def server(make_server: MakeServer) -> ServerWorld:
    return make_server(allow_eio3=True)


def old_client(server: ServerWorld, transport: str = "websocket") -> SocketClient:
    """A client that has taken nothing yet."""
    return SocketClient(old_line(server.network, transport))


def joined(server: ServerWorld, transport: str = "websocket") -> SocketClient:
    client = old_client(server, transport)
    assert client.receive() == "0"
    return client


class Watch:
    """The sockets of some namespaces, and their ends."""

    def __init__(self, server: ServerWorld, *names: str) -> None:
        self.sockets: list[Socket] = []
        self.ends: list[tuple[str, str]] = []
        for name in names or ("/",):
            server.io.of(name).on("connection", self._watch)

    def _watch(self, socket: Socket) -> None:
        self.sockets.append(socket)
        socket.on("disconnect", lambda reason: self.ends.append((socket.nsp.name, reason)))


# --- the query behind a namespace ---------------------------------------------


@BOTH
@pytest.mark.parametrize("query", ["?token=1", "?", "?a=1&b=/x?y"])
def test_events_and_acknowledgements_may_name_the_query(
    server: ServerWorld, transport: str, query: str
) -> None:
    seen: list[Any] = []
    watch = Watch(server, "/chat")

    @server.io.event("hello", namespace="/chat")
    def hello(socket: Socket, *args: Any) -> str:
        seen.append(args)
        return "answer"

    client = joined(server, transport)
    client.send(f"0/chat{query},")
    assert client.receive() == "0/chat,"
    client.send(f'2/chat{query},["hello",1]')
    client.send(f'2/chat{query},7["hello",2]')
    assert client.receive() == '3/chat,7["answer"]'
    client.send(f'51-/chat{query},["hello",{{"_placeholder":true,"num":0}}]', b"abc")
    wait_until(lambda: len(seen) == 3)
    assert seen == [(1,), (2,), (b"abc",)]
    answers: list[Any] = []
    watch.sockets[-1].emit("question", ack=lambda *args: answers.append(args))
    ack_id, _ = client.question()
    client.send(f'3/chat{query},{ack_id}["yes"]')
    wait_until(lambda: answers)
    client.send(f"1/chat{query},")
    wait_until(lambda: watch.ends)
    assert watch.ends == [("/chat", "client namespace disconnect")]
    assert watch.sockets[-1].conn.ready_state == "open"


def test_a_query_in_the_main_namespace_is_left_out_as_well(server: ServerWorld) -> None:
    seen: list[Any] = []
    server.io.event("hello")(lambda socket, *args: seen.append(args))
    client = joined(server)
    client.send('2/?token=1,["hello",1]')
    wait_until(lambda: seen)
    assert seen == [(1,)]


def test_clients_of_protocol_5_have_no_query_there(server: ServerWorld) -> None:
    server.io.of("/chat")
    client = server.network.joined(namespace="/chat")
    client.send('2/chat?token=1,["hello",1]')
    drain(client)


# --- joining -----------------------------------------------------------------


@BOTH
def test_the_main_namespace_is_joined_without_a_packet(server: ServerWorld, transport: str) -> None:
    watch = Watch(server)
    client = joined(server, transport)
    (socket,) = watch.sockets
    assert socket.conn.protocol == 3
    assert socket.id == socket.conn.id == client.line.handshake["sid"]
    assert socket.handshake.auth == {}
    assert socket.handshake.query["EIO"] == "3"
    assert socket.rooms == {socket.id}
    assert not socket.recovered


def test_protocol_5_waits_for_a_connect_packet(server: ServerWorld) -> None:
    watch = Watch(server)
    client = server.network.client()
    settle()
    assert watch.sockets == []
    sid = client.connect()
    assert sid != watch.sockets[0].conn.id
    assert watch.sockets[0].conn.protocol == 4


def test_a_namespace_has_a_query_for_credentials(server: ServerWorld) -> None:
    watch = Watch(server, "/chat")
    client = joined(server)
    client.send("0/chat?token=a%26b&empty=&twice=1&twice=2&name=Zo%C3%AB+x,")
    assert client.receive() == "0/chat,"
    (socket,) = watch.sockets
    assert socket.id == f"/chat#{socket.conn.id}"
    assert socket.nsp.name == "/chat"
    assert socket.handshake.auth == {
        "token": "a&b",
        "empty": "",
        "twice": "2",
        "name": "Zoë x",
    }


def test_the_query_is_no_part_of_a_name_in_protocol_5(server: ServerWorld) -> None:
    server.io.of("/chat")
    client = server.network.joined()
    client.send("0/chat?token=1,")
    assert client.receive() == '4/chat?token=1,{"message":"Invalid namespace"}'


def test_credentials_are_read_from_the_query() -> None:
    destination = Dialect4().destination
    assert destination(Packet(PacketType.CONNECT, "/a?&&b")) == ("/a", {"b": ""})
    assert destination(Packet(PacketType.CONNECT, "/a")) == ("/a", {})


def test_more_credentials_than_the_limit_are_refused(server: ServerWorld) -> None:
    watch = Watch(server, "/a")
    client = joined(server)
    client.send("0/a?" + "&".join(f"a{number}=1" for number in range(65)) + ",")
    assert client.receive() == '4/a,"More than 64 query parameters"'
    client.send("0/a?" + "&".join(f"a{number}=1" for number in range(64)) + ",")
    assert client.receive() == "0/a,"
    (socket,) = watch.sockets
    assert len(socket.handshake.auth) == 64


@BOTH
def test_a_middleware_refuses_in_the_main_namespace(server: ServerWorld, transport: str) -> None:
    watch = Watch(server)

    @server.io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("not today")

    client = old_client(server, transport)
    assert client.receive() == '4"not today"'
    assert watch.sockets == []
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}
    # The connection stays until its time to join is over.
    server.time.advance(44.9)
    assert server.io.engine.clients_count == 1
    client.line.send("2")
    server.time.advance(0.2)
    drain(client)


def test_who_has_joined_is_left_alone(server: ServerWorld) -> None:
    client = joined(server)
    for _ in range(4):
        server.time.advance(30)
        client.line.send("2")
        assert client.line.receive() == "3"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "no"),
        ("", "no"),
        ("why", "why"),
        ({"code": 1}, {"code": 1}),
        ({}, {}),
        ([1], [1]),
        (0, "no"),
        (42, "no"),
        (True, "no"),
        (1.5, "no"),
    ],
    ids=repr,
)
def test_a_refusal_is_the_data_or_the_message(data: Any, told: Any) -> None:
    """A number would be taken for an id, and a boolean for a broken packet."""
    assert Dialect4().refusal(ConnectError("no", data)) == told


def test_a_refusal_in_protocol_5_has_both() -> None:
    assert Dialect5().refusal(ConnectError("no")) == {"message": "no"}
    assert Dialect5().refusal(ConnectError("no", 0)) == {"message": "no", "data": 0}


def test_an_unknown_namespace_is_refused_as_the_reference_does(server: ServerWorld) -> None:
    client = joined(server)
    client.send("0/nowhere?token=1,")
    assert client.receive() == '4/nowhere,{"message":"Invalid namespace"}'


def test_a_defect_of_a_middleware_is_not_told(server: ServerWorld) -> None:
    @server.io.use
    def fail(socket: Socket) -> None:
        raise KeyError("secret")

    assert old_client(server).receive() == '4"Internal server error"'


# --- talking -----------------------------------------------------------------


@BOTH
def test_events_and_acknowledgements_are_the_same(server: ServerWorld, transport: str) -> None:
    watch = Watch(server)
    client = joined(server, transport)
    (socket,) = watch.sockets
    socket.on("echo", lambda *args: args)
    assert client.call("echo", 1, "\U0001f600") == [1, "\U0001f600"]
    client.send('51-7["echo",{"_placeholder":true,"num":0}]', b"\x01")
    assert client.receive() == '61-7[{"_placeholder":true,"num":0}]'
    assert client.receive() == b"\x01"
    answers: list[Any] = []
    socket.emit("question", b"\x02", ack=lambda *args: answers.append(args))
    question = client.receive()
    assert client.receive() == b"\x02"
    ack_id = question[3 : question.index("[")]
    client.send(f'61-{ack_id}[{{"_placeholder":true,"num":0}}]', b"\x03")
    wait_until(lambda: answers)
    assert answers == [(b"\x03",)]


def test_one_broadcast_reaches_both(server: ServerWorld) -> None:
    old = [joined(server, "polling"), joined(server)]
    new = [server.network.joined("polling"), server.network.joined()]
    server.io.emit("news", {"blob": b"\x01\x02"})
    for client in (*old, *new):
        assert client.receive() == '51-["news",{"blob":{"_placeholder":true,"num":0}}]'
        assert client.receive() == b"\x01\x02"


# --- leaving and coming back ---------------------------------------------------


@BOTH
def test_the_server_disconnects_it(server: ServerWorld, transport: str) -> None:
    watch = Watch(server)
    client = joined(server, transport)
    watch.sockets[0].disconnect()
    assert client.receive() == "1"
    wait_until(lambda: watch.ends)
    assert watch.ends == [("/", "server namespace disconnect")]


def test_it_leaves_a_namespace_and_comes_back_with_the_same_id(server: ServerWorld) -> None:
    watch = Watch(server, "/chat")
    client = joined(server)
    for _ in range(2):
        client.send("0/chat,")
        assert client.receive() == "0/chat,"
        client.disconnect("/chat")
        settle()
    assert watch.ends == [("/chat", "client namespace disconnect")] * 2
    assert watch.sockets[0].id == watch.sockets[1].id
    assert server.io.of("/chat").sockets == {}


def test_it_comes_back_while_its_leaving_is_still_handled(server: ServerWorld) -> None:
    release = Event()
    watch = Watch(server, "/chat")

    @server.io.event("disconnecting", namespace="/chat")
    def leaving(socket: Socket) -> None:
        release.wait()

    client = joined(server)
    client.send("0/chat,")
    assert client.receive() == "0/chat,"
    watch.sockets[0].conn.inbox.put(release.wait, (0.05,))  # so the end is handled beside it
    client.disconnect("/chat")
    client.send("0/chat,")
    assert client.receive() == "0/chat,"
    first, second = watch.sockets
    assert first.id != second.id
    release.set()
    wait_until(lambda: watch.ends)
    assert server.io.of("/chat").sockets == {second.id: second}
    assert second.rooms == {second.id}


def test_a_new_connection_is_a_new_socket(server: ServerWorld) -> None:
    watch = Watch(server)
    first = joined(server)
    first.line.leave()
    wait_until(lambda: watch.ends)
    joined(server)
    assert watch.ends == [("/", "transport close")]
    assert watch.sockets[0].id != watch.sockets[1].id


# --- what breaks the protocol --------------------------------------------------

VIOLATIONS = {
    "a connect for the main namespace": ("0", "forced server close"),
    "an event for a namespace not joined": ('2/chat,["a"]', "forced server close"),
    "an error": ('4"oops"', "forced server close"),
    "an unknown type": ("7", "forced close"),
    "broken json": ('2["a"', "forced close"),
    "too many attachments": ('511-["a"]', "forced close"),
    "a reserved event": ('2["disconnect"]', "forced close"),
}


@BOTH
@pytest.mark.parametrize("what", VIOLATIONS)
def test_a_violation_closes_the_connection(server: ServerWorld, transport: str, what: str) -> None:
    watch = Watch(server)
    client = joined(server, transport)
    packet, reason = VIOLATIONS[what]
    client.send(packet)
    wait_until(lambda: watch.ends)
    assert watch.ends == [("/", reason)]
    drain(client)


@BOTH
@pytest.mark.parametrize("names", [2, 0], ids=["twice", "not at all"])
def test_an_attachment_is_named_once(server: ServerWorld, transport: str, names: int) -> None:
    watch = Watch(server)
    client = joined(server, transport)
    client.send('51-["a"' + ',{"_placeholder":true,"num":0}' * names + "]")
    client.line.send(b"\x00")
    wait_until(lambda: watch.ends)
    assert watch.ends == [("/", "forced close")]


def test_a_connect_while_a_middleware_decides_is_a_violation(server: ServerWorld) -> None:
    release = Event()

    @server.io.use
    def think(socket: Socket) -> None:
        release.wait()

    client = old_client(server)
    (session,) = server.io.engine.clients.values()
    client.send("0")
    wait_until(lambda: session.ready_state != "open")
    release.set()
    drain(client)
    assert server.io.sockets.sockets == {}


# --- the choice ----------------------------------------------------------------


def test_the_dialect_goes_with_the_protocol_of_the_session() -> None:
    assert isinstance(dialect_of(3), Dialect4)
    assert isinstance(dialect_of(4), Dialect5)


def test_an_id_that_is_taken_is_not_given_twice() -> None:
    dialect = Dialect4()
    assert dialect.socket_id("abc", "/", ()) == "abc"
    assert dialect.socket_id("abc", "/chat", ()) == "/chat#abc"
    other = dialect.socket_id("abc", "/chat", {"/chat#abc"})
    assert len(other) == 20
    assert other != dialect.socket_id("abc", "/chat", {"/chat#abc"})
