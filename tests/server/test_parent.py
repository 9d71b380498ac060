"""Parents: what they match, what their children get, and broadcasts to all children."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime import AckTimeout, Namespace, ParentNamespace, Socket
from flask_realtime.server.parent import matches
from tests.clients import Later, SocketClient
from tests.fakes import settle, wait_until
from tests.server.rooms import ROOM
from tests.worlds import ServerWorld

# --- what they match


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (r"^/room-[0-9]+\Z", "/room-12", True),
        (r"^/room-[0-9]+\Z", "/room-12\n", False),
        (r"^/room-[0-9]+$", "/room-12\n", True),  # as Python's `$` has it
        (r"^/room-[0-9]+\Z", "/a/room-12", False),
        (r"room", "/a/room-12", True),
        (r"^room", "/room", False),  # a name begins with a slash
    ],
)
def test_a_pattern_is_searched(pattern: str, name: str, expected: bool) -> None:
    assert matches(re.compile(pattern), name, {}) is expected


def test_a_function_answers_with_what_is_true() -> None:
    assert matches(lambda name, auth: auth.get("a"), "/", {"a": "yes"}) is True
    assert matches(lambda name, auth: None, "/", {}) is False


def accepts_more(name: str, auth: dict[str, Any], more: int = 1) -> bool:
    return more == 2


class Callable_:
    def __call__(self, *args: Any) -> bool:
        return len(args) == 2

    def method(self, name: str, auth: Any) -> bool:
        return True


@pytest.mark.parametrize(
    "function",
    [functools.partial(accepts_more, more=2), Callable_(), Callable_().method],
    ids=["partial", "object", "method"],
)
def test_whatever_takes_two_arguments_is_a_function(function: Any) -> None:
    assert matches(ParentNamespace(function).matcher, "/x", {})


async def coroutine(name: str, auth: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        pytest.param(None, "not NoneType", id="none"),
        pytest.param(b"/x", "not bytes", id="bytes"),
        pytest.param("/x", "not str", id="text"),
        pytest.param(["/x"], "not list", id="a list"),
        pytest.param(re.compile(b"/x"), "bytes", id="a pattern of bytes"),
        pytest.param(Namespace, "not Namespace", id="a class"),
        pytest.param(coroutine, "coroutines", id="a coroutine function"),
        pytest.param(functools.partial(coroutine, "/x"), "coroutines", id="a part of one"),
        pytest.param(lambda name: True, r"\(name, auth\)", id="one argument"),
        pytest.param(lambda name, auth, next: True, "next", id="three, as in Node"),
    ],
)
def test_what_cannot_match_is_refused_at_once(matcher: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        ParentNamespace(matcher)


def test_a_parent_is_named_for_people() -> None:
    assert ParentNamespace(ROOM).name == ROOM.pattern
    assert repr(ParentNamespace(ROOM)) == rf"<ParentNamespace {ROOM.pattern} of 0>"
    assert ParentNamespace(accepts_more).name == "accepts_more"
    assert "Callable_" in ParentNamespace(Callable_()).name


# --- what children get


def test_a_child_gets_what_its_parent_has_and_nothing_later(server: ServerWorld) -> None:
    seen: list[str] = []
    parent = server.io.of(ROOM)
    parent.use(lambda socket: seen.append("middleware"))
    parent.on("connection", lambda socket: seen.append("connection"))
    parent.on("server event", print)
    parent.event("ask", lambda socket, what: f"{what} in {socket.nsp.name}")
    parent.event("disconnect", lambda socket, reason: seen.append(reason))
    client = server.network.joined(namespace="/room-1")
    parent.use(lambda socket: seen.append("a later middleware"))
    parent.on("connection", lambda socket: seen.append("a later listener"))
    child = server.io.of("/room-1")
    assert child.listeners("server event") == [print]
    client.send('2/room-1,0["ask","who"]')
    assert client.receive() == '3/room-1,0["who in /room-1"]'
    server.network.joined(namespace="/room-1")
    client.disconnect("/room-1")
    wait_until(lambda: len(seen) == 5)
    assert seen == [*["middleware", "connection"] * 2, "client namespace disconnect"]
    seen.clear()
    server.network.joined(namespace="/room-2")
    wait_until(lambda: len(seen) == 4)
    assert seen[1] == "a later middleware"
    assert child.event_names() == ["connection", "server event"]


def test_children_are_apart(server: ServerWorld) -> None:
    parent = server.io.of(ROOM)
    parent.on("connection", lambda socket: socket.join("lobby"))
    one, two = (server.network.joined(namespace=f"/room-{number}") for number in (1, 2))
    settle()
    first, second = server.io.of("/room-1"), server.io.of("/room-2")
    assert first.adapter is not second.adapter
    first.use(lambda socket: None)
    first.on("connection", print)
    assert print not in second.listeners("connection") + parent.listeners("connection")
    first.to("lobby").emit("news", 1)
    second.to("lobby").emit("news", 2)
    assert one.receive() == '2/room-1,["news",1]'
    assert two.receive() == '2/room-2,["news",2]'


def test_once_is_once_in_each_child(server: ServerWorld) -> None:
    seen: list[str] = []
    server.io.of(ROOM).once("connection", lambda socket: seen.append(socket.nsp.name))
    for name in ("/room-1", "/room-1", "/room-2"):
        server.network.joined(namespace=name)
    settle()
    assert seen == ["/room-1", "/room-2"]


def test_concurrent_handlers_stay_concurrent(server: ServerWorld) -> None:
    release = Event()
    server.io.event("slow", namespace=ROOM)(lambda socket: release.wait())
    server.io.event("quick", namespace=ROOM, concurrent=True)(lambda socket: "at once")
    client = server.network.joined(namespace="/room-1")
    client.send('2/room-1,["slow"]')
    client.send('2/room-1,0["quick"]')
    assert client.receive() == '3/room-1,0["at once"]'
    release.set()


def test_the_children_are_a_copy(server: ServerWorld) -> None:
    parent = server.io.of(ROOM)
    child = server.io.of("/room-1")
    parent.children.clear()
    assert parent.children == {child}
    assert parent.sockets == {}


# --- a class


class Rooms(ParentNamespace):
    """A parent as applications write them."""

    def __init__(self, matcher: Any) -> None:
        super().__init__(matcher)
        self.seen: list[str] = []

    def on_connection(self, socket: Socket) -> None:
        socket.join("lobby")
        self.seen.append(f"+ {socket.nsp.name}")

    def on_message(self, socket: Socket, text: str) -> str:
        socket.nsp.to("lobby").emit("news", text)
        return "delivered"

    def on_everybody(self, socket: Socket, text: str) -> None:
        self.to("lobby").emit("news", text)

    def on_disconnect(self, socket: Socket, reason: str) -> None:
        self.seen.append(f"- {socket.nsp.name}")


def anything(name: str, auth: Any) -> bool:
    return True


@pytest.mark.parametrize("matcher", [ROOM, anything], ids=["pattern", "function"])
def test_the_methods_of_a_class_serve_all_children(server: ServerWorld, matcher: Any) -> None:
    rooms = server.io.register(Rooms(matcher))
    one, two = (server.network.joined(namespace=f"/room-{number}") for number in (1, 2))
    one.send('2/room-1,0["message","hi"]')
    assert one.receive() == '2/room-1,["news","hi"]'
    assert one.receive() == '3/room-1,0["delivered"]'
    two.send('2/room-2,["everybody","all"]')
    assert one.receive() == '2/room-1,["news","all"]'
    assert two.receive() == '2/room-2,["news","all"]'
    one.disconnect("/room-1")
    wait_until(lambda: len(rooms.seen) == 3)
    assert rooms.seen == ["+ /room-1", "+ /room-2", "- /room-1"]


# --- broadcasts


class Family:
    """A parent with two clients in one child and one in another, and a stranger."""

    def __init__(self, server: ServerWorld) -> None:
        self.sids: list[str] = []
        self.parent = server.io.of(ROOM)
        self.parent.on("connection", self._join)
        self.clients = [
            self._client(server, "/room-1", "red"),
            self._client(server, "/room-1", "blue"),
            self._client(server, "/room-2", "red"),
        ]
        self.stranger = server.network.joined()
        self.io = server.io
        settle()

    def _client(self, server: ServerWorld, name: str, room: str) -> SocketClient:
        client = server.network.client()
        self.sids.append(client.connect(name, {"room": room}))
        return client

    def _join(self, socket: Socket) -> None:
        socket.join(socket.handshake.auth["room"])

    def heard(self) -> list[list[Any]]:
        """What each client has got before a mark that all get."""
        self.parent.emit("mark")
        self.io.emit("mark")
        return [list(iter(client.event, ["mark"])) for client in (*self.clients, self.stranger)]


@pytest.fixture
def family(server: ServerWorld) -> Family:
    return Family(server)


NEWS: list[Any] = ["news", 1]
WORDS: dict[str, tuple[Callable[[Any, list[str]], Any], list[int]]] = {
    "nothing": (lambda parent, sids: parent, [1, 1, 1]),
    "to": (lambda parent, sids: parent.to("red"), [1, 0, 1]),
    "to a socket": (lambda parent, sids: parent.to(sids[1]), [0, 1, 0]),
    "in": (lambda parent, sids: parent.in_("red", "blue"), [1, 1, 1]),
    "except": (lambda parent, sids: parent.except_("red"), [0, 1, 0]),
    "local": (lambda parent, sids: parent.local, [1, 1, 1]),
    "volatile": (lambda parent, sids: parent.volatile, [1, 1, 1]),
    "compress": (lambda parent, sids: parent.compress(False), [1, 1, 1]),
    "a chain": (lambda parent, sids: parent.to("red").except_(sids[0]), [0, 0, 1]),
}


@pytest.mark.parametrize("word", WORDS)
def test_a_broadcast_reaches_all_children(family: Family, word: str) -> None:
    chosen, counts = WORDS[word]
    chosen(family.parent, family.sids).emit(*NEWS)
    assert family.heard() == [[NEWS] * count for count in (*counts, 0)]


@pytest.mark.parametrize("word", ["send", "write"])
def test_messages_reach_all_children(family: Family, word: str) -> None:
    getattr(family.parent, word)("hello")
    assert family.heard() == [[["message", "hello"]]] * 3 + [[]]


def test_binary_reaches_all_children(family: Family) -> None:
    family.parent.emit("blob", b"\x01")
    for client, name in zip(family.clients, ["/room-1", "/room-1", "/room-2"], strict=True):
        assert client.receive().startswith(f"51-{name},")
        assert client.receive() == b"\x01"


def test_a_broadcast_from_another_thread_reaches_all_children(family: Family) -> None:
    import threading

    thread = threading.Thread(target=family.parent.to("red").emit, args=NEWS)
    thread.start()
    assert family.clients[0].event() == NEWS
    assert family.clients[2].event() == NEWS
    thread.join()


def test_the_answers_of_all_children_are_collected(family: Family) -> None:
    asking = Later(family.parent.timeout(5).emit_with_ack, "question")
    for number, client in enumerate(family.clients):
        assert not asking.is_done
        ack_id, _ = client.question()
        name = "/room-2" if number == 2 else "/room-1"
        client.send(f"3{name},{ack_id}[{number}]")
        settle()
    assert asking.wait() == [0, 1, 2]
    got: list[Any] = []
    family.parent.to("blue").emit("question", ack=lambda *args: got.append(args))
    ack_id, _ = family.clients[1].question()
    family.clients[1].send(f'3/room-1,{ack_id}["blue"]')
    wait_until(lambda: got)
    assert got == [(None, ["blue"])]


def test_a_child_that_does_not_answer_is_missed(family: Family) -> None:
    asking = Later(family.parent.timeout(0.05).emit_with_ack, "question")
    ack_id, _ = family.clients[2].question()
    family.clients[2].send(f'3/room-2,{ack_id}["only me"]')
    with pytest.raises(AckTimeout) as caught:
        asking.wait()
    assert caught.value.responses == ["only me"]


def test_sockets_of_all_children_join_and_leave(family: Family) -> None:
    family.parent.in_("red").sockets_join("new")
    family.parent.to("new").emit(*NEWS)
    assert family.heard() == [[NEWS], [], [NEWS], []]
    family.parent.sockets_leave(["new", "blue"])
    family.parent.to("new", "blue").emit(*NEWS)
    assert family.heard() == [[], [], [], []]


@pytest.mark.parametrize("close", [False, True])
def test_sockets_of_all_children_are_disconnected(family: Family, close: bool) -> None:
    family.parent.in_("red").disconnect_sockets(close)
    assert family.clients[0].receive() == "1/room-1,"
    assert family.clients[2].receive() == "1/room-2,"
    wait_until(lambda: sum(len(child.sockets) for child in family.parent.children) == 1)
    family.parent.disconnect_sockets()
    assert family.clients[1].receive() == "1/room-1,"


def test_what_has_no_meaning_for_a_parent_says_so(family: Family) -> None:
    parent = family.parent
    calls: list[Callable[[], Any]] = [
        parent.fetch_sockets,
        parent.local.fetch_sockets,
        parent.to("red").fetch_sockets,
        lambda: parent.server_side_emit("event"),
        lambda: parent.server_side_emit_with_ack("event"),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError, match="children"):
            call()
    assert {socket.id for child in parent.children for socket in child.fetch_sockets()} == set(
        family.sids
    )


def test_without_children_nobody_hears_and_mistakes_are_found(server: ServerWorld) -> None:
    parent = server.io.of(ROOM)
    parent.emit("nobody is here")
    parent.disconnect_sockets()
    assert parent.emit_with_ack("question") == []
    with pytest.raises(ValueError, match="reserved"):
        parent.emit("connect")
    with pytest.raises(TypeError):
        parent.emit("event", object())
    with pytest.raises(TypeError):
        parent.emit_with_ack("event", object())
