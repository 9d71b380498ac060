"""Namespaces that clients ask for: which parent makes them, once, and when they go again."""

from __future__ import annotations

import re
import threading
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime import ConnectError, MemoryAdapter, Namespace, ParentNamespace, Socket
from tests.clients import Later
from tests.fakes import settle, wait_until
from tests.flasks import FlaskWorld
from tests.server.rooms import INVALID, ROOM, Gate, answer_to, asking
from tests.worlds import MakeServer, ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


# --- who may have a namespace


@BOTH
def test_a_name_that_the_pattern_matches_becomes_a_namespace(
    server: ServerWorld, transport: str
) -> None:
    parent = server.io.of(ROOM)
    seen: list[Socket] = []
    parent.on("connection", seen.append)
    client = server.network.client(transport)
    sid = client.connect("/room-7", {"token": "x"})
    settle()
    child = server.io.of("/room-7")
    assert [socket.id for socket in seen] == [sid]
    assert seen[0].nsp is child
    assert seen[0].handshake.auth == {"token": "x"}
    assert parent.children == {child}
    assert isinstance(child, Namespace)
    assert not isinstance(child, ParentNamespace)
    assert set(server.io.namespaces) == {"/", "/room-7"}
    client.send("0/room-x,")
    assert client.receive() == '4/room-x,{"message":"Invalid namespace"}'


def test_the_pattern_is_searched_in_the_name(server: ServerWorld) -> None:
    server.io.of(re.compile("room"))
    assert answer_to(server, "/a-room-in-the-middle").startswith("0")
    assert answer_to(server, "/ROOM") == INVALID


def test_a_function_gets_the_name_and_what_the_client_sent(server: ServerWorld) -> None:
    asked: list[Any] = []

    def mine(name: str, auth: dict[str, Any]) -> bool:
        asked.append((name, dict(auth)))
        auth["by the matcher"] = True
        return auth.get("token") == "right"

    parent = server.io.of(mine)
    sockets: list[Socket] = []
    parent.on("connection", sockets.append)
    assert answer_to(server, "/any") == INVALID
    assert answer_to(server, "/any", {"token": "wrong"}) == INVALID
    assert parent.children == set()
    assert answer_to(server, "/any?a=b", {"token": "right"}).startswith("0")
    assert asked == [
        ("/any", {}),
        ("/any", {"token": "wrong"}),
        ("/any?a=b", {"token": "right"}),
    ]
    settle()
    assert sockets[0].handshake.auth == {"token": "right"}
    assert sockets[0].nsp.name == "/any?a=b"


def test_matchers_are_asked_in_the_order_of_their_registration(server: ServerWorld) -> None:
    asked: list[str] = []

    def no(name: str, auth: Any) -> Any:
        asked.append("no")
        return ""

    def yes(name: str, auth: Any) -> Any:
        asked.append("yes")
        return "a true value"

    server.io.of(no)
    first = server.io.of(yes)
    second = server.io.of(re.compile("."))
    assert answer_to(server, "/x").startswith("0")
    assert asked == ["no", "yes"]
    assert [len(parent.children) for parent in (first, second)] == [1, 0]


def test_a_namespace_that_is_there_comes_before_all_matchers(server: ServerWorld) -> None:
    static = server.io.of("/room-1")
    asked: list[str] = []
    server.io.of(lambda name, auth: asked.append(name))
    parent = server.io.of(ROOM)
    assert answer_to(server, "/room-1").startswith("0")
    assert asked == []
    assert parent.children == set()
    assert len(static.sockets) == 1


def test_a_matcher_that_fails_has_not_agreed(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((repr(error), socket, event)))

    @server.io.of
    def broken(name: str, auth: Any) -> bool:
        raise KeyError("the database is down")

    assert answer_to(server, "/room-1") == INVALID
    server.io.of(ROOM)
    assert answer_to(server, "/room-1").startswith("0")  # the next one was asked
    assert told == [("KeyError('the database is down')", None, "namespace")] * 2
    assert "the database is down" in caplog.text


def test_a_result_without_a_truth_value_is_no(server: ServerWorld) -> None:
    class Neither:
        def __bool__(self) -> bool:
            raise ValueError("neither")

    told: list[str] = []
    server.io.on_error(lambda error, socket, event: told.append(str(error)))
    server.io.of(lambda name, auth: Neither())
    assert answer_to(server, "/x") == INVALID
    assert told == ["neither"]


def test_the_same_matcher_belongs_to_one_parent(server: ServerWorld) -> None:
    def mine(name: str, auth: Any) -> bool:
        return True

    assert server.io.of(ROOM) is server.io.of(re.compile(ROOM.pattern))
    assert server.io.of(mine) is server.io.of(mine)
    assert server.io.of(ROOM) is not server.io.of(re.compile(ROOM.pattern, re.IGNORECASE))


