"""Clients that come and go in every way leave nothing behind."""

from __future__ import annotations

import gc
import os
import types
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from flask_realtime import AckTimeout, ConnectError
from flask_realtime.engine.session import Session
from tests.clients import Network
from tests.fakes import no_sessions, settle, wait_until
from tests.old_clients import old_polling, old_upgrade, old_websocket
from tests.resources import descriptors, greenlets, is_no_more
from tests.server.visitor import Visitor
from tests.worlds import MakeServer, ServerWorld

TIMES, AT_ONCE = 300, 30


def fin(server: ServerWorld, network: Network) -> Callable[[], Any]:
    return network.joined().line.leave


def rst(server: ServerWorld, network: Network) -> Callable[[], Any]:
    line = network.websocket(tcp=True)
    line.send("40")
    line.receive()
    return line.reset


def abandon_after_open(server: ServerWorld, network: Network) -> Callable[[], Any]:
    return network.polling().abandon


def abandon_a_get(server: ServerWorld, network: Network) -> Callable[[], Any]:
    line = network.polling()
    line.start_get()
    return line.abandon


def abandon_before_the_probe(server: ServerWorld, network: Network) -> Callable[[], Any]:
    line = network.polling()
    ws = network.dial(line.sid)

    def leave() -> None:
        ws.leave()
        line.abandon()

    return leave


def abandon_in_the_middle_of_an_upgrade(server: ServerWorld, network: Network) -> Callable[[], Any]:
    line = network.polling()
    ws = network.dial(line.sid, tcp=True)
    ws.send("2probe")
    ws.receive()

    def leave() -> None:
        ws.reset()
        line.abandon()

    return leave


def be_refused(server: ServerWorld, network: Network) -> Callable[[], Any]:
    client = network.client()
    client.send('0{"refuse":true}')
    assert client.receive().startswith("4{")
    return client.line.leave


def be_refused_on_polling(server: ServerWorld, network: Network) -> Callable[[], Any]:
    client = network.client("polling")
    client.send('0{"refuse":true}')
    assert client.receive().startswith("4{")
    return client.line.abandon  # type: ignore[attr-defined,no-any-return]


def leave_a_question_open(server: ServerWorld, network: Network) -> Callable[[], Any]:
    client = network.client()
    socket = server.io.sockets.sockets[client.connect()]
    socket.timeout(60).emit("question", ack=lambda *args: None)
    gevent.spawn(server.io.timeout(60).emit, "question", ack=lambda *args: None)
    return client.line.leave


def leave_half_a_packet(server: ServerWorld, network: Network) -> Callable[[], Any]:
    client = network.joined()
    client.send('52-["event",{"_placeholder":true,"num":0}]', b"first")
    return client.line.leave


def be_kicked(server: ServerWorld, network: Network) -> Callable[[], Any]:
    client = network.client()
    server.io.sockets.sockets[client.connect()].disconnect(close=True)
    return client.line.leave


def leave_an_old_websocket(server: ServerWorld, network: Network) -> Callable[[], Any]:
    return old_websocket(network).leave


def leave_after_an_old_upgrade(server: ServerWorld, network: Network) -> Callable[[], Any]:
    return old_upgrade(network, old_polling(network)).leave


def break_an_old_websocket(server: ServerWorld, network: Network) -> Callable[[], Any]:
    line = old_websocket(network)
    line.send("7")
    return line.leave


WAYS = [
    fin, rst, abandon_after_open, abandon_a_get, abandon_before_the_probe,
    abandon_in_the_middle_of_an_upgrade, be_refused, be_refused_on_polling,
    leave_a_question_open, leave_half_a_packet, be_kicked,
]  # fmt: skip


def refuse_some(socket: Any) -> None:
    if socket.handshake.auth.get("refuse"):
        raise ConnectError("no")


def visit(server: ServerWorld, way: Any) -> None:
    """A few clients at once; all of them are gone afterwards."""
    network = Network(server.io.handle)
    leavers = [way(server, network) for _ in range(AT_ONCE)]
    for leave in leavers:
        leave()
    settle()
    server.time.advance(46)  # for those who just stop
    wait_until(lambda: server.io.engine.clients_count == 0, "the last session to end")
    network.close()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.replace("_", " "))
def test_hundreds_of_clients_leave_nothing_behind(server: ServerWorld, way: Any) -> None:
    server.io.use(refuse_some)
    server.io.on("connection", lambda socket: socket.join("room"))
    visit(server, way)  # what is made once and kept is made now
    settle()
    before = greenlets(), descriptors()
    for _ in range(TIMES // AT_ONCE):
        visit(server, way)
    wait_until(lambda: greenlets() <= before[0], "the greenlets to end")
    wait_until(lambda: descriptors() <= before[1], "the descriptors to be closed")
    assert server.io.engine.clients_count == 0
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}
    assert server.io.sockets.adapter.sids == {}


def objects_of_the_package() -> int:
    gc.collect()
    names = {"Session", "Client", "Socket", "Inbox", "WebSocketTransport", "PollingTransport"}
    names |= {"DeflateTransport", "WebSocketTransport3", "WaitingAck", "CallbackAck"}
    names |= {"BroadcastAcks", "Probe", "SavedSocket", "_Entry"}
    return sum(
        type(item).__name__ in names and type(item).__module__.startswith("flask_realtime")
        for item in gc.get_objects()
    )


