"""The functions that handlers call."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request

from flask_realtime.flask_socketio import (
    TimeoutError,
    call,
    close_room,
    disconnect,
    emit,
    join_room,
    leave_room,
    rooms,
    send,
)
from flask_realtime.testing import TestClient
from tests.flask_socketio.worlds import World, events_of


def test_emit_answers_the_sender_in_its_namespace(world: World) -> None:
    @world.io.on("x", namespace="/chat")
    def handler() -> None:
        emit("alone")
        send("text")
        send({"a": 1}, json=True)
        emit("several", (1, 2))
        emit("list", [1, 2])
        emit("elsewhere", namespace="/")

    client, other = world.client("/chat"), world.client("/chat")
    client.connect()
    client.emit("x", namespace="/chat")
    expected: list[Any] = [("alone", []), ("message", "text"), ("json", {"a": 1})]
    expected += [("several", [1, 2]), ("list", [[1, 2]])]
    assert events_of(client, "/chat") == expected
    assert events_of(other, "/chat") == []


def test_broadcast_is_for_the_namespace_and_may_leave_out_the_sender(world: World) -> None:
    @world.io.on("x", namespace="/chat")
    def handler() -> None:
        emit("all", broadcast=True)
        emit("others", broadcast=True, include_self=False)
        sid: Any = getattr(request, "sid", None)
        emit("others too", broadcast=True, skip_sid=[sid])

    sender, other, main = world.client("/chat"), world.client("/chat"), world.client()
    sender.emit("x", namespace="/chat")
    assert events_of(sender, "/chat") == [("all", [])]
    assert [name for name, _ in events_of(other, "/chat")] == ["all", "others", "others too"]
    assert events_of(main) == []


@pytest.mark.parametrize("room", ["lobby", 0, 7, "", ("game", 1)])
def test_any_room_is_joined_reached_left_and_closed(world: World, room: Any) -> None:
    world.io.on_event("join", lambda: join_room(room))
    world.io.on_event("leave", lambda: leave_room(room))
    world.io.on_event("close", lambda: close_room(room))
    world.io.on_event("say", lambda: emit("said", to=room))
    world.io.on_event("rooms", lambda: room in rooms())
    member, outsider = world.client(), world.client()
    member.emit("join")
    assert member.emit("rooms", callback=True) is True
    outsider.emit("say")
    assert events_of(outsider) == []
    assert events_of(member) == [("said", [])]
    member.emit("leave")
    outsider.emit("say")
    assert events_of(member) == []
    member.emit("join")
    outsider.emit("close")
    outsider.emit("say")
    assert events_of(member) == []


def test_an_empty_list_of_rooms_is_no_client(world: World) -> None:
    world.io.on_event("say", lambda: emit("said", to=[]))
    client = world.client()
    client.emit("say")
    assert events_of(client) == []


def test_none_as_a_room_is_the_sender(world: World) -> None:
    world.io.on_event("say", lambda: emit("said", room=None))
    client = world.client()
    client.emit("say")
    assert events_of(client) == [("said", [])]


def test_another_client_joins_and_is_disconnected_by_its_id(world: World) -> None:
    @world.io.on("take")
    def take(sid: str) -> bool:
        join_room("a", sid)
        return sorted(rooms(sid)) == sorted([sid, "a"])

    world.io.on_event("kick", lambda sid: disconnect(sid))
    with TestClient(world.app) as victim, TestClient(world.app) as actor:
        assert actor.call("take", victim.id) is True
        actor.emit("kick", victim.id)
        assert not victim.connected


def test_call_returns_what_the_client_answers(world: World) -> None:
    @world.io.on("ask")
    def ask() -> list[Any]:
        return [call("one"), call("two"), call("none")]

    with TestClient(world.app) as client:
        client.on("one", lambda: 1)
        client.on("two", lambda: (1, 2))
        client.on("none", lambda: None)
        assert client.call("ask") == [1, [1, 2], None]


def test_call_raises_timeout_error_when_nothing_comes(world: World) -> None:
    @world.io.on("ask")
    def ask(sid: str | None) -> str:
        try:
            call("question", to=sid, timeout=0.01)
        except TimeoutError:
            return "late"
        return "answered"

    with TestClient(world.app) as client:
        assert client.call("ask", None) == "late"


def test_keywords_without_a_meaning_are_named_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.io.on_event("x", lambda: emit("y", broadcast=True, colour="red"))
    client = world.client()
    client.emit("x")
    client.emit("x")
    assert events_of(client) == [("y", []), ("y", [])]
    assert [record.message for record in caplog.records if "colour" in record.message] == [
        "! emit(): without a meaning here: colour="
    ]
