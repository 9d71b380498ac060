"""Connection state recovery, as clients see it."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import gevent
import pytest

from flask_realtime import ConnectError
from tests.fakes import settle
from tests.flasks import MakeFlask
from tests.server.visitor import Visitor
from tests.worlds import MakeServer, ServerWorld

TRANSPORTS = ["websocket", "polling"]


class World:
    """A server with recovery and the sockets that connected to it."""

    def __init__(self, make_server: MakeServer, options: dict[str, Any], **more: Any) -> None:
        self.server: ServerWorld = make_server(connection_state_recovery=options, **more)
        self.io = self.server.io
        self.time = self.server.time
        self.sockets: list[Any] = []
        self.reasons: list[str] = []
        self.io.on("connection", self.connected)

    def connected(self, socket: Any) -> None:
        self.sockets.append(socket)
        socket.on("disconnect", self.reasons.append)

    def visitor(self, transport: str = "websocket", namespace: str = "/", **auth: Any) -> Visitor:
        return Visitor(self.server.network, transport, namespace, **auth)


@pytest.fixture
def world(make_server: MakeServer) -> World:
    return World(make_server, {})


# --- coming back -------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_comes_back_is_who_it_was_and_gets_what_it_missed(
    world: World, transport: str
) -> None:
    visitor = world.visitor(transport)
    (socket,) = world.sockets
    socket.join("red")
    socket.data["name"] = "Ada"
    world.io.emit("news", 1)
    visitor.read_event()
    before = visitor.sid
    visitor.lose()
    world.io.to("red").emit("news", 2)
    world.io.to("blue").emit("news", 3)
    world.io.except_("red").emit("news", 4)
    world.io.to("red").except_(before).emit("news", 5)
    socket.emit("news", 6)
    socket.compress(False).emit("news", 7)
    world.io.local.emit("news", 8)
    visitor.come_back()
    assert visitor.received == [["news", 2], ["news", 6], ["news", 7], ["news", 8]]
    assert visitor.recovered
    assert visitor.sid == before
    _, again = world.sockets
    assert (again.id, again.recovered, again.connected) == (before, True, True)
    assert again.rooms == {before, "red"}
    assert again.data == {"name": "Ada"}
    assert not socket.recovered
    assert list(world.io.sockets.sockets.values()) == [again]
    assert world.reasons == ["transport close"]


@pytest.mark.parametrize("way", [TRANSPORTS, TRANSPORTS[::-1]], ids=lambda way: way[0])
def test_a_client_may_come_back_by_the_other_transport(world: World, way: list[str]) -> None:
    visitor = world.visitor(way[0])
    visitor.lose()
    world.io.emit("missed", b"\x00\xff", b"")
    visitor.transport = way[1]
    visitor.come_back()
    assert visitor.recovered
    assert visitor.received == [["missed", b"\x00\xff", b""]]


def test_a_client_comes_back_as_often_as_it_is_lost(world: World) -> None:
    visitor = world.visitor()
    before = visitor.sid
    for number in range(5):
        visitor.lose()
        world.io.emit("missed", number)
        visitor.come_back()
        assert (visitor.recovered, visitor.sid) == (True, before)
        assert visitor.received == [["missed", number]]
        world.io.emit("live", number)
        assert visitor.read_event() == ["live", number]


def test_what_a_client_did_not_see_is_sent_again_although_it_was_sent(world: World) -> None:
    visitor = world.visitor()
    world.io.emit("seen")
    visitor.read_event()
    world.io.emit("on the wire")
    visitor.lose()
    world.io.emit("missed")
    visitor.come_back()
    assert visitor.received == [["on the wire"], ["missed"]]


def test_a_client_that_has_received_nothing_yet_can_come_back(world: World) -> None:
    world.io.emit("too early")
    visitor = world.visitor()
    visitor.lose()
    world.io.emit("in time")
    visitor.come_back()
    assert visitor.recovered
    assert visitor.received == [["in time"]]


def test_a_quiet_client_can_come_back_after_a_long_time_on_a_busy_server(world: World) -> None:
    visitor = world.visitor()
    for number in range(10):
        world.time.advance(20)
        visitor.client.line.send("3")
        settle()
        world.io.to("busy").emit("news", number)
    visitor.lose()
    visitor.come_back()
    assert visitor.recovered
    assert visitor.received == []


def test_an_offset_of_an_earlier_life_does_no_harm(world: World) -> None:
    """The official client keeps it when it could not be recovered."""
    visitor = world.visitor()
    world.io.emit("before")
    visitor.read_event()
    visitor.client.disconnect()
    settle()
    world.io.emit("while it was away for good")
    visitor.come_back()
    assert not visitor.recovered
    visitor.lose()
    world.io.emit("missed")
    visitor.come_back()
    assert visitor.recovered
    assert visitor.received == [["missed"]]


def test_the_rooms_are_there_and_what_was_missed_is_sent_before_the_connect(
    make_server: MakeServer,
) -> None:
    world = World(make_server, {"skip_middlewares": False})
    seen: list[Any] = []

    @world.io.use
    def watch(socket: Any) -> None:
        if socket.recovered:
            socket.conn.on(
                "packetCreate",
                lambda message: seen.append((message.text[:8], sorted(socket.rooms))),
            )

    visitor = world.visitor()
    world.sockets[0].join("red")
    visitor.lose()
    world.io.to("red").emit("missed")
    visitor.come_back()
    rooms = sorted(["red", visitor.sid])
    assert seen == [(b'2["misse', rooms), (b'0{"sid":', rooms)]


def test_the_connection_handlers_run_again(world: World) -> None:
    visitor = world.visitor()
    visitor.lose()
    visitor.come_back()
    assert [socket.recovered for socket in world.sockets] == [False, True]
    # Handlers belong to the connection: those of the new socket are at work.
    visitor.lose()
    assert world.reasons == ["transport close"] * 2


def test_the_old_socket_speaks_to_the_client_that_came_back(world: World) -> None:
    visitor = world.visitor()
    visitor.lose()
    visitor.come_back()
    world.sockets[0].emit("hello")
    assert visitor.read_event() == ["hello"]
    with pytest.raises(Exception, match="transport close"):
        world.sockets[0].emit_with_ack("question")


def test_other_threads_may_emit_to_a_client_that_is_away(world: World) -> None:
    visitor = world.visitor()
    (socket,) = world.sockets
    visitor.lose()

    def emit() -> None:
        for number in range(3):
            socket.emit("missed", number)
            world.io.emit("missed", number, b"bytes")

    thread = threading.Thread(target=emit)
    thread.start()
    thread.join()
    settle()
    visitor.come_back()
    expected = [[["missed", number], ["missed", number, b"bytes"]] for number in range(3)]
    assert visitor.received == [event for pair in expected for event in pair]


def test_flask_code_gets_the_request_of_the_new_connection(make_flask: MakeFlask) -> None:
    from flask import request

    flask_world = make_flask(connection_state_recovery={})
    seen: list[Any] = []

    @flask_world.io.on("connection")
    def connected(socket: Any) -> None:
        seen.append((socket.recovered, request.environ is socket.request))

    visitor = Visitor(flask_world.network)
    visitor.lose()
    visitor.come_back()
    assert seen == [(False, True), (True, True)]


class Story:
    """A client to which everything happens by chance, and what it was meant to receive."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.choose = random.Random(seed)
        self.visitor = world.visitor(self.choose.choice(TRANSPORTS))
        self.sid = self.visitor.sid
        self.rooms = {"", self.sid}
        self.meant: list[Any] = []
        self.seen: list[Any] = []
        self.is_there = True

    def emit(self) -> None:
        event: list[Any] = ["news", len(self.meant), *self.choose.choice([[], [], [b"bytes"]])]
        room = self.choose.choice(["red", "blue", "green", self.sid, ""])
        if room == self.sid and self.choose.random() < 0.5:
            self.world.sockets[-1].emit(*event)
        else:
            (self.world.io.to(room) if room else self.world.io).emit(*event)
        if room in self.rooms:
            self.meant.append(event)

    def join(self) -> None:
        if self.is_there:
            room = self.choose.choice(["red", "blue", "green"])
            self.rooms.add(room)
            self.world.sockets[-1].join(room)

    def read(self) -> None:
        if self.is_there:
            for _ in range(min(self.choose.randrange(4), len(self.meant) - len(self.seen))):
                self.seen.append(self.visitor.read_event())

    def lose(self) -> None:
        if self.is_there:
            self.visitor.lose()
            self.is_there = False

    def come_back(self) -> None:
        """Also when its end has not been noticed."""
        self.visitor.transport = self.choose.choice(TRANSPORTS)
        self.visitor.come_back()
        assert (self.visitor.recovered, self.visitor.sid) == (True, self.sid)
        self.seen += self.visitor.received
        self.is_there = True


