"""An explicit empty list of rooms selects no client, whatever acts on it."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime import BroadcastOperator
from tests.fakes import settle, wait_until
from tests.loop.test_hub import Outcome
from tests.server.crowd import Crowd
from tests.server.rooms import ROOM
from tests.server.together import Together
from tests.worlds import MakeServer, ServerWorld

EMPTY: list[Any] = [[], (), set(), frozenset(), [[]]]


def members(crowd: Crowd) -> set[str]:
    return set(crowd.io.sockets.sockets)


@pytest.mark.parametrize("rooms", EMPTY, ids=repr)
@pytest.mark.parametrize("word", ["to", "in_"])
def test_an_empty_list_reaches_no_client(crowd: Crowd, word: str, rooms: Any) -> None:
    getattr(crowd.io, word)(rooms).emit("news")
    getattr(crowd.io, word)(rooms).send("news")
    assert crowd.heard() == ""


@pytest.mark.parametrize("rooms", EMPTY, ids=repr)
def test_an_empty_list_leaves_no_client_out(crowd: Crowd, rooms: Any) -> None:
    crowd.io.except_(rooms).emit("news")
    assert crowd.heard() == "abcd"
    crowd.io.to("r1").except_(rooms).emit("news")
    assert crowd.heard() == "ab"


def test_modifiers_keep_it_empty(crowd: Crowd) -> None:
    nothing = crowd.io.to([])
    for chosen in (
        nothing.to([]), nothing.except_("r1"), nothing.except_([]), nothing.local,
        nothing.volatile, nothing.compress(False), nothing.timeout(1),
        crowd.io.except_("r1").to([]), crowd.io.local.volatile.to([]),
    ):  # fmt: skip
        assert isinstance(chosen, BroadcastOperator)
        chosen.emit("news")
    assert crowd.heard() == ""


def test_rooms_add_up_whatever_is_empty_among_them(crowd: Crowd) -> None:
    crowd.io.to("r2").to([]).emit("news")
    assert crowd.heard() == "bc"
    crowd.io.to([]).to("r2").emit("news")
    assert crowd.heard() == "bc"
    crowd.io.to([], "r1").emit("news")
    assert crowd.heard() == "ab"
    crowd.io.except_("r1").to([]).compress(False).to("r2").emit("news")
    assert crowd.heard() == "c"


def test_the_operators_of_a_socket(crowd: Crowd) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["a"]]
    socket.to([]).emit("news")
    socket.in_([]).emit("news")
    socket.broadcast.to([]).emit("news")
    socket.volatile.to([]).emit("news")
    socket.local.to([]).emit("news")
    assert crowd.heard() == ""
    socket.except_([]).emit("news")
    assert crowd.heard() == "bcd"


def test_no_client_is_asked(crowd: Crowd) -> None:
    assert crowd.io.to([]).emit_with_ack("question") == []
    answers: list[Any] = []
    crowd.io.to([]).emit("question", ack=lambda *args: answers.append(args))
    wait_until(lambda: answers)
    assert answers == [(None, [])]
    assert crowd.heard() == ""


def test_nothing_is_done_to_any_client(crowd: Crowd) -> None:
    before, nothing = members(crowd), crowd.io.to([])
    assert nothing.fetch_sockets() == []
    assert nothing.all_sockets() == set()
    nothing.sockets_join("new")
    nothing.sockets_leave("r1")
    nothing.disconnect_sockets()
    nothing.disconnect_sockets(close=True)
    settle()
    assert members(crowd) == before
    assert "new" not in crowd.io.sockets.adapter.rooms
    assert len(crowd.io.to("r1").fetch_sockets()) == 2


def test_an_empty_list_of_rooms_to_join_or_leave_changes_nothing(crowd: Crowd) -> None:
    before = {room: set(sids) for room, sids in crowd.io.sockets.adapter.rooms.items()}
    crowd.io.sockets_join([])
    crowd.io.sockets_leave([])
    assert crowd.io.sockets.adapter.rooms == before


@pytest.mark.parametrize("word", ["to", "in_", "except_", "sockets_join", "sockets_leave"])
def test_a_word_without_any_room_is_a_mistake(crowd: Crowd, word: str) -> None:
    socket = crowd.io.sockets.sockets[crowd.sids["a"]]
    for owner in (crowd.io, crowd.io.of("/"), crowd.io.volatile, crowd.io.to([]), socket):
        if hasattr(owner, word):
            with pytest.raises(TypeError, match=r"\(\) needs a room"):
                getattr(owner, word)()


def test_what_cannot_be_sent_raises_all_the_same(crowd: Crowd) -> None:
    nothing = crowd.io.to([])
    no_function: Any = 5
    for act in (
        lambda: nothing.emit("news", {1, 2}),
        lambda: nothing.emit_with_ack("news", float("nan")),
        lambda: nothing.emit("disconnect"),
        lambda: nothing.emit("news", ack=no_function),
        lambda: nothing.sockets_join(5),
    ):
        with pytest.raises((TypeError, ValueError)):
            act()


def test_it_may_be_used_from_another_thread(crowd: Crowd) -> None:
    answers: list[Any] = []

    def act() -> Any:
        nothing = crowd.io.to([])
        nothing.emit("news", ack=lambda *args: answers.append(args))
        nothing.disconnect_sockets()
        return nothing.emit_with_ack("news"), nothing.fetch_sockets()

    assert Outcome(act).wait() == ([], [])
    wait_until(lambda: answers)
    assert crowd.heard() == ""


def test_a_parent_reaches_no_child(server: ServerWorld) -> None:
    parent = server.io.of(ROOM)
    client = server.network.joined(namespace="/room-1")
    parent.to([]).emit("news")
    assert parent.to([]).emit_with_ack("question") == []
    parent.to([]).disconnect_sockets()
    parent.emit("mark")
    assert client.event() == ["mark"]


def test_nothing_is_said_to_a_cluster(make_server: MakeServer) -> None:
    together = Together(make_server)
    client, socket = together.join(1, "red")
    io, heard = together.servers[0], []
    published = together.hub.publish
    together.hub.publish = lambda sender, request: heard.append(request)  # type: ignore[method-assign]
    nothing = io.to([])
    nothing.emit("news")
    assert nothing.emit_with_ack("question") == []
    assert nothing.fetch_sockets() == []
    nothing.sockets_join("new")
    nothing.sockets_leave("red")
    nothing.disconnect_sockets()
    io.sockets_join([])
    io.sockets_leave([])
    assert heard == []
    together.hub.publish = published  # type: ignore[method-assign]
    io.emit("mark")
    assert client.event() == ["mark"]
    assert socket.connected
