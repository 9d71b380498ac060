"""Broadcasts: whom, how, and what becomes of the acknowledgements."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flask_realtime import AckTimeout, BroadcastOperator
from flask_realtime.server.broadcast import check_event, room_set
from tests.clients import Closed, Later, SocketClient
from tests.engine.test_hub import Outcome
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld

RESERVED = [
    "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
]  # fmt: skip


class Crowd:
    """Clients by name, each in the rooms of its auth."""

    def __init__(self, server: ServerWorld, **rooms: str) -> None:
        self.io = server.io
        self.sids: dict[str, str] = {}
        self.clients: dict[str, SocketClient] = {}

        @server.io.on("connection")
        def connected(socket: Any) -> None:
            self.sids[socket.handshake.auth["name"]] = socket.id
            socket.join(socket.handshake.auth["rooms"].split())

        for number, (name, of) in enumerate(rooms.items()):
            transport = "websocket" if number % 2 else "polling"
            auth = {"name": name, "rooms": of}
            self.clients[name] = server.network.joined(transport, auth=auth)

    def heard(self) -> str:
        """The names of those who have heard of "news", once each; the others get a mark."""
        self.io.emit("mark")
        names = []
        for name, client in self.clients.items():
            events = [client.event()]
            while events[-1] != ["mark"]:
                events.append(client.event())
            names += [name] * (len(events) - 1)
        return "".join(names)


@pytest.fixture
def crowd(server: ServerWorld) -> Crowd:
    return Crowd(server, a="r1", b="r1 r2", c="r2", d="")


# --- whom


def test_without_rooms_everybody_is_meant(crowd: Crowd) -> None:
    crowd.io.emit("news")
    assert crowd.heard() == "abcd"


@pytest.mark.parametrize(
    ("rooms", "expected"),
    [
        (("r1",), "ab"),
        (("r1", "r2"), "abc"),
        ((["r1", "r2"],), "abc"),
        ((("r1",), {"r2"}), "abc"),
        (("nobody",), ""),
    ],
)
@pytest.mark.parametrize("word", ["to", "in_"])
def test_rooms_are_united_and_each_socket_is_meant_once(
    crowd: Crowd, word: str, rooms: Any, expected: str
) -> None:
    getattr(crowd.io, word)(*rooms).emit("news")
    assert crowd.heard() == expected


def test_calls_add_up(crowd: Crowd) -> None:
    crowd.io.to("r1").in_("r2").emit("news")
    assert crowd.heard() == "abc"


def test_rooms_are_left_out(crowd: Crowd) -> None:
    crowd.io.except_("r2").emit("news")
    assert crowd.heard() == "ad"
    crowd.io.to("r1").except_(["r2"]).emit("news")
    assert crowd.heard() == "a"


def test_the_id_of_a_socket_is_a_room(crowd: Crowd) -> None:
    crowd.io.to(crowd.sids["c"]).emit("news")
    assert crowd.heard() == "c"
    crowd.io.except_(crowd.sids["c"]).emit("news")
    assert crowd.heard() == "abd"


def test_a_socket_leaves_itself_out(crowd: Crowd) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["b"]]
    socket.broadcast.emit("news")
    assert crowd.heard() == "acd"
    socket.to("r1").emit("news")
    assert crowd.heard() == "a"
    socket.in_("r1", "r2").emit("news")
    assert crowd.heard() == "ac"
    socket.except_("r2").emit("news")
    assert crowd.heard() == "ad"
    socket.to(socket.id).emit("news")
    assert crowd.heard() == ""
    socket.local.emit("news")
    assert crowd.heard() == "acd"


def test_an_operator_is_a_value_that_can_be_kept(crowd: Crowd) -> None:
    room = crowd.io.to("r1")
    widened = room.to("r2")
    narrowed = room.except_("r2")
    assert len({id(room), id(widened), id(narrowed)}) == 3
    for _ in range(2):
        room.emit("news")
        assert crowd.heard() == "ab"
    narrowed.emit("news")
    assert crowd.heard() == "a"
    widened.emit("news")
    assert crowd.heard() == "abc"


@pytest.mark.parametrize(
    "modify",
    [
        lambda operator: operator.to("x"),
        lambda operator: operator.in_("x"),
        lambda operator: operator.except_("x"),
        lambda operator: operator.local,
        lambda operator: operator.volatile,
        lambda operator: operator.compress(False),
        lambda operator: operator.timeout(1),
    ],
)
def test_every_modifier_returns_another_operator(server: ServerWorld, modify: Any) -> None:
    operator = server.io.to("r1")
    changed = modify(operator)
    assert isinstance(changed, BroadcastOperator)
    assert changed is not operator


@pytest.mark.parametrize("room", [None, 5, b"r1", ["r1", None]])
def test_a_room_is_named_by_a_string(server: ServerWorld, room: Any) -> None:
    with pytest.raises(TypeError, match="room"):
        server.io.to(room)


def test_rooms_of_all_kinds_become_one_set() -> None:
    assert room_set(["a", ["b", ("c",)], {"d"}]) == frozenset("abcd")
    assert room_set([]) == frozenset()


# --- what


@pytest.mark.parametrize("event", RESERVED)
def test_reserved_names_cannot_be_emitted(crowd: Crowd, event: str) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["a"]]
    for emitter in (crowd.io, crowd.io.to("r1"), crowd.io.sockets, socket, socket.broadcast):
        for emit in (emitter.emit, emitter.emit_with_ack):
            with pytest.raises(ValueError, match=f'"{event}" is a reserved event name'):
                emit(event)
    assert crowd.heard() == ""


@pytest.mark.parametrize("event", ["error", "connection", "message", "ping", "", "é"])
def test_other_names_are_free(event: str) -> None:
    check_event(event)


@pytest.mark.parametrize("event", [None, 5, b"event"])
def test_a_name_is_a_string(event: Any) -> None:
    with pytest.raises(TypeError):
        check_event(event)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1, {"a": math.nan}]])
def test_numbers_that_json_cannot_carry_raise_at_the_emit(crowd: Crowd, value: Any) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["a"]]
    for emit in (crowd.io.emit, crowd.io.to("nobody").emit, socket.emit, socket.volatile.emit):
        with pytest.raises(ValueError):  # noqa: PT011 - the text is the JSON library's
            emit("news", value)
    assert crowd.heard() == ""


def test_values_that_json_cannot_carry_raise_at_the_emit(crowd: Crowd) -> None:
    with pytest.raises(TypeError):
        crowd.io.emit("news", object())
    with pytest.raises(TypeError):
        crowd.io.emit_with_ack("news", object())


def test_send_and_write_emit_messages(crowd: Crowd) -> None:
    client = crowd.clients["a"]
    for emitter in (crowd.io, crowd.io.to("r1"), crowd.io.sockets):
        emitter.send("x", 1)
        assert client.event() == ["message", "x", 1]
        emitter.write("y")
        assert client.event() == ["message", "y"]


def test_a_volatile_broadcast_reaches_those_who_can_take_it(crowd: Crowd) -> None:
    crowd.io.volatile.emit("news")  # no polling client has a GET under way
    assert crowd.heard() == "bd"


# --- acknowledgements


def answer(client: SocketClient, *args: Any) -> None:
    ack_id, _ = client.question()
    client.answer(ack_id, *args)
    settle()


def test_the_first_argument_of_each_answer_is_returned(crowd: Crowd) -> None:
    asking = Later(crowd.io.to("r1", "r2").emit_with_ack, "question", 1)
    answer(crowd.clients["a"], "from a", "ignored")
    answer(crowd.clients["b"], {"from": "b"})
    assert not asking.is_done
    answer(crowd.clients["c"])
    assert asking.wait() == ["from a", {"from": "b"}, None]


def test_nobody_answers_for_an_empty_room(crowd: Crowd) -> None:
    assert crowd.io.to("nobody").emit_with_ack("question") == []


def test_all_recipients_share_one_id(crowd: Crowd) -> None:
    asking = Later(crowd.io.emit_with_ack, "question")
    questions = [client.question() for client in crowd.clients.values()]
    assert len({ack_id for ack_id, _ in questions}) == 1
    for client in crowd.clients.values():
        client.answer(questions[0][0], "yes")
    assert asking.wait() == ["yes"] * 4


def test_a_deadline_brings_what_has_arrived(crowd: Crowd) -> None:
    asking = Later(crowd.io.to("r1").timeout(0.05).emit_with_ack, "question")
    answer(crowd.clients["b"], "in time")
    with pytest.raises(AckTimeout) as caught:
        asking.wait()
    assert caught.value.responses == ["in time"]


def test_a_late_answer_is_ignored(crowd: Crowd) -> None:
    with pytest.raises(AckTimeout):
        crowd.io.to("r1").timeout(0.01).emit_with_ack("question")
    answer(crowd.clients["b"], "late")
    assert crowd.io.to("nobody").emit_with_ack("question") == []


def test_a_second_answer_of_one_client_does_not_stand_for_another(crowd: Crowd) -> None:
    asking = Later(crowd.io.to("r1").emit_with_ack, "question")
    ack_id, _ = crowd.clients["b"].question()
    for _ in range(3):
        crowd.clients["b"].answer(ack_id, "b")
    settle()
    assert not asking.is_done
    answer(crowd.clients["a"], "a")
    assert sorted(asking.wait()) == ["a", "b"]


@pytest.mark.parametrize("how", ["leave", "disconnect", "kick"])
def test_a_client_that_leaves_is_not_waited_for(crowd: Crowd, how: str) -> None:
    asking = Later(crowd.io.to("r1").emit_with_ack, "question")
    answer(crowd.clients["a"], "a")
    if how == "leave":
        crowd.clients["b"].line.leave()
    elif how == "disconnect":
        crowd.clients["b"].disconnect()
    else:
        crowd.io.sockets.sockets[crowd.sids["b"]].disconnect()
    assert asking.wait() == ["a"]


def test_a_callback_gets_error_and_responses(crowd: Crowd) -> None:
    heard: list[Any] = []
    crowd.io.to("r1").emit("question", ack=lambda *args: heard.append(args))
    answer(crowd.clients["a"], "a")
    answer(crowd.clients["b"], "b")
    wait_until(lambda: heard)
    assert heard == [(None, ["a", "b"])]


def test_a_callback_hears_of_the_deadline(crowd: Crowd) -> None:
    heard: list[Any] = []
    crowd.io.to("r1").timeout(0.02).emit("question", ack=lambda *args: heard.append(args))
    answer(crowd.clients["a"], "a")
    wait_until(lambda: heard)
    ((error, responses),) = heard
    assert isinstance(error, AckTimeout)
    assert responses == ["a"]


def test_a_callback_may_block(crowd: Crowd) -> None:
    heard: list[Any] = []

    def follow_up(error: Any, responses: list[Any]) -> None:
        heard.append(crowd.io.to("r2").emit_with_ack("second"))

    crowd.io.to(crowd.sids["a"]).emit("first", ack=follow_up)
    answer(crowd.clients["a"], "a")
    answer(crowd.clients["b"], "b")
    answer(crowd.clients["c"], "c")
    wait_until(lambda: heard)
    assert sorted(heard[0]) == ["b", "c"]


# --- acting


def test_sockets_are_fetched_with_what_they_know(crowd: Crowd) -> None:
    assert {socket.id for socket in crowd.io.fetch_sockets()} == set(crowd.sids.values())
    (found,) = crowd.io.in_("r1").except_("r2").fetch_sockets()
    assert found.id == crowd.sids["a"]
    assert found.rooms == {found.id, "r1"}
    assert found.handshake.auth["name"] == "a"
    assert crowd.io.to("nobody").fetch_sockets() == []


def test_sockets_are_made_to_join_and_to_leave(crowd: Crowd) -> None:
    crowd.io.in_("r1").sockets_join(["r3", "r4"])
    crowd.io.to("r3").emit("news")
    assert crowd.heard() == "ab"
    crowd.io.in_("r2").sockets_leave("r3")
    crowd.io.to("r3").emit("news")
    assert crowd.heard() == "a"
    crowd.io.sockets_join("all")
    crowd.io.to("all").emit("news")
    assert crowd.heard() == "abcd"
    crowd.io.sockets_leave(["all", "r1"])
    crowd.io.to("all", "r1").emit("news")
    assert crowd.heard() == ""


def test_sockets_are_disconnected(crowd: Crowd) -> None:
    crowd.io.in_("r1").disconnect_sockets()
    for name in "ab":
        assert crowd.clients.pop(name).receive() == "1"
    crowd.io.emit("news")
    assert crowd.heard() == "cd"


def test_connections_are_closed_with_their_sockets(crowd: Crowd, server: ServerWorld) -> None:
    crowd.io.disconnect_sockets(close=True)
    for client in crowd.clients.values():
        assert client.receive() == "1"
        with pytest.raises(Closed):
            client.receive()
    for client in crowd.clients.values():
        if hasattr(client.line, "ended"):
            client.line.leave()
    wait_until(lambda: server.io.engine.clients_count == 0)


# --- other threads


def test_another_thread_may_broadcast(crowd: Crowd) -> None:
    data = ["before"]

    def emit() -> None:
        crowd.io.to("r1").emit("first", data)
        data[0] = "after"  # what is sent is what was there at the call
        crowd.io.to("r1").emit("second")

    Outcome(emit).wait()
    for name in "ab":
        assert crowd.clients[name].event() == ["first", ["before"]]
        assert crowd.clients[name].event() == ["second"]


def test_another_thread_hears_of_its_mistakes(crowd: Crowd) -> None:
    with pytest.raises(ValueError, match="reserved"):
        Outcome(lambda: crowd.io.emit("connect")).wait()
    with pytest.raises(TypeError):
        Outcome(lambda: crowd.io.emit("news", object())).wait()
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the JSON library's
        Outcome(lambda: crowd.io.emit("news", math.nan)).wait()


def test_another_thread_may_wait_for_answers(crowd: Crowd) -> None:
    asking = Outcome(lambda: crowd.io.to("r1").emit_with_ack("question"))
    answer(crowd.clients["a"], "a")
    answer(crowd.clients["b"], "b")
    assert asking.wait() == ["a", "b"]


def test_another_thread_hears_of_the_deadline(crowd: Crowd) -> None:
    with pytest.raises(AckTimeout) as caught:
        Outcome(lambda: crowd.io.to("r1").timeout(0.01).emit_with_ack("question")).wait()
    assert caught.value.responses == []


def test_another_thread_may_act_on_sockets(crowd: Crowd) -> None:
    def act() -> list[str]:
        crowd.io.in_("r1").sockets_join("r3")
        crowd.io.in_("r2").sockets_leave("r3")
        return [socket.id for socket in crowd.io.in_("r3").fetch_sockets()]

    assert Outcome(act).wait() == [crowd.sids["a"]]
    Outcome(crowd.io.in_("r3").disconnect_sockets).wait()
    assert crowd.clients["a"].receive() == "1"