@pytest.mark.parametrize("seed", range(12))
def test_whenever_a_client_is_lost_it_gets_everything_once_and_in_order(
    world: World, seed: int
) -> None:
    story = Story(world, seed)
    steps = [story.emit] * 8 + [story.join, story.read, story.read, story.lose, story.come_back]
    for _ in range(80):
        story.choose.choice(steps)()
    story.come_back()
    assert story.seen == story.meant
    assert len(story.meant) > 10


# --- what is not sent again --------------------------------------------------


def test_volatile_packets_and_questions_are_not_sent_again(world: World) -> None:
    visitor = world.visitor()
    (socket,) = world.sockets
    world.io.volatile.emit("tick", 1)
    assert visitor.read_event() == ["tick", 1]
    visitor.lose()
    world.io.volatile.emit("tick", 2)
    socket.volatile.emit("tick", 3)
    lost: list[Any] = []
    socket.emit("question", ack=lambda *args: lost.append(args))
    socket.timeout(1).emit("question", ack=lambda *args: lost.append(args))
    assert world.io.emit_with_ack("question") == []
    visitor.come_back()
    assert visitor.recovered
    assert visitor.received == []


def test_what_carries_no_offset_is_as_it_was_sent(world: World) -> None:
    visitor = world.visitor()
    (socket,) = world.sockets
    world.io.volatile.emit("tick", 1)
    socket.volatile.emit("tick", 2)
    socket.emit("question", 3, ack=lambda: None)
    world.io.timeout(1).emit("question", 4, ack=lambda *args: None)
    packets = [visitor.client.receive() for _ in range(4)]
    found = [json.loads(packet[packet.index("[") :])[1:] for packet in packets]
    assert found == [[1], [2], [3], [4]]


