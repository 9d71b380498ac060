"""Children that nobody needs any more: when they are removed, and when not."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime import ConnectError, MemoryAdapter, Namespace, Socket
from tests.fakes import settle, wait_until
from tests.server.rooms import ROOM, Gate, asking
from tests.server.visitor import Visitor
from tests.worlds import MakeServer, ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.fixture
def tidy(make_server: MakeServer) -> ServerWorld:
    """A server that removes empty children."""
    return make_server(cleanup_empty_child_namespaces=True)


def test_an_empty_child_stays_unless_the_option_says_otherwise(server: ServerWorld) -> None:
    parent = server.io.of(ROOM)
    client = server.network.joined(namespace="/room-1")
    client.disconnect("/room-1")
    wait_until(lambda: not server.io.of("/room-1").sockets)
    settle()
    assert len(parent.children) == 1
    assert "/room-1" in server.io.namespaces


def gone(server: ServerWorld, name: str = "/room-1") -> None:
    wait_until(lambda: name not in server.io.namespaces, f"{name} to be removed")


LEAVING: dict[str, Any] = {
    "disconnects": lambda client, socket: client.disconnect("/room-1"),
    "closes": lambda client, socket: client.line.leave(),
    "is thrown out": lambda client, socket: socket.disconnect(),
    "is closed": lambda client, socket: socket.disconnect(close=True),
    "breaks the protocol": lambda client, socket: client.send("7"),
}


@BOTH
@pytest.mark.parametrize("how", LEAVING)
def test_a_child_goes_with_its_last_socket(
    make_server: MakeServer, transport: str, how: str
) -> None:
    closed: list[str] = []

    class Closing(MemoryAdapter):
        def close(self) -> None:
            closed.append(self.namespace.name)

    tidy = make_server(cleanup_empty_child_namespaces=True, adapter=Closing)
    parent = tidy.io.of(ROOM)
    static = tidy.io.of("/static")
    sockets: list[Socket] = []
    parent.on("connection", sockets.append)
    other = tidy.network.joined(transport, "/static")
    first, last = (tidy.network.joined(transport, "/room-1") for _ in range(2))
    wait_until(lambda: len(sockets) == 2)
    LEAVING[how](first, sockets[0])
    wait_until(lambda: len(sockets[1].nsp.sockets) == 1)
    settle()
    assert "/room-1" in tidy.io.namespaces
    assert closed == []
    LEAVING[how](last, sockets[1])
    gone(tidy)
    assert parent.children == set()
    assert closed == ["/room-1"]
    other.disconnect("/static")
    wait_until(lambda: not static.sockets)
    settle()
    assert set(tidy.io.namespaces) == {"/", "/static"}


def test_the_next_client_gets_a_new_child(tidy: ServerWorld) -> None:
    made: list[Namespace] = []
    tidy.io.on("new_namespace", made.append)
    tidy.io.of(ROOM)
    client = tidy.network.client()
    for _ in range(3):
        client.connect("/room-1")
        client.disconnect("/room-1")
        gone(tidy)
    assert len(set(made)) == 3


@BOTH
def test_a_child_goes_when_its_only_client_is_refused(tidy: ServerWorld, transport: str) -> None:
    parent = tidy.io.of(ROOM)

    @parent.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("no")

    client = tidy.network.client(transport)
    for _ in range(2):
        client.send("0/room-1,")
        assert client.receive() == '4/room-1,{"message":"no"}'
        gone(tidy)
    assert parent.children == set()


def test_a_child_goes_when_its_only_client_leaves_during_a_middleware(tidy: ServerWorld) -> None:
    release = Event()
    tidy.io.of(ROOM).use(lambda socket: release.wait())
    client = asking(tidy, "/room-1")
    client.line.leave()
    wait_until(lambda: tidy.io.engine.clients_count == 0)
    assert "/room-1" in tidy.io.namespaces
    release.set()
    gone(tidy)


def test_a_child_stays_while_another_client_is_on_its_way_in(tidy: ServerWorld) -> None:
    release = Event()

    def ask(socket: Socket) -> None:
        if socket.handshake.auth.get("slow"):
            release.wait()

    tidy.io.of(ROOM).use(ask)
    first = tidy.network.joined(namespace="/room-1")
    slow = tidy.network.client()
    slow.send('0/room-1,{"slow":true}')
    settle()
    child = tidy.io.of("/room-1")
    first.disconnect("/room-1")
    wait_until(lambda: not child.sockets)
    settle()
    assert tidy.io.namespaces["/room-1"] is child
    release.set()
    assert slow.receive().startswith("0/room-1,")
    child.emit("still here")
    assert slow.receive() == '2/room-1,["still here"]'
    slow.disconnect("/room-1")
    gone(tidy)


def test_a_child_stays_while_a_connection_handler_is_at_work(tidy: ServerWorld) -> None:
    release = Event()
    tidy.io.of(ROOM).on("connection", lambda socket: release.wait())
    client = tidy.network.joined(namespace="/room-1")
    client.disconnect("/room-1")
    wait_until(lambda: not tidy.io.namespaces["/room-1"].sockets)
    settle()
    assert "/room-1" in tidy.io.namespaces
    release.set()
    gone(tidy)


def test_the_adapter_works_until_the_last_disconnect_handler_has_run(
    make_server: MakeServer,
) -> None:
    steps: list[str] = []

    class Noting(MemoryAdapter):
        def broadcast(self, *args: Any) -> None:
            steps.append("broadcast")

        def close(self) -> None:
            steps.append("close")

    tidy = make_server(cleanup_empty_child_namespaces=True, adapter=Noting)

    @tidy.io.event(namespace=ROOM)
    def disconnect(socket: Socket, reason: str) -> None:
        gevent.sleep(0)
        socket.nsp.emit("left", socket.id)

    client = tidy.network.joined(namespace="/room-1")
    client.line.leave()
    gone(tidy)
    assert steps == ["broadcast", "close"]


def test_who_comes_while_the_adapter_is_being_closed_gets_a_new_child(
    make_server: MakeServer,
) -> None:
    gate, made = Gate(), []

    class Slow(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            made.append(namespace.name)

        def close(self) -> None:
            gate("", {})

    tidy = make_server(cleanup_empty_child_namespaces=True, adapter=Slow)
    tidy.io.of(ROOM)
    tidy.network.joined(namespace="/room-1").line.leave()
    wait_until(lambda: gate.waiting)
    client = asking(tidy, "/room-1")
    assert made == ["/", "/room-1"]  # not two for one name at the same time
    gate.open()
    assert client.receive().startswith("0/room-1,")
    assert made == ["/", "/room-1", "/room-1"]


def test_an_adapter_that_cannot_be_closed_is_logged(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(MemoryAdapter):
        def close(self) -> None:
            if self.namespace.name != "/":
                raise OSError("the bus is gone")

    tidy = make_server(cleanup_empty_child_namespaces=True, adapter=Failing)
    tidy.io.of(ROOM)
    client = tidy.network.joined(namespace="/room-1")
    client.disconnect("/room-1")
    gone(tidy)
    assert client.connect("/room-1")
    assert "the adapter of /room-1 could not be closed" in caplog.text


def test_a_child_made_by_hand_goes_too_unless_something_was_registered_there(
    tidy: ServerWorld,
) -> None:
    @tidy.io.on("new_namespace")
    def announced(namespace: Namespace) -> None:
        namespace.on("connection", lambda socket: None)  # done again for the next child

    tidy.io.of(ROOM).on("connection", lambda socket: None)
    tidy.io.of("/room-1").emit("for whoever is there")
    mine = tidy.io.of("/room-2")
    mine.on("connection", lambda socket: socket.emit("mine"))
    client = tidy.network.client()
    client.connect("/room-1")
    client.connect("/room-2")
    assert client.receive() == '2/room-2,["mine"]'
    client.disconnect("/room-1")
    client.disconnect("/room-2")
    gone(tidy)
    wait_until(lambda: not mine.sockets)
    settle()
    assert set(tidy.io.namespaces) == {"/", "/room-2"}
    client.connect("/room-2")
    assert client.receive() == '2/room-2,["mine"]'


def test_hundreds_of_names_leave_nothing_behind(tidy: ServerWorld) -> None:
    kept: list[weakref.ref[Any]] = []

    @tidy.io.on("new_namespace")
    def watch(namespace: Namespace) -> None:
        kept.extend((weakref.ref(namespace), weakref.ref(namespace.adapter)))

    parent = tidy.io.of(ROOM)
    parent.use(refuse_odd)
    parent.on("connection", lambda socket: socket.join("lobby"))
    client = tidy.network.client()
    for number in range(300):
        name = f"/room-{number}"
        client.send(f"0{name},")
        if client.receive().startswith("0"):
            client.disconnect(name)
    last = tidy.network.joined(namespace="/room-1000")
    last.line.leave()
    wait_until(lambda: set(tidy.io.namespaces) == {"/"}, "all children to be removed")
    assert len(kept) == 602
    gc.collect()
    assert [ref() for ref in kept if ref() is not None] == []
    assert parent.children == set()


def refuse_odd(socket: Socket) -> None:
    if int(socket.nsp.name[-1]) % 2:
        raise ConnectError("odd")


def test_children_are_closed_with_the_server_once(make_server: MakeServer) -> None:
    closed: list[str] = []
    reasons: list[str] = []

    class Closing(MemoryAdapter):
        def close(self) -> None:
            closed.append(self.namespace.name)

    tidy = make_server(cleanup_empty_child_namespaces=True, adapter=Closing)
    parent = tidy.io.of(ROOM)
    parent.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    tidy.network.joined(namespace="/room-1")
    settle()
    tidy.io.close()
    settle()
    assert reasons == ["server shutting down"]
    tidy.io.close_adapters()
    assert closed == ["/", "/room-1"]


# --- with connection state recovery


@pytest.fixture
def recovering(make_server: MakeServer) -> ServerWorld:
    """A server that removes empty children and lets clients come back."""
    return make_server(
        cleanup_empty_child_namespaces=True,
        connection_state_recovery={"max_disconnection_duration": 60},
    )


FOR_GOOD: dict[str, Any] = {
    "disconnects": lambda visitor, socket: visitor.client.disconnect("/room-1"),
    "is thrown out": lambda visitor, socket: socket.disconnect(),
    "is closed": lambda visitor, socket: socket.disconnect(close=True),
}


@pytest.mark.parametrize("how", FOR_GOOD)
def test_a_child_goes_at_once_when_no_client_can_come_back(
    recovering: ServerWorld, how: str
) -> None:
    recovering.io.of(ROOM)
    visitor = Visitor(recovering.network, namespace="/room-1")
    recovering.io.of("/room-1").emit("kept", "for those who may come back")
    child = weakref.ref(recovering.io.namespaces["/room-1"])
    (socket,) = recovering.io.of("/room-1").sockets.values()
    FOR_GOOD[how](visitor, socket)
    gone(recovering)
    del socket
    recovering.network.close()  # a connection remembers what it did last
    settle()
    gc.collect()
    assert child() is None, "nor is what it has sent kept"


def test_a_child_stays_for_the_one_client_that_may_come_back(recovering: ServerWorld) -> None:
    recovering.io.of(ROOM)
    lost, left = (Visitor(recovering.network, namespace="/room-1") for _ in range(2))
    lost.lose()
    left.client.disconnect("/room-1")
    settle()
    assert "/room-1" in recovering.io.namespaces
    recovering.io.of("/room-1").emit("missed", 1)
    lost.come_back()
    assert lost.recovered
    lost.client.disconnect("/room-1")
    gone(recovering)


def test_a_child_goes_when_it_is_too_late_to_come_back(recovering: ServerWorld) -> None:
    recovering.io.of(ROOM)
    visitor = Visitor(recovering.network, namespace="/room-1")
    visitor.lose()
    settle()
    recovering.time.advance(50)
    recovering.io.of("/room-1").emit("kept", "for longer than the client")
    assert "/room-1" in recovering.io.namespaces
    recovering.time.advance(71)
    gone(recovering)