def test_handlers_are_declared_for_a_pattern(server: ServerWorld) -> None:
    @server.io.event("who", namespace=ROOM)
    def who(socket: Socket) -> str:
        return str(socket.nsp.name)

    @server.io.event("hello", namespace=ROOM)
    def hello(socket: Socket) -> str:
        return "hello"

    client = server.network.joined(namespace="/room-3")
    client.send('2/room-3,1["who"]')
    assert client.receive() == '3/room-3,1["/room-3"]'
    client.send('2/room-3,2["hello"]')
    assert client.receive() == '3/room-3,2["hello"]'


# --- one child, however many ask


def test_clients_that_ask_at_once_share_one_child(server: ServerWorld) -> None:
    gate = Gate()
    made: list[Namespace] = []
    parent = server.io.of(gate)
    server.io.on("new_namespace", made.append)
    clients = [asking(server, "/x") for _ in range(5)]
    assert gate.waiting == 5
    gate.open()
    assert all(client.receive().startswith("0/x,") for client in clients)
    assert made == [server.io.of("/x")]
    assert parent.children == set(made)
    assert len(made[0].sockets) == 5


def test_of_two_parents_that_agree_the_quicker_makes_the_child(server: ServerWorld) -> None:
    slow, quick = server.io.of(gate := Gate()), server.io.of(re.compile("x"))
    gate_of_one = asking(server, "/x")
    by_hand = server.io.of("/x")  # of the pattern: functions are not asked without a client
    gate.open()
    assert gate_of_one.receive().startswith("0/x,")
    assert (slow.children, quick.children) == (set(), {by_hand})
    assert len(by_hand.sockets) == 1


