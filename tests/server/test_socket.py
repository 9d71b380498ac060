"""One client in one namespace: emitting, acknowledgements, rooms and the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime import AckTimeout, SocketDisconnected
from flask_realtime.server.socket import Socket
from tests.clients import Later, SocketClient
from tests.engine.test_hub import Outcome
from tests.fakes import deadline, settle, wait_until
from tests.worlds import ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Pair:
    """A client and its socket, with what the socket's handlers noted."""

    def __init__(self, server: ServerWorld, transport: str = "websocket") -> None:
        self.seen: list[Any] = []
        self.sockets: list[Socket] = []
        self.server = server
        server.io.on("connection", self.sockets.append)
        self.client: SocketClient = server.network.joined(transport)
        settle()

    @property
    def socket(self) -> Socket:
        return self.sockets[-1]

    def note(self, event: str, **options: Any) -> None:
        """Note each event of that name."""
        self.socket.on(event, lambda *args: self.seen.append((event, *args)), **options)

    def block_on(self, event: str) -> Event:
        """A handler that blocks until it is released."""
        release = Event()

        def handler(*args: Any) -> str:
            self.seen.append(f"{event} begins")
            release.wait()
            self.seen.append(f"{event} ends")
            return "done"

        self.socket.on(event, handler)
        return release


@pytest.fixture
def pair(server: ServerWorld) -> Pair:
    return Pair(server)


@pytest.fixture(params=["polling", "websocket"])
def each(request: pytest.FixtureRequest, server: ServerWorld) -> Pair:
    return Pair(server, request.param)


# --- events


def test_events_arrive_with_their_arguments(each: Pair) -> None:
    each.note("event")
    each.client.emit("event", 1, "é", [None, {"a": 1.5}])
    each.client.emit("event")
    each.client.emit("nobody listens")
    settle()
    assert each.seen == [("event", 1, "é", [None, {"a": 1.5}]), ("event",)]


def test_binary_arguments_arrive_and_leave(each: Pair) -> None:
    each.note("event")
    each.client.send('51-["event",{"_placeholder":true,"num":0}]', b"\x00\xff")
    settle()
    assert each.seen == [("event", b"\x00\xff")]
    each.socket.emit("event", b"\x01", {"deep": bytearray(b"\x02")})
    assert each.client.receive().startswith('52-["event",{"_placeholder":true,"num":0}')
    assert [each.client.receive(), each.client.receive()] == [b"\x01", b"\x02"]


def test_events_are_emitted_with_their_arguments(each: Pair) -> None:
    each.socket.emit("event", 1, "é", (2, None))
    each.socket.send("text")
    each.socket.write("text", 2)
    assert each.client.event() == ["event", 1, "é", [2, None]]
    assert each.client.event() == ["message", "text"]
    assert each.client.event() == ["message", "text", 2]


