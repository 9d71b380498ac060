"""Which ends a client can come back from, and what happens when ends and returns meet."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime import Reason
from flask_realtime.adapters.memory import MemoryAdapter
from flask_realtime.server.recovery import RECOVERABLE
from tests.clients import Closed
from tests.fakes import settle, wait_until
from tests.server.visitor import Visitor
from tests.worlds import MakeServer, ServerWorld


class World:
    """A server with recovery, and what its sockets were told at their end."""

    def __init__(self, make_server: MakeServer, adapter: Any = None, **options: Any) -> None:
        self.server: ServerWorld = make_server(connection_state_recovery=options, adapter=adapter)
        self.io = self.server.io
        self.time = self.server.time
        self.sockets: list[Any] = []
        self.reasons: list[str] = []
        self.io.on("connection", self.connected)

    def connected(self, socket: Any) -> None:
        self.sockets.append(socket)
        socket.on("disconnect", self.reasons.append)

    def visitor(self, transport: str = "websocket") -> Visitor:
        return Visitor(self.server.network, transport)

    def ask_again(self, visitor: Visitor) -> Any:
        """A CONNECT with its private id on a new connection, without waiting for the answer."""
        visitor.dial()
        visitor.client.send("0" + json.dumps(visitor.credentials))
        settle()
        return visitor.client


@pytest.fixture
def world(make_server: MakeServer) -> World:
    return World(make_server)


# --- reasons -----------------------------------------------------------------


def fin(world: World, visitor: Visitor) -> None:
    visitor.client.line.leave()


def a_broken_frame(world: World, visitor: Visitor) -> None:
    line: Any = visitor.client.line
    line.send_frames(b"\xff\xff\xff\xff\xff\xff")


def silence(world: World, visitor: Visitor) -> None:
    world.time.advance(46)


def a_broken_packet(world: World, visitor: Visitor) -> None:
    visitor.client.send("9")


def a_second_connect(world: World, visitor: Visitor) -> None:
    visitor.client.send("0")


def a_closing_server(world: World, visitor: Visitor) -> None:
    world.io.close()


def goodbye(world: World, visitor: Visitor) -> None:
    visitor.client.disconnect()


def thrown_out(world: World, visitor: Visitor) -> None:
    world.sockets[0].disconnect()


def thrown_out_with_the_connection(world: World, visitor: Visitor) -> None:
    world.sockets[0].disconnect(close=True)


def all_thrown_out(world: World, visitor: Visitor) -> None:
    world.io.disconnect_sockets(True)


def no_engine_packet(world: World, visitor: Visitor) -> None:
    visitor.client.line.send("9")


ENDS: list[tuple[Callable[[World, Visitor], None], str]] = [
    (fin, Reason.TRANSPORT_CLOSE),
    (a_broken_frame, Reason.TRANSPORT_ERROR),
    (silence, Reason.PING_TIMEOUT),
    (a_broken_packet, Reason.FORCED_CLOSE),
    (a_second_connect, Reason.FORCED_SERVER_CLOSE),
    (a_closing_server, Reason.SERVER_SHUTTING_DOWN),
    (goodbye, Reason.CLIENT_NAMESPACE_DISCONNECT),
    (thrown_out, Reason.SERVER_NAMESPACE_DISCONNECT),
    (thrown_out_with_the_connection, Reason.SERVER_NAMESPACE_DISCONNECT),
    (all_thrown_out, Reason.SERVER_NAMESPACE_DISCONNECT),
    (no_engine_packet, Reason.PARSE_ERROR),
]


@pytest.mark.parametrize(("end", "reason"), ENDS, ids=lambda end: getattr(end, "__name__", ""))
def test_the_reason_says_whether_a_state_is_kept(
    world: World, end: Callable[[World, Visitor], None], reason: str
) -> None:
    visitor = world.visitor()
    end(world, visitor)
    wait_until(lambda: world.reasons)
    assert world.reasons == [reason]
    kept = world.io.sockets.adapter.restore_session(visitor.pid, None) is not None
    assert kept is (reason in RECOVERABLE)


def test_every_reason_is_tried() -> None:
    reasons = {value for name, value in vars(Reason).items() if name.isupper()}
    assert {reason for _, reason in ENDS} == reasons


def test_who_said_goodbye_is_a_new_client_on_the_same_connection_as_well(world: World) -> None:
    visitor = world.visitor()
    before = visitor.sid
    visitor.client.disconnect()
    visitor.join(**visitor.credentials)
    assert not visitor.recovered
    assert visitor.sid != before


def test_a_second_disconnect_changes_nothing(world: World) -> None:
    visitor = world.visitor()
    (socket,) = world.sockets
    visitor.lose()
    socket.disconnect()
    socket.disconnect(close=True)
    visitor.come_back()
    assert visitor.recovered
    assert world.reasons == ["transport close"]


# --- private ids -------------------------------------------------------------


def test_a_private_id_is_good_for_one_return(world: World) -> None:
    visitor = world.visitor()
    pid, before = visitor.pid, visitor.sid
    visitor.lose()
    visitor.come_back()
    assert visitor.sid == before
    visitor.client.disconnect()
    settle()
    visitor.come_back(pid=pid)
    assert visitor.sid != before


@pytest.mark.parametrize("gone", [True, False])
def test_of_two_who_come_with_one_private_id_the_second_has_it(world: World, gone: bool) -> None:
    visitor = world.visitor()
    if gone:
        visitor.lose()
    first = world.ask_again(visitor)
    second = world.ask_again(visitor)
    sid = json.loads(second.receive()[1:])["sid"]
    assert sid == visitor.sid
    assert json.loads(first.receive()[1:])["sid"] == visitor.sid
    with pytest.raises(Closed):
        first.receive()
    assert list(world.io.sockets.sockets) == [visitor.sid]
    assert world.io.sockets.adapter.sids == {visitor.sid: {visitor.sid}}


def test_two_that_wait_for_the_same_end_do_not_become_the_same_socket(world: World) -> None:
    visitor = world.visitor()
    go = Event()
    world.sockets[0].on("disconnecting", lambda reason: go.wait())
    clients = [world.ask_again(visitor), world.ask_again(visitor)]
    assert len(world.sockets) == 1
    go.set()
    sids = [json.loads(client.receive()[1:])["sid"] for client in clients]
    assert sids.count(visitor.sid) == 1
    assert set(world.io.sockets.sockets) == set(sids)
    assert len(set(sids)) == 2


# --- taking over -------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_client_may_come_back_before_its_end_was_noticed(world: World, transport: str) -> None:
    visitor = world.visitor(transport)
    world.sockets[0].join("red")
    old = world.sockets[0].conn
    before = visitor.sid
    world.io.to("red").emit("into the void")
    visitor.come_back()
    assert (visitor.recovered, visitor.sid) == (True, before)
    assert visitor.received == [["into the void"]]
    assert world.reasons == ["transport close"]
    assert old.ready_state == "closed"
    assert list(world.io.sockets.sockets) == [before]
    assert world.io.sockets.adapter.rooms == {before: {before}, "red": {before}}


def test_all_namespaces_of_a_connection_that_is_taken_over_can_be_recovered(world: World) -> None:
    world.io.of("/chat").on("connection", world.connected)
    main = world.visitor()
    chat = Visitor(world.server.network, namespace="/chat")
    chat.lose()
    chat.client = main.client
    chat.join()
    main.dial()
    main.join(**main.credentials)
    chat.client = main.client
    chat.join(**chat.credentials)
    assert main.recovered
    assert chat.recovered


def test_the_rooms_are_those_that_its_handlers_left_it(world: World) -> None:
    """``disconnecting`` handlers may block, emit and change rooms; the return waits for them."""
    visitor = world.visitor()
    (socket,) = world.sockets
    go = Event()

    def disconnecting(reason: str) -> None:
        assert go.wait(5)
        socket.emit("goodbye")
        world.io.emit("somebody leaves")
        socket.join("departed")

    socket.on("disconnecting", disconnecting)
    client = world.ask_again(visitor)
    assert len(world.sockets) == 1
    go.set()
    assert [client.event()[0], client.event()[0]] == ["goodbye", "somebody leaves"]
    assert json.loads(client.receive()[1:])["sid"] == visitor.sid
    assert world.sockets[1].rooms == {visitor.sid, "departed"}


def test_a_goodbye_whose_handlers_block_does_not_cost_the_connection(world: World) -> None:
    """The official client leaves a namespace and joins it again, on one connection."""
    world.io.of("/other").on("connection", lambda socket: None)
    visitor = world.visitor()
    visitor.client.send("0/other,")
    visitor.client.receive()
    (socket,) = world.sockets
    go = Event()
    socket.on("disconnecting", lambda reason: go.wait(5))
    # A handler that is at work: the end runs beside it, and the CONNECT behind it.
    busy = Event()
    socket.on("work", lambda: busy.wait(5))
    visitor.client.emit("work")
    settle()
    visitor.client.disconnect()
    visitor.client.send("0" + json.dumps(visitor.credentials))
    settle()
    busy.set()
    answer = json.loads(visitor.client.receive()[1:])
    assert answer["sid"] != visitor.sid
    go.set()
    settle()
    assert world.reasons == ["client namespace disconnect"]
    assert set(world.io.sockets.sockets) == {answer["sid"]}


def test_a_return_waits_for_handlers_of_the_end_but_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_realtime.server.recovery._TAKE_OVER", 0.05)
    visitor = world.visitor()
    before = visitor.sid
    go = Event()
    world.sockets[0].on("disconnecting", lambda reason: go.wait(5))
    visitor.come_back()
    assert not visitor.recovered
    go.set()
    settle()
    assert set(world.io.sockets.sockets) == {visitor.sid} != {before}
    assert world.io.sockets.adapter.sids == {visitor.sid: {visitor.sid}}
    world.io.emit("news")
    assert visitor.read_event() == ["news"]


# --- leaving meanwhile -------------------------------------------------------


def test_who_leaves_again_while_the_middlewares_think_may_try_once_more(
    make_server: MakeServer,
) -> None:
    world = World(make_server, skip_middlewares=False)
    visitor = world.visitor()
    visitor.lose()
    go = Event()
    asked: list[str] = []

    @world.io.use
    def think(socket: Any) -> None:
        asked.append(socket.id)
        assert go.wait(5)

    world.io.emit("missed")
    world.ask_again(visitor)
    visitor.client.line.leave()
    settle()
    go.set()
    settle()
    assert world.io.sockets.sockets == {}
    assert world.io.sockets.adapter.sids == {}
    visitor.come_back()
    assert asked == [visitor.sid] * 2
    assert (visitor.recovered, visitor.received) == (True, [["missed"]])


def test_the_log_may_move_on_while_the_middlewares_think(make_server: MakeServer) -> None:
    world = World(make_server, skip_middlewares=False, max_log_bytes=2_000)
    visitor = world.visitor()
    visitor.lose()
    go = Event()
    asked: list[bool] = []

    @world.io.use
    def think(socket: Any) -> None:
        asked.append(socket.recovered)
        assert go.wait(5)

    client = world.ask_again(visitor)
    world.io.emit("too much", "x" * 2_000)
    go.set()
    assert json.loads(client.receive()[1:])["sid"] != visitor.sid
    assert asked == [True, False]


def test_a_socket_that_a_listener_ends_in_the_middle_of_its_welcome_is_kept(world: World) -> None:
    visitor = world.visitor()
    visitor.lose()
    adapter = world.io.sockets.adapter
    once: list[Any] = []

    def end(room: str, sid: str) -> None:
        once.append(room)
        world.io.sockets.sockets[sid].conn.close(flush=False)

    adapter.once("join-room", end)
    world.io.emit("missed")
    world.ask_again(visitor)
    assert len(once) == 1
    visitor.come_back()
    assert (visitor.recovered, visitor.received) == (True, [["missed"]])


# --- the end of the server ---------------------------------------------------


def test_closing_the_server_with_recovery_ends_everything(world: World) -> None:
    visitors = [world.visitor(), world.visitor("polling")]
    world.sockets[0].on("disconnecting", lambda reason: gevent.sleep(0))
    world.io.close()
    for visitor in visitors:
        with pytest.raises(Closed):
            visitor.client.receive()
    wait_until(lambda: len(world.reasons) == 2)
    assert world.reasons == ["server shutting down"] * 2
    assert world.io.sockets.sockets == {}
    assert world.server.network.request().status != 200


def test_an_adapter_that_cannot_recover_says_so_and_works(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgetful(MemoryAdapter):
        def enable_recovery(self, options: Any, clock: Any) -> bool:
            return False

    server = make_server(connection_state_recovery={}, adapter=Forgetful)
    assert "Forgetful cannot recover connections" in caplog.text
    visitor = Visitor(server.network)
    assert visitor.connect.keys() == {"sid"}


def test_what_an_adapter_cannot_do_costs_the_recovery_only(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemoryAdapter):
        failing = ""

        def __getattribute__(self, name: str) -> Any:
            if name == type(self).failing:
                raise OSError("the store is gone")
            return super().__getattribute__(name)

    server = make_server(connection_state_recovery={}, adapter=Broken)
    for failing in ("persist_session", "restore_session", "missed_packets"):
        visitor = Visitor(server.network)
        before = visitor.sid
        Broken.failing = failing
        visitor.lose()
        visitor.come_back()
        assert (visitor.recovered, visitor.sid == before) == (False, False), failing
        assert "the store is gone" in caplog.text
        Broken.failing = ""
    told = [record for record in caplog.records if "could not be re" in record.getMessage()]
    assert [record.exc_info for record in told] == [None, None], "many clients, one line each"


class CountingAdapter(MemoryAdapter):
    """Counts how often it was told to forget what is too old."""

    count = 0

    def prune(self) -> bool:
        self.count += 1
        return super().prune()


def test_what_is_too_old_is_forgotten_however_often_clients_come(make_server: MakeServer) -> None:
    world = World(make_server, CountingAdapter, max_disconnection_duration=60)
    adapter: Any = world.io.sockets.adapter
    for _ in range(10):
        world.visitor().lose()
        world.time.advance(30)
    assert adapter.count == 5
    world.time.advance(120)
    last = adapter.count
    assert last == 6
    # Nothing is left: the next client starts it again.
    world.time.advance(600)
    assert adapter.count == last
    world.visitor()
    world.time.advance(61)
    assert adapter.count == last + 1


def test_a_state_that_is_kept_once_more_is_forgotten_in_time(make_server: MakeServer) -> None:
    world = World(
        make_server, CountingAdapter, skip_middlewares=False, max_disconnection_duration=10
    )
    adapter: Any = world.io.sockets.adapter
    visitor = world.visitor()
    visitor.lose()
    go = Event()
    world.io.use(lambda socket: go.wait(5))
    world.ask_again(visitor)
    world.time.advance(46)  # the client is gone again, and nothing is left to forget
    adapter.count = 0
    go.set()
    settle()
    world.time.advance(11)
    assert adapter.count == 1
    world.time.advance(60)
    assert adapter.count == 2


def test_a_client_that_has_come_back_to_another_server_has_left_this_one(world: World) -> None:
    visitor = world.visitor()
    core = world.io.sockets.adapter.namespace
    core.give_up("another")
    assert world.reasons == []
    core.give_up(visitor.pid)
    settle()
    assert world.reasons == ["transport close"]
    assert world.io.sockets.adapter.restore_session(visitor.pid, None) is not None