def test_outgoing_listeners_see_events_without_their_offsets(world: World) -> None:
    visitor = world.visitor()
    (socket,) = world.sockets
    seen: list[Any] = []
    socket.on_any_outgoing(lambda *event: seen.append(event))
    world.io.emit("news", 1)
    socket.emit("news", 2)
    visitor.lose()
    socket.emit("news", 3)
    assert seen == [("news", 1), ("news", 2)]


# --- not coming back ---------------------------------------------------------


def test_without_the_option_there_is_no_private_id_and_no_offset(server: ServerWorld) -> None:
    client = server.network.client()
    client.send('0{"pid":"a","offset":"b"}')
    assert list(json.loads(client.receive()[1:])) == ["sid"]
    server.io.emit("news", 1)
    assert client.event() == ["news", 1]
    (socket,) = server.io.sockets.sockets.values()
    socket.emit("news", 2)
    assert client.event() == ["news", 2]
    assert socket.recovered is False


@pytest.mark.parametrize(
    "auth",
    [
        {"pid": "unknown"},
        {"pid": ""},
        {"pid": 1},
        {"pid": None},
        {"pid": ["{pid}"]},
        {"pid": {"pid": "{pid}"}},
        {"offset": 1},
        {"offset": ["{offset}"]},
        {"offset": {}},
        {"offset": True},
        {"offset": ""},
        {"offset": "unknown"},
        {"offset": "{offset}9"},
        {"offset": "{offset}x"},
    ],
    ids=repr,
)
def test_who_asks_for_what_is_not_there_is_a_new_client(world: World, auth: Any) -> None:
    visitor = world.visitor()
    world.io.emit("news")
    visitor.read_event()
    before, (pid, offset) = visitor.sid, (visitor.pid, visitor.offset)
    visitor.lose()
    world.io.emit("missed")
    text = json.dumps(auth).replace("{pid}", pid).replace("{offset}", offset or "")
    visitor.come_back(**json.loads(text))
    assert (visitor.recovered, visitor.received) == (False, [])
    assert visitor.sid != before
    assert visitor.pid != pid
    assert not world.sockets[1].recovered
    assert world.sockets[1].rooms == {visitor.sid}
    assert world.sockets[1].data == {}


def test_a_client_may_be_away_for_so_long(make_server: MakeServer) -> None:
    world = World(make_server, {"max_disconnection_duration": 60})
    one, other = world.visitor(), world.visitor()
    one.lose()
    other.lose()
    world.io.emit("missed")
    world.time.advance(60)
    one.come_back()
    assert (one.recovered, one.received) == (True, [["missed"]])
    world.time.advance(0.001)
    other.come_back()
    assert (other.recovered, other.received) == (False, [])


def test_what_overflows_the_log_makes_a_new_client_of_those_who_missed_it(
    make_server: MakeServer,
) -> None:
    world = World(make_server, {"max_log_bytes": 5_000})
    one, other = world.visitor(), world.visitor()
    world.sockets[0].join("red")
    one.lose()
    other.lose()
    for _ in range(5):
        world.io.to("red").emit("missed", "x" * 1000)
    one.come_back()
    other.come_back()
    assert (one.recovered, one.received) == (False, [])
    assert (other.recovered, other.received) == (True, [])


def test_who_missed_more_than_it_could_be_sent_is_a_new_client(make_server: MakeServer) -> None:
    """Else it would be disconnected as too slow, come back, and so on."""
    world = World(make_server, {}, max_buffered_bytes=100_000)
    visitor = world.visitor("polling")
    visitor.lose()
    for _ in range(4):
        world.io.emit("missed", b"x" * 18_000)
    visitor.come_back()
    assert (visitor.recovered, len(visitor.received)) == (True, 4)
    visitor.lose()
    for _ in range(5):
        world.io.emit("missed", b"x" * 18_000)
    visitor.come_back()
    assert (visitor.recovered, visitor.received) == (False, [])


