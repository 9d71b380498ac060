"""One session with its namespaces, and what breaks the order of the protocol."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime.server.socket import Socket
from tests.clients import drain
from tests.fakes import settle, wait_until
from tests.worlds import MakeServer, ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Watch:
    """The ends of all sockets."""

    def __init__(self, server: ServerWorld) -> None:
        self.ends: list[tuple[str, str]] = []
        self.events: list[Any] = []
        for namespace in ("/", "/chat"):
            server.io.of(namespace).on("connection", self._watch)

    def _watch(self, socket: Socket) -> None:
        socket.on("disconnect", lambda reason: self.ends.append((socket.nsp.name, reason)))
        socket.on_any(lambda *args: self.events.append(args))


def gone(server: ServerWorld, client: Any) -> None:
    """The server closes the connection; the client hears it."""
    drain(client)
    if hasattr(client.line, "ended"):
        client.line.leave()
        client.line.ended()
    wait_until(lambda: server.io.engine.clients_count == 0)


VIOLATIONS = {
    "a second connect": ("0", "forced server close"),
    "an event for a namespace not joined": ('2/other,["a"]', "forced server close"),
    "an acknowledgement for a namespace not joined": ("3/other,1[]", "forced server close"),
    "a disconnect from a namespace not joined": ("1/other,", "forced server close"),
    "a connect error": ('4{"message":"x"}', "forced server close"),
    "an unknown type": ("7", "forced close"),
    "no type": ("", "forced close"),
    "an event without data": ("2", "forced close"),
    "an event that is an object": ('2{"a":1}', "forced close"),
    "an event without a name": ("2[]", "forced close"),
    "a name that is a list": ('2[["a"]]', "forced close"),
    "broken json": ('2["a"', "forced close"),
    "an event with a reserved name": ('2["disconnect"]', "forced close"),
    "a disconnect with data": ('1{"a":1}', "forced close"),
    "auth that is a list": ("0/chat,[]", "forced close"),
    "auth that is null": ("0/chat,null", "forced close"),
    "an acknowledgement that is an object": ("31{}", "forced close"),
    "too many attachments": ('511-["a"]', "forced close"),
    "text where an attachment belongs": ('51-["a",{"_placeholder":true,"num":0}]', ""),
}


@BOTH
@pytest.mark.parametrize("what", VIOLATIONS)
def test_a_violation_closes_the_whole_connection(
    server: ServerWorld, transport: str, what: str
) -> None:
    watch = Watch(server)
    client = server.network.client(transport)
    client.connect()
    client.connect("/chat") if not what.startswith("auth") else None
    packet, reason = VIOLATIONS[what]
    client.send(packet)
    if not reason:
        client.send('2["a"]')
        reason = "forced close"
    wait_until(lambda: watch.ends)
    gone(server, client)
    expected = {"/"} if what.startswith("auth") else {"/", "/chat"}
    assert set(watch.ends) == {(namespace, reason) for namespace in expected}
    assert len(watch.ends) == len(expected)
    assert watch.events == []


@BOTH
@pytest.mark.parametrize(
    "data",
    [
        '["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]',
        '["a"]',
        '["a",[{"_placeholder":true,"num":0}],{"b":{"_placeholder":true,"num":0}}]',
    ],
    ids=["named twice", "not named", "named twice, deep"],
)
def test_an_attachment_that_is_not_named_exactly_once_closes(
    server: ServerWorld, transport: str, data: str
) -> None:
    watch = Watch(server)
    client = server.network.joined(transport)
    client.send("51-" + data)
    client.line.send(b"\x00")
    gone(server, client)
    assert watch.ends == [("/", "forced close")]
    assert watch.events == []


@BOTH
def test_an_attachment_that_nobody_announced_closes(server: ServerWorld, transport: str) -> None:
    watch = Watch(server)
    client = server.network.joined(transport)
    client.line.send(b"\x00")
    gone(server, client)
    assert watch.ends == [("/", "forced close")]


@BOTH
def test_an_event_before_the_connect_closes(server: ServerWorld, transport: str) -> None:
    client = server.network.client(transport)
    client.send('2["a"]')
    gone(server, client)


@pytest.mark.parametrize("packet", ["0", '2["a"]', "1"])
def test_a_packet_before_the_middleware_has_decided_closes(
    server: ServerWorld, packet: str
) -> None:
    release, seen = Event(), []
    server.io.use(lambda socket: release.wait())
    server.io.on("connection", lambda socket: seen.append(socket))
    client = server.network.client()
    client.send("0")
    settle()
    client.send(packet)
    settle()
    release.set()
    gone(server, client)
    assert seen == []
    assert server.io.sockets.sockets == {}


@BOTH
def test_an_unknown_namespace_is_refused(server: ServerWorld, transport: str) -> None:
    client = server.network.client(transport)
    client.send("0/nothing,")
    assert client.receive() == '4/nothing,{"message":"Invalid namespace"}'
    client.send("0/nothing?token=1,")
    assert client.receive() == '4/nothing?token=1,{"message":"Invalid namespace"}'
    assert client.connect()  # the connection stays


@BOTH
def test_a_namespace_may_be_left_and_joined_again(server: ServerWorld, transport: str) -> None:
    watch = Watch(server)
    client = server.network.client(transport)
    first = client.connect()
    client.disconnect()
    second = client.connect()
    assert first != second
    settle()
    assert watch.ends == [("/", "client namespace disconnect")]
    assert list(server.io.sockets.sockets) == [second]


def test_a_namespace_of_which_the_server_threw_the_client_may_be_joined_again(
    server: ServerWorld,
) -> None:
    client = server.network.client()
    server.io.sockets.sockets[client.connect()].disconnect()
    assert client.receive() == "1"
    assert client.connect() in server.io.sockets.sockets


def test_leaving_one_namespace_leaves_the_others_alone(server: ServerWorld) -> None:
    watch = Watch(server)
    client = server.network.client()
    client.connect()
    sid = client.connect("/chat")
    client.disconnect()
    client.send('2/chat,["a"]')
    wait_until(lambda: watch.events)
    assert watch.ends == [("/", "client namespace disconnect")]
    assert list(server.io.of("/chat").sockets) == [sid]


def test_the_end_of_a_connection_is_the_end_in_all_namespaces(server: ServerWorld) -> None:
    watch = Watch(server)
    client = server.network.client()
    client.connect()
    client.connect("/chat")
    client.line.leave()
    wait_until(lambda: len(watch.ends) == 2)
    assert set(watch.ends) == {("/", "transport close"), ("/chat", "transport close")}


def test_events_that_wait_for_a_handler_are_handled_after_the_end(server: ServerWorld) -> None:
    release = Event()
    handled: list[int] = []

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("block", release.wait)
        socket.on("late", handled.append)

    client = server.network.joined()
    client.send('2["block"]')
    client.send('2["late",1]')
    settle()
    client.line.leave()
    wait_until(lambda: server.io.engine.clients_count == 0)
    release.set()
    wait_until(lambda: handled == [1])


def test_a_connection_that_is_over_lets_go_of_the_handlers_of_its_sockets(
    server: ServerWorld,
) -> None:
    sockets: list[Socket] = []
    server.io.on("connection", sockets.append)
    client = server.network.joined()
    (socket,) = sockets
    socket.on("event", print)
    socket.on_any(print)
    client.line.leave()
    wait_until(lambda: not socket.event_names() and not socket.listeners_any())
    reasons: list[str] = []
    socket.on("disconnect", reasons.append)
    wait_until(lambda: reasons == ["transport close"])


def test_closing_one_socket_closes_them_all(server: ServerWorld) -> None:
    watch = Watch(server)
    client = server.network.client()
    sid = client.connect()
    client.connect("/chat")
    server.io.sockets.sockets[sid].disconnect(close=True)
    assert sorted([client.receive(), client.receive()]) == ["1", "1/chat,"]
    gone(server, client)
    reason = "server namespace disconnect"
    assert set(watch.ends) == {("/", reason), ("/chat", reason)}


def test_the_sockets_of_a_client_are_listed(server: ServerWorld) -> None:
    server.io.of("/chat")
    client = server.network.client()
    sids = {client.connect(), client.connect("/chat")}
    client_object = next(iter(server.io.sockets.sockets.values())).client
    assert {socket.id for socket in client_object.sockets} == sids
    assert client_object.conn.id in server.io.engine.clients


# --- the time to join


@BOTH
def test_who_joins_nothing_in_time_is_closed(server: ServerWorld, transport: str) -> None:
    server.io.engine.options  # noqa: B018 - the default is 45 s
    client = server.network.client(transport)
    for _ in range(2):
        server.time.advance(22)
        client.line.send("3")
        settle()
    assert server.io.engine.clients_count == 1
    server.time.advance(1)
    gone(server, client)


def test_who_is_refused_has_not_joined(make_server: MakeServer) -> None:
    server = make_server(connect_timeout=5)
    client = server.network.client()
    client.send("0/nothing,")
    client.receive()
    server.time.advance(5)
    gone(server, client)


def test_who_has_joined_once_may_stay(make_server: MakeServer) -> None:
    server = make_server(connect_timeout=5)
    client = server.network.joined()
    client.disconnect()
    server.time.advance(20)
    assert server.io.engine.clients_count == 1


def test_who_leaves_before_is_forgotten(make_server: MakeServer) -> None:
    server = make_server(connect_timeout=5)
    client = server.network.client()
    client.line.leave()
    client.line.ended()  # type: ignore[attr-defined]
    server.time.advance(5)
    assert server.io.engine.clients_count == 0


def test_a_binary_packet_counts_with_all_its_attachments(make_server: MakeServer) -> None:
    server = make_server(max_http_buffer_size=1000)
    watch = Watch(server)
    client = server.network.joined()
    head = {"_placeholder": True}
    parts = [dict(head, num=number) for number in range(3)]
    client.send("53-" + json.dumps(["event", *parts]), *[b"x" * 600] * 3)
    gone(server, client)
    assert watch.ends == [("/", "forced close")]
    assert watch.events == []


PLACES = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


@pytest.mark.parametrize(("count", "option"), [(3, "max_attachments"), (2, "max_http_buffer_size")])
def test_a_packet_above_a_limit_is_a_warning_that_names_it(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture, count: int, option: str
) -> None:
    server = make_server(max_attachments=2, max_http_buffer_size=100)
    client = server.network.joined()
    client.send(f'5{count}-["event",{PLACES}]', b"x" * 60, b"y" * 60)
    gone(server, client)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.levelname == "WARNING"
    assert option in record.getMessage()


# --- what is under way when the server disconnects a client from one namespace

UNDER_WAY = {
    "an event": '2/chat,["late"]',
    "an event with an acknowledgement": '2/chat,7["late"]',
    "an acknowledgement": "3/chat,1[]",
    "the client's own disconnect": "1/chat,",
}


@BOTH
@pytest.mark.parametrize("what", UNDER_WAY)
def test_what_is_under_way_for_a_namespace_that_the_server_left_is_ignored(
    server: ServerWorld, transport: str, what: str
) -> None:
    watch = Watch(server)
    client = server.network.client(transport)
    client.connect()
    server.io.of("/chat").sockets[client.connect("/chat")].disconnect()
    client.send(UNDER_WAY[what])
    assert client.receive() == "1/chat,"
    client.send('2["a"]')
    wait_until(lambda: watch.events)
    assert watch.events == [("a",)]
    assert watch.ends == [("/chat", "server namespace disconnect")]


def test_an_event_with_an_attachment_under_way_is_ignored(server: ServerWorld) -> None:
    watch = Watch(server)
    client = server.network.client()
    client.connect()
    server.io.of("/chat").sockets[client.connect("/chat")].disconnect()
    client.send('51-/chat,["late",{"_placeholder":true,"num":0}]')
    client.line.send(b"\x00")
    client.send('2["a"]')
    wait_until(lambda: watch.events)
    assert watch.events == [("a",)]


@pytest.mark.parametrize("how", ["in a handler", "with a handler of its end", "all of them"])
def test_it_does_not_matter_how_the_server_left(server: ServerWorld, how: str) -> None:
    watch = Watch(server)
    chat = server.io.of("/chat")
    if how == "with a handler of its end":
        server.io.event("disconnecting", namespace="/chat")(lambda socket: settle())
    server.io.event("leave", namespace="/chat")(lambda socket: socket.disconnect())
    client = server.network.client()
    client.connect()
    client.connect("/chat")
    if how == "all of them":
        chat.disconnect_sockets()
    else:
        client.send('2/chat,["leave"]')
    client.send('2/chat,["late"]')
    assert client.receive() == "1/chat,"
    client.send('2/chat,["later"]')
    client.send('2["a"]')
    wait_until(lambda: ("a",) in watch.events)
    assert ("later",) not in watch.events
    assert len(watch.ends) == 1


@pytest.mark.parametrize("end", ["its own disconnect", "a second disconnect", "time"])
def test_afterwards_it_is_a_violation_again(server: ServerWorld, end: str) -> None:
    client = server.network.client()
    client.connect()
    server.io.of("/chat").sockets[client.connect("/chat")].disconnect()
    if end == "time":
        for _ in range(4):
            server.time.advance(15)
            client.line.send("3")
            settle()
    else:
        client.send("1/chat,")
    assert server.io.engine.clients_count == 1
    client.send("1/chat," if end == "a second disconnect" else '2/chat,["late"]')
    gone(server, client)


def test_joining_again_ends_the_ignoring(server: ServerWorld) -> None:
    watch = Watch(server)
    chat = server.io.of("/chat")
    client = server.network.client()
    client.connect()
    chat.sockets[client.connect("/chat")].disconnect()
    assert client.receive() == "1/chat,"
    client.connect("/chat")
    client.send('2/chat,["a"]')
    wait_until(lambda: watch.events)
    client.send("1/chat,")
    client.send('2/chat,["late"]')
    gone(server, client)


def test_a_namespace_that_the_client_left_is_not_ignored(server: ServerWorld) -> None:
    server.io.of("/chat")
    client = server.network.client()
    client.connect()
    client.connect("/chat")
    client.send("1/chat,")
    client.send('2/chat,["late"]')
    gone(server, client)