def test_an_adapter_that_blocks_is_made_once(make_server: MakeServer) -> None:
    gate = Gate()
    made: list[str] = []

    class Slow(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            made.append(namespace.name)
            if namespace.name == "/room-1":
                gate("", {})

    server = make_server(adapter=Slow)
    server.io.of(ROOM)
    clients = [asking(server, "/room-1") for _ in range(3)]
    by_hand = Later(server.io.of, "/room-1")
    assert answer_to(server, "/room-2").startswith("0")  # nobody else waits
    gate.open()
    assert all(client.receive().startswith("0/room-1,") for client in clients)
    assert made == ["/", "/room-1", "/room-2"]
    assert len(by_hand.wait().sockets) == 3


def test_an_adapter_that_cannot_be_made_refuses(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [OSError("no connection")]

    class Failing(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            if namespace.name == "/room-1" and failures:
                raise failures.pop()

    server = make_server(adapter=Failing)
    server.io.of(ROOM)
    assert answer_to(server, "/room-1") == '4{"message":"Internal server error"}'
    assert "no connection" in caplog.text
    assert set(server.io.namespaces) == {"/"}
    assert answer_to(server, "/room-1").startswith("0")  # and it may try again


def test_nobody_goes_in_before_new_namespace_listeners_are_done(server: ServerWorld) -> None:
    release = Event()

    @server.io.on("new_namespace")
    def guard(namespace: Namespace) -> None:
        assert server.io.of(namespace.name) is namespace
        release.wait()

        @namespace.use
        def refuse(socket: Socket) -> None:
            raise ConnectError("guarded")

    server.io.of(ROOM)
    clients = [asking(server, "/room-1") for _ in range(3)]
    release.set()
    for client in clients:
        assert client.receive() == '4/room-1,{"message":"guarded"}'


def test_another_thread_asks_for_a_namespace(server: ServerWorld) -> None:
    server.network.joined()  # the hub is known now
    got: list[Namespace] = []
    makers: list[Any] = []
    server.io.on("new_namespace", lambda namespace: makers.append(threading.current_thread()))
    thread = threading.Thread(target=lambda: got.append(server.io.of("/from-a-thread")))
    thread.start()
    wait_until(lambda: got)
    thread.join()
    assert got == [server.io.of("/from-a-thread")]
    assert makers == [threading.current_thread()]  # in the thread where clients are admitted


def test_a_client_that_leaves_while_a_matcher_blocks_gets_no_namespace(
    server: ServerWorld,
) -> None:
    parent = server.io.of(gate := Gate())
    client = asking(server, "/x")
    client.line.leave()
    wait_until(lambda: server.io.engine.clients_count == 0)
    gate.open()
    settle()
    assert parent.children == set()
    assert set(server.io.namespaces) == {"/"}


def test_a_server_that_closes_makes_no_namespace_any_more(server: ServerWorld) -> None:
    parent = server.io.of(gate := Gate())
    asking(server, "/x")
    server.io.close()
    gate.open()
    settle()
    assert parent.children == set()


def test_an_adapter_that_was_being_made_is_closed_with_the_server(
    make_server: MakeServer,
) -> None:
    gate, closed = Gate(), []

    class Slow(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            if namespace.name == "/room-1":
                gate("", {})

        def close(self) -> None:
            closed.append(self.namespace.name)

    server = make_server(adapter=Slow)
    server.io.of(ROOM)
    asking(server, "/room-1")
    server.io.close()
    gate.open()
    settle()
    server.io.close_adapters()
    assert closed == ["/", "/room-1"]


# --- new_namespace


def test_every_new_namespace_is_announced_but_the_main_one(server: ServerWorld) -> None:
    made: list[str] = []

    class Chat(Namespace):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.on("new_namespace", lambda namespace: made.append(namespace.name))

    server.io.of(ROOM)
    server.io.register(Chat("/"))
    server.io.of("/static")
    server.io.of("/static")
    server.io.register(Chat("/class"))
    answer_to(server, "/room-1")
    answer_to(server, "/room-1")
    server.io.of("/room-2")
    assert made == ["/static", "/class", "/room-1", "/room-2"]


def test_a_listener_that_fails_is_reported_and_harms_nothing(server: ServerWorld) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((str(error), socket, event)))

    @server.io.on("new_namespace")
    def fail(namespace: Namespace) -> None:
        raise gevent.Timeout(5)

    server.io.of(ROOM)
    assert answer_to(server, "/room-1").startswith("0")
    assert told == [("5 seconds", None, "new_namespace")]


# --- made by hand


def test_a_namespace_made_by_hand_is_a_child_of_the_first_pattern(server: ServerWorld) -> None:
    before = server.io.of("/room-1")
    server.io.of(lambda name, auth: True)
    parent, other = server.io.of(ROOM), server.io.of(re.compile("room"))
    child = server.io.of("room-2")
    assert parent.children == {child}
    assert other.children == set()
    assert server.io.of("/room-1") is before
    assert server.io.of("/elsewhere") not in parent.children


def test_a_registered_class_is_nobodys_child(server: ServerWorld) -> None:
    class Chat(Namespace):
        pass

    parent = server.io.of(ROOM)
    chat = server.io.register(Chat("/room-1"))
    assert parent.children == set()
    assert server.io.of("/room-1") is chat


# --- what cannot be registered


def test_what_is_not_a_namespace_cannot_be_registered(server: ServerWorld) -> None:
    class Chat(Namespace):
        pass

    with pytest.raises(TypeError, match="takes a namespace"):
        server.io.register(Chat)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="ParentNamespace"):
        Chat(ROOM)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not Chat"):
        server.io.of(Chat)  # type: ignore[arg-type]


def test_a_name_that_is_being_made_is_taken(make_server: MakeServer) -> None:
    gate = Gate()

    class Slow(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            if namespace.name == "/room-1":
                gate("", {})

    class Chat(Namespace):
        pass

    server = make_server(adapter=Slow)
    making = Later(server.io.of, "/room-1")
    with pytest.raises(ValueError, match="/room-1"):
        server.io.register(Chat("/room-1"))
    gate.open()
    assert making.wait() is server.io.of("/room-1")


def test_a_matcher_is_taken_once(server: ServerWorld) -> None:
    class Rooms(ParentNamespace):
        pass

    rooms = server.io.register(Rooms(ROOM))
    assert server.io.of(ROOM) is rooms
    with pytest.raises(ValueError, match="room"):
        server.io.register(Rooms(ROOM))
    with pytest.raises(RuntimeError):
        rooms.bind(server.io)


# --- Flask


@BOTH
def test_matchers_and_new_namespace_listeners_are_flask_code(
    flask_world: FlaskWorld, transport: str
) -> None:
    from flask import current_app, g, request

    seen: list[Any] = []

    @flask_world.io.on("new_namespace")
    def made(namespace: Namespace) -> None:
        seen.append((namespace.name, current_app.name, g.user))

    def mine(name: str, auth: dict[str, Any]) -> bool:
        g.user = auth["user"]
        return request.args["transport"] == transport

    @flask_world.io.event(namespace=mine)
    def connection(socket: Socket) -> None:
        seen.append((socket.nsp.name, current_app.name, list(g)))

    flask_world.network.joined(transport, "/any", {"user": "ann"})
    wait_until(lambda: len(seen) == 2)
    name = flask_world.app.name
    assert seen == [("/any", name, "ann"), ("/any", name, [])]


def test_a_context_that_cannot_be_entered_makes_no_namespace(server: ServerWorld) -> None:
    class Broken:
        def call(self, socket: Any, event: str, function: Any, args: Any) -> None:
            raise ConnectionError("the session store is down")

        def call_apart(self, event: str, function: Any, args: Any) -> None:
            raise ConnectionError

        def for_task(self) -> Any:
            raise ConnectionError

        def failed(self, error: BaseException) -> None: ...

    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((str(error), socket, event)))
    parent = server.io.of(ROOM)
    server.io.runner.context = Broken()
    assert answer_to(server, "/room-1") == '4{"message":"Internal server error"}'
    assert told == [("the session store is down", None, "namespace")]
    assert parent.children == set()


def test_options_that_come_later_reach_parents_and_children(flask_world: FlaskWorld) -> None:
    from flask import Flask

    from flask_realtime import Realtime

    io = Realtime()
    parent, child = io.of(ROOM), io.of("/room-1")
    made: list[str] = []

    class Noting(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            made.append(namespace.name)

    io.init_app(Flask(__name__), adapter=Noting, cleanup_empty_child_namespaces=True)
    assert made == ["/", "/room-1"]
    assert child.adapter.namespace.parser is io.parser
    assert parent.adapter.namespace.parser is io.parser