def test_events_of_one_client_never_run_out_of_order(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event")
    each.client.emit("slow")
    for number in range(5):
        each.client.emit("event", number)
    settle()
    assert each.seen == ["slow begins"]
    release.set()
    wait_until(lambda: len(each.seen) == 7)
    assert each.seen[1:] == ["slow ends", *[("event", number) for number in range(5)]]


def test_one_client_that_blocks_does_not_hold_up_another(server: ServerWorld) -> None:
    first = Pair(server)
    release = first.block_on("slow")
    second = server.network.joined()
    first.sockets[-1].on("event", lambda: "yes")
    first.client.emit("slow")
    assert second.call("event") == ["yes"]
    release.set()


def test_a_concurrent_handler_runs_beside_one_that_blocks(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event", concurrent=True)
    each.client.emit("slow")
    each.client.emit("event")
    settle()
    assert each.seen == ["slow begins", ("event",)]
    release.set()
    wait_until(lambda: len(each.seen) == 3)


def test_a_handler_for_once_runs_once(pair: Pair) -> None:
    pair.socket.once("event", pair.seen.append)
    for number in range(3):
        pair.client.emit("event", number)
    settle()
    assert pair.seen == [0]


def test_handlers_run_in_the_order_of_registration(pair: Pair) -> None:
    pair.socket.on("event", lambda: pair.seen.append("first"))
    pair.socket.on("event", lambda: pair.seen.append("second"))
    pair.client.emit("event")
    settle()
    assert pair.seen == ["first", "second"]


@pytest.mark.parametrize("event", ["connection", "error", "__init__", "on_close", "message", ""])
def test_an_event_of_any_name_reaches_its_handler_and_nothing_else(
    pair: Pair, event: str
) -> None:
    pair.note(event)
    pair.client.emit(event, "from the client")
    settle()
    assert pair.seen == [(event, "from the client")]
    assert pair.socket.connected


@pytest.mark.parametrize(
    "event",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
def test_a_reserved_event_from_the_client_closes_the_connection(pair: Pair, event: str) -> None:
    pair.note(event)
    pair.socket.on("disconnect", lambda reason: pair.seen.append(reason))
    pair.client.emit(event, "forged")
    wait_until(lambda: pair.seen)
    settle()
    assert [seen for seen in pair.seen if "forged" in seen] == []
    assert "forced close" in pair.seen


# --- emit_with_ack


@BOTH
def test_the_answer_of_the_client_is_returned(server: ServerWorld, transport: str) -> None:
    pair = Pair(server, transport)
    for args, result in (((), None), (("a",), "a"), (("a", 2), ("a", 2))):
        asking = Later(pair.socket.emit_with_ack, "question", 1)
        ack_id, event = pair.client.question()
        assert event == ["question", 1]
        pair.client.answer(ack_id, *args)
        assert asking.wait() == result


def test_a_handler_may_wait_for_an_answer(each: Pair) -> None:
    each.socket.on("event", lambda: each.socket.emit_with_ack("question") + "!")
    each.client.emit("event", ack_id=5)
    ack_id, _ = each.client.question()
    each.client.answer(ack_id, "yes")
    assert each.client.receive() == '35["yes!"]'


def test_a_connection_handler_may_wait_for_an_answer(server: ServerWorld) -> None:
    seen: list[Any] = []
    server.io.on("connection", lambda socket: seen.append(socket.emit_with_ack("who")))
    client = server.network.joined("polling")
    ack_id, _ = client.question()
    client.answer(ack_id, "me")
    wait_until(lambda: seen)
    assert seen == ["me"]


def test_pongs_are_read_while_a_handler_blocks(pair: Pair) -> None:
    release = pair.block_on("slow")
    pair.client.emit("slow")
    for _ in range(3):
        pair.server.time.advance(44)
        pair.client.line.send("3")
        settle()
    assert pair.socket.connected
    release.set()


def test_no_answer_in_time_is_an_error(pair: Pair) -> None:
    with pytest.raises(AckTimeout):
        pair.socket.timeout(0.01).emit_with_ack("question")
    ack_id, _ = pair.client.question()
    pair.client.answer(ack_id, "late")  # ignored
    settle()
    assert pair.socket.connected


def test_a_client_that_leaves_is_an_error_at_once(each: Pair) -> None:
    asking = Later(each.socket.emit_with_ack, "question")
    settle()
    each.client.line.leave()
    with pytest.raises(SocketDisconnected, match="transport close"):
        asking.wait()


def test_a_client_that_is_gone_is_an_error_at_once(each: Pair) -> None:
    each.client.disconnect()
    settle()
    with deadline(seconds=1), pytest.raises(SocketDisconnected, match="client namespace"):
        each.socket.emit_with_ack("question")


def test_a_handler_that_waits_hears_of_the_end(each: Pair) -> None:
    def handler() -> None:
        try:
            each.socket.emit_with_ack("question")
        except SocketDisconnected as error:
            each.seen.append(error.reason)

    each.socket.on("event", handler)
    each.client.emit("event")
    settle()
    each.client.line.leave()
    wait_until(lambda: each.seen)
    assert each.seen == ["transport close"]


def test_a_client_that_is_kicked_is_an_error_at_once(pair: Pair) -> None:
    asking = Later(pair.socket.emit_with_ack, "question")
    pair.socket.disconnect()
    with pytest.raises(SocketDisconnected, match="server namespace disconnect"):
        asking.wait()


def test_a_volatile_question_that_is_dropped_times_out(server: ServerWorld) -> None:
    pair = Pair(server, "polling")
    with pytest.raises(AckTimeout):
        pair.socket.volatile.timeout(0.01).emit_with_ack("question")


@pytest.mark.parametrize("ack_id", [999, 10**12])
def test_an_answer_to_nothing_is_ignored(pair: Pair, ack_id: int) -> None:
    pair.client.answer(ack_id, "what?")
    settle()
    assert pair.socket.connected


def test_a_callback_gets_the_answer(each: Pair) -> None:
    each.socket.emit("question", 1, ack=lambda *args: each.seen.append(args))
    ack_id, _ = each.client.question()
    each.client.answer(ack_id, "a", 2)
    each.client.answer(ack_id, "again")
    wait_until(lambda: each.seen)
    settle()
    assert each.seen == [("a", 2)]


def test_a_callback_with_a_timeout_gets_an_error_first(pair: Pair) -> None:
    emitter = pair.socket.timeout(0.02)
    emitter.emit("question", ack=lambda *args: pair.seen.append(args))
    ack_id, _ = pair.client.question()
    pair.client.answer(ack_id, "a")
    wait_until(lambda: pair.seen)
    emitter.emit("question", ack=lambda *args: pair.seen.append(args))
    wait_until(lambda: len(pair.seen) == 2)
    assert pair.seen[0] == (None, "a")
    assert isinstance(pair.seen[1][0], AckTimeout)


def test_a_callback_with_a_timeout_hears_at_once_that_the_client_is_gone(pair: Pair) -> None:
    pair.socket.timeout(60).emit("question", ack=lambda *args: pair.seen.append(args))
    pair.client.line.leave()
    wait_until(lambda: pair.seen)
    assert isinstance(pair.seen[0][0], SocketDisconnected)


def test_a_callback_that_fails_is_reported(pair: Pair) -> None:
    pair.server.io.on_error(lambda error, socket, event: pair.seen.append(repr(error)))
    pair.socket.emit("question", ack=lambda: 1 // 0)
    pair.client.answer(pair.client.question()[0])
    wait_until(lambda: pair.seen)
    assert "ZeroDivisionError" in pair.seen[0]


# --- other threads


def real_thread(function: Callable[[], Any]) -> Outcome:
    return Outcome(function)


def test_another_thread_may_emit(each: Pair) -> None:
    def emit() -> None:
        for number in range(50):
            each.socket.emit("event", number)

    real_thread(emit).wait()
    assert [each.client.event()[1] for _ in range(50)] == list(range(50))


def test_a_thread_of_the_standard_library_may_emit(pair: Pair) -> None:
    thread = threading.Thread(target=pair.socket.emit, args=("event", 1))
    thread.start()
    assert pair.client.event() == ["event", 1]
    thread.join()


def test_another_thread_may_wait_for_an_answer(each: Pair) -> None:
    asking = real_thread(lambda: each.socket.emit_with_ack("question"))
    each.client.answer(each.client.question()[0], "yes")
    assert asking.wait() == "yes"


def test_another_thread_hears_of_the_end_and_of_its_mistakes(pair: Pair) -> None:
    with pytest.raises(AckTimeout):
        real_thread(lambda: pair.socket.timeout(0.01).emit_with_ack("question")).wait()
    with pytest.raises(ValueError, match="reserved"):
        real_thread(lambda: pair.socket.emit("disconnect")).wait()
    asking = real_thread(lambda: pair.socket.emit_with_ack("question"))
    settle()
    pair.client.line.leave()
    with pytest.raises(SocketDisconnected):
        asking.wait()


def test_another_thread_may_answer(pair: Pair) -> None:
    given: list[Any] = []

    def handler(*, ack: Any) -> None:
        given.append(ack)

    pair.socket.on("event", handler)
    pair.client.emit("event", ack_id=3)
    wait_until(lambda: given)
    real_thread(lambda: given[0]("from afar")).wait()
    assert pair.client.receive() == '33["from afar"]'


def test_another_thread_may_join_leave_and_disconnect(pair: Pair) -> None:
    real_thread(lambda: pair.socket.join(["a", "b"])).wait()
    real_thread(lambda: pair.socket.leave("b")).wait()
    wait_until(lambda: pair.socket.rooms == {pair.socket.id, "a"})
    real_thread(pair.socket.disconnect).wait()
    assert pair.client.receive() == "1"


# --- volatile, compress


def test_a_volatile_event_is_dropped_unless_a_get_waits(server: ServerWorld) -> None:
    pair = Pair(server, "polling")
    pair.socket.volatile.emit("dropped")
    get = pair.client.line.start_get()  # type: ignore[attr-defined]
    settle()
    pair.socket.volatile.emit("first")
    pair.socket.volatile.emit("second")  # the response is on its way
    assert get.get(timeout=1).packets == ['42["first"]']


def test_a_volatile_binary_event_is_dropped_as_a_whole(server: ServerWorld) -> None:
    pair = Pair(server, "polling")
    pair.socket.volatile.emit("dropped", b"\x00", b"\x01")
    pair.socket.emit("kept")
    assert pair.client.event() == ["kept"]


# --- rooms


def test_a_socket_is_in_the_room_of_its_id(pair: Pair) -> None:
    assert pair.socket.rooms == {pair.socket.id}


def test_a_socket_joins_and_leaves_rooms(pair: Pair) -> None:
    pair.socket.join("a")
    pair.socket.join(["b", "c"])
    pair.socket.leave("b")
    pair.socket.leave("never joined")
    assert pair.socket.rooms == {pair.socket.id, "a", "c"}
    pair.socket.rooms.clear()  # a copy
    assert "a" in pair.socket.rooms


@pytest.mark.parametrize("room", [None, 5, [None], b"a"])
def test_only_strings_name_rooms(pair: Pair, room: Any) -> None:
    with pytest.raises(TypeError):
        pair.socket.join(room)


def test_a_socket_that_has_left_joins_nothing(pair: Pair) -> None:
    pair.client.disconnect()
    settle()
    pair.socket.join("a")
    assert pair.socket.rooms == set()
    assert pair.server.io.sockets.adapter.rooms == {}
    assert pair.server.io.sockets.adapter.sids == {}


# --- what a socket knows


def test_a_socket_knows_its_client(pair: Pair) -> None:
    socket = pair.socket
    assert socket.connected
    assert not socket.recovered
    assert socket.data == {}
    assert len(socket.id) == 20
    assert socket.id != socket.conn.id
    assert socket.nsp is pair.server.io.sockets
    assert socket.client.conn is socket.conn
    assert socket.conn.transport.name == "websocket"
    assert socket.request["REMOTE_ADDR"] == "127.0.0.1"
    assert socket.id in repr(socket)


def test_emitting_to_a_client_that_is_gone_is_harmless(each: Pair) -> None:
    each.client.line.leave()
    settle()
    each.socket.emit("event")
    each.socket.volatile.emit("event")
    each.socket.to("room").emit("event")
    each.socket.emit("event", ack=lambda *args: each.seen.append(args))
    settle()
    assert not each.socket.connected
    assert each.seen == []


def test_nothing_follows_the_disconnect_packet(pair: Pair) -> None:
    pair.server.io.of("/other")
    pair.client.connect("/other")
    pair.socket.disconnect()
    pair.socket.emit("too late")
    pair.server.io.of("/other").emit("event")
    assert pair.client.receive() == "1"
    assert pair.client.receive() == '2/other,["event"]'


# --- the end


class Ending(Pair):
    def __init__(self, server: ServerWorld, transport: str = "websocket") -> None:
        super().__init__(server, transport)
        socket = self.socket
        socket.join("room")
        socket.on("disconnecting", lambda *args: self._note("disconnecting", args))
        socket.on("disconnect", lambda *args: self._note("disconnect", args))

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        socket = self.socket
        present = socket.id in socket.nsp.sockets
        self.seen.append((event, args[0], socket.connected, "room" in socket.rooms, present))


def test_disconnecting_comes_before_the_rooms_are_left(server: ServerWorld) -> None:
    ending = Ending(server)
    ending.client.disconnect()
    wait_until(lambda: len(ending.seen) == 2)
    reason = "client namespace disconnect"
    assert ending.seen == [
        ("disconnecting", reason, True, True, True),
        ("disconnect", reason, False, False, False),
    ]


WAYS: dict[str, tuple[Callable[[Ending], Any], str]] = {
    "the client disconnects": (lambda e: e.client.disconnect(), "client namespace disconnect"),
    "the client leaves": (lambda e: e.client.line.leave(), "transport close"),
    "the server disconnects": (lambda e: e.socket.disconnect(), "server namespace disconnect"),
    "the server closes": (lambda e: e.socket.disconnect(close=True), "server namespace disconnect"),
    "the connection is closed": (lambda e: e.socket.conn.close(), "forced close"),
    "silence": (lambda e: e.server.time.advance(45), "ping timeout"),
    "shutdown": (lambda e: e.server.io.close(), "server shutting down"),
    "a bad packet": (lambda e: e.client.send("9"), "forced close"),
    "an unknown packet": (lambda e: e.client.line.send("2"), "transport error"),
    "a second connect": (lambda e: e.client.send("0"), "forced server close"),
}


@BOTH
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_end_is_told_once_with_its_reason(
    server: ServerWorld, way: str, transport: str
) -> None:
    ending = Ending(server, transport)
    end, reason = WAYS[way]
    end(ending)
    wait_until(lambda: len(ending.seen) == 2)
    ending.socket.disconnect()
    ending.socket.disconnect(close=True)
    ending.socket.conn.close()
    ending.server.time.advance(60)
    assert [seen[:2] for seen in ending.seen] == [
        ("disconnecting", reason),
        ("disconnect", reason),
    ]


def test_handlers_of_the_end_get_as_much_as_they_take(server: ServerWorld) -> None:
    pair = Pair(server)
    pair.socket.on("disconnect", lambda: pair.seen.append(()))
    pair.socket.on("disconnect", lambda reason: pair.seen.append((reason,)))
    pair.socket.on("disconnect", lambda reason, cause: pair.seen.append((reason, str(cause))))
    pair.client.send("9")
    wait_until(lambda: len(pair.seen) == 3)
    assert pair.seen[:2] == [(), ("forced close",)]
    assert pair.seen[2][0] == "forced close"
    assert pair.seen[2][1] not in ("", "None")


def test_the_end_is_told_at_once_while_a_handler_blocks(each: Pair) -> None:
    release = each.block_on("slow")
    each.socket.on("disconnect", lambda reason: each.seen.append(reason))
    each.client.emit("slow")
    settle()
    each.client.line.leave()
    wait_until(lambda: len(each.seen) == 2)
    assert each.seen == ["slow begins", "transport close"]
    release.set()
    wait_until(lambda: len(each.seen) == 3)


def test_events_that_wait_still_run_when_the_client_has_left(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event")
    each.client.emit("slow")
    each.client.emit("event", 1)
    settle()
    each.client.line.leave()
    settle()
    release.set()
    wait_until(lambda: ("event", 1) in each.seen)


def test_events_that_wait_are_dropped_when_the_server_kicks(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event")
    each.client.emit("slow")
    each.client.emit("event", 1)
    settle()
    each.socket.disconnect()
    release.set()
    wait_until(lambda: "slow ends" in each.seen)
    settle()
    assert ("event", 1) not in each.seen


def test_a_handler_that_kicks_its_own_client_ends_it_on_the_spot(each: Pair) -> None:
    def handler() -> None:
        each.socket.disconnect()
        each.seen.append(("after", each.socket.connected))

    each.socket.on("leave", handler)
    each.socket.on("disconnect", lambda reason: each.seen.append(reason))
    each.note("event")
    each.client.line.send('42["leave"]', '42["event"]')
    wait_until(lambda: len(each.seen) == 2)
    settle()
    assert each.seen == ["server namespace disconnect", ("after", False)]


def test_a_handler_of_the_end_that_is_registered_late_is_called(server: ServerWorld) -> None:
    seen: list[str] = []
    release = Event()

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        release.wait()
        socket.on("disconnect", lambda reason: seen.append(reason))

    client = server.network.joined()
    client.line.leave()
    settle()
    assert seen == []
    release.set()
    wait_until(lambda: seen)
    settle()
    assert seen == ["transport close"]


def test_a_disconnecting_handler_that_fails_does_not_keep_the_socket(
    server: ServerWorld,
) -> None:
    pair = Pair(server)
    pair.socket.on("disconnecting", lambda: 1 // 0)
    pair.socket.on("disconnect", lambda reason: pair.seen.append(reason))
    pair.client.line.leave()
    wait_until(lambda: pair.seen)
    assert server.io.sockets.sockets == {}
    assert server.io.engine.clients_count == 0


def test_a_disconnecting_handler_that_blocks_keeps_the_rooms_until_it_ends(
    server: ServerWorld,
) -> None:
    pair = Pair(server)
    release = Event()
    pair.socket.on("disconnecting", lambda: release.wait())
    pair.client.line.leave()
    settle()
    assert pair.socket.rooms == {pair.socket.id}
    release.set()
    wait_until(lambda: pair.socket.rooms == set())


def test_a_room_listener_that_fails_does_not_keep_the_connection(
    server: ServerWorld, quiet_hub: Any
) -> None:
    pair = Pair(server)
    pair.socket.join("room")

    def fail(*args: Any) -> None:
        raise KeyError("the application's mistake")

    server.io.sockets.adapter.on("leave-room", fail)
    pair.client.line.leave()
    wait_until(lambda: not pair.socket.connected)
    settle()
    if "the application's mistake" in quiet_hub.getvalue():
        quiet_hub.truncate(0)
    pair.client.line.greenlet.get(timeout=1)  # type: ignore[attr-defined]
    assert server.io.engine.clients_count == 0
    assert server.io.sockets.sockets == {}


def test_the_greenlet_of_the_connection_runs_its_handlers(pair: Pair) -> None:
    pair.socket.on("event", lambda: pair.seen.append(gevent.getcurrent()))
    pair.client.emit("event")
    pair.client.emit("event")
    settle()
    assert pair.seen == [pair.client.line.greenlet] * 2  # type: ignore[attr-defined]