# --- middlewares -------------------------------------------------------------


@pytest.mark.parametrize("skip", [True, False])
def test_the_middlewares_are_asked_again_or_not(make_server: MakeServer, skip: bool) -> None:
    world = World(make_server, {"skip_middlewares": skip})
    asked: list[Any] = []

    @world.io.use
    def ask(socket: Any) -> None:
        asked.append((socket.recovered, dict(socket.data)))
        socket.data["user"] = "Ada"

    visitor = world.visitor()
    visitor.lose()
    visitor.come_back()
    assert visitor.recovered
    assert asked == [(False, {})] + ([] if skip else [(True, {"user": "Ada"})])
    assert world.sockets[1].data == {"user": "Ada"}


def test_who_cannot_be_recovered_is_asked_like_a_new_client(world: World) -> None:
    asked: list[bool] = []
    world.io.use(lambda socket: asked.append(socket.recovered))
    visitor = world.visitor()
    visitor.lose()
    visitor.come_back(pid="unknown")
    assert asked == [False, False]


def test_a_middleware_may_refuse_who_comes_back(make_server: MakeServer) -> None:
    world = World(make_server, {"skip_middlewares": False})
    banned: list[str] = []

    @world.io.use
    def refuse(socket: Any) -> None:
        if socket.id in banned:
            raise ConnectError("banned", {"since": 1})

    visitor = world.visitor()
    world.sockets[0].join("red")
    visitor.lose()
    banned.append(visitor.sid)
    world.io.to("red").emit("secret")
    visitor.dial()
    visitor.client.send("0" + json.dumps(visitor.credentials))
    assert visitor.client.receive() == '4{"message":"banned","data":{"since":1}}'
    assert world.io.sockets.sockets == {}
    assert world.io.sockets.adapter.rooms == {}
    # Once more on the same connection: what it was is gone.
    pid = visitor.pid
    visitor.join(**visitor.credentials)
    assert visitor.pid != pid
    assert visitor.received == []


def test_what_a_middleware_sends_arrives_in_order(make_server: MakeServer) -> None:
    world = World(make_server, {"skip_middlewares": False})
    world.io.use(lambda socket: socket.emit("middleware", int(socket.recovered)))
    visitor = world.visitor()
    assert visitor.received == [["middleware", 0]]
    visitor.lose()
    world.io.emit("missed")
    visitor.come_back()
    assert visitor.received == [["missed"], ["middleware", 1]]
    world.io.emit("live")
    visitor.read_event()
    visitor.lose()
    visitor.come_back()
    assert visitor.received == [["middleware", 1]]


def test_what_comes_while_the_middlewares_think_is_missed_as_well(
    make_server: MakeServer,
) -> None:
    world = World(make_server, {"skip_middlewares": False})
    visitor = world.visitor()
    visitor.lose()
    world.io.emit("before")

    @world.io.use
    def think(socket: Any) -> None:
        world.io.emit("meanwhile")
        gevent.sleep(0)

    visitor.come_back()
    assert visitor.received == [["before"], ["meanwhile"]]
    assert visitor.read_events(world.io) == [["before"], ["meanwhile"]]


# --- namespaces and options --------------------------------------------------


def test_each_namespace_has_its_own_private_ids_and_offsets(world: World) -> None:
    world.io.of("/chat").on("connection", world.connected)
    main = world.visitor()
    chat = world.visitor(namespace="/chat")
    chat.client = main.client
    chat.join()
    world.io.emit("main")
    world.io.of("/chat").emit("chat")
    main.read_event()
    chat.read_event()
    main.lose()
    world.io.emit("missed", 1)
    world.io.of("/chat").emit("missed", 2)
    main.dial()
    chat.dial()
    chat.client = main.client
    main.join(**main.credentials)
    chat.join(**chat.credentials)
    assert (main.recovered, main.received) == (True, [["missed", 1]])
    assert (chat.recovered, chat.received) == (True, [["missed", 2]])
    # The private id of one is unknown to the other.
    chat.lose()
    chat.come_back(pid=main.pid)
    assert not chat.recovered


@pytest.mark.parametrize("on", [True, False])
def test_the_last_configuration_counts(make_server: MakeServer, on: bool) -> None:
    server = make_server(connection_state_recovery=None if on else {})
    adapter = server.io.sockets.adapter
    server.io.configure({"connection_state_recovery": {} if on else None})
    assert server.io.sockets.adapter is adapter
    visitor = Visitor(server.network)
    assert bool(visitor.pid) is on
    server.io.emit("news", 1)
    packet = visitor.client.receive()
    assert len(json.loads(packet[1:])) == (3 if on else 2)
    visitor.lose()
    visitor.come_back()
    assert visitor.recovered is on