@pytest.mark.parametrize(
    "way", [fin, abandon_after_open, abandon_in_the_middle_of_an_upgrade, be_refused],
    ids=lambda way: way.__name__.replace("_", " "),
)  # fmt: skip
def test_the_objects_of_a_client_go_with_it(server: ServerWorld, way: Any) -> None:
    server.io.use(refuse_some)
    before = objects_of_the_package()
    visit(server, way)
    wait_until(lambda: objects_of_the_package() <= before, "the objects to be collected")


@pytest.mark.parametrize(
    "way", [leave_an_old_websocket, leave_after_an_old_upgrade, break_an_old_websocket],
    ids=lambda way: way.__name__.replace("_", " "),
)  # fmt: skip
def test_the_objects_of_an_old_client_go_with_it(make_server: MakeServer, way: Any) -> None:
    server = make_server(allow_eio3=True)
    before = objects_of_the_package()
    visit(server, way)
    wait_until(lambda: objects_of_the_package() <= before, "the objects to be collected")


def test_a_goodbye_that_was_heard_is_not_remembered(server: ServerWorld) -> None:
    before = objects_of_the_package()
    client = server.network.client()
    server.io.sockets.sockets[client.connect()].disconnect(close=True)
    client.line.leave()
    client.line.ended()  # type: ignore[attr-defined]
    del client
    # No time goes by: the deadline of the goodbye must not keep the session until then.
    wait_until(lambda: objects_of_the_package() <= before, "the objects to be collected")


def reachable(*roots: Any) -> int:
    """How many objects hang on these; classes, functions and numbers, which count, left out."""
    gc.collect()
    seen: dict[int, Any] = {}
    found = list(roots)
    while found:
        item = found.pop()
        if id(item) not in seen and not isinstance(item, CODE):
            seen[id(item)] = item
            found.extend(gc.get_referents(item))
    return len(seen)


CODE = (type, types.ModuleType, types.FunctionType, types.CodeType, types.FrameType, int, float)


def held(server: ServerWorld) -> tuple[int, int, int]:
    """How much there is of a server's sockets, of this package, and of greenlets."""
    return reachable(server.io.sockets), objects_of_the_package(), greenlets()


@pytest.mark.parametrize("how", ["never", "once", "too late", "while it was still there"])
def test_clients_that_could_come_back_are_forgotten(make_server: MakeServer, how: str) -> None:
    server = make_server(connection_state_recovery={"max_log_bytes": 100_000})
    server.io.on("connection", lambda socket: socket.join(["room", f"of {socket.id}"]))

    def visit() -> None:
        network = Network(server.io.handle)
        visitors = [Visitor(network, "polling" if n % 2 else "websocket") for n in range(AT_ONCE)]
        if how != "while it was still there":
            for visitor in visitors:
                visitor.lose()
        server.io.to("room").emit("news", "x" * 1000)
        for visitor in visitors:
            server.io.to(visitor.sid).emit("news")
        if how == "too late":
            server.time.advance(200)
        if how != "never":
            for visitor in visitors:
                visitor.come_back()
                assert visitor.recovered is (how != "too late")
                visitor.lose()
        server.time.advance(46)
        wait_until(lambda: server.io.engine.clients_count == 0, "the last session to end")
        network.close()
        settle()

    def rest() -> None:
        server.time.advance(1_000)
        assert not server.io.sockets.adapter.prune()

    visit()
    rest()
    before = held(server)
    for _ in range(3):
        visit()
    during = reachable(server.io.sockets)
    assert during > before[0] + AT_ONCE  # they are remembered for a while, and that is seen
    rest()
    # What other tests have left behind in this process may end at any moment.
    wait_until(lambda: is_no_more(held(server), before), "what was there before")
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}


def test_questions_without_an_answer_are_forgotten(server: ServerWorld) -> None:
    client = server.network.client()
    socket = server.io.sockets.sockets[client.connect()]
    before = objects_of_the_package()
    heard: list[Any] = []
    for ask in (socket.timeout(0.001), server.io.timeout(0.001)):
        for _ in range(20):
            ask.emit("question", ack=lambda *args: heard.append(args))
            with pytest.raises(AckTimeout):
                ask.emit_with_ack("question")
    wait_until(lambda: len(heard) == 40)
    heard.clear()
    wait_until(lambda: objects_of_the_package() <= before, "the entries to be forgotten")
    assert socket.connected


def test_the_counters_can_see_a_leak() -> None:
    owner = no_sessions()
    settle()  # what other tests have left behind in this process ends
    before, objects = (greenlets(), descriptors()), objects_of_the_package()
    end, other = os.pipe()
    hanging = gevent.spawn(gevent.sleep, 60)
    session = Session("a", owner, {}, 1)
    gevent.sleep(0)
    assert (greenlets(), descriptors()) == (before[0] + 1, before[1] + 2)
    assert objects_of_the_package() > objects
    assert session.id == "a"
    os.close(end)
    os.close(other)
    hanging.kill()
