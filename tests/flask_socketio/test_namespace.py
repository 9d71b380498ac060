"""Class-based namespaces."""

from __future__ import annotations

from typing import Any

from flask import request

from flask_realtime.flask_socketio import Namespace, emit
from flask_realtime.testing import TestClient
from tests.flask_socketio.worlds import World, events_of


class Chat(Namespace):
    """Every kind of method."""

    def __init__(self, world: World) -> None:
        super().__init__("/chat")
        self.seen = world.seen

    def on_connect(self, auth: Any) -> bool:
        self.seen.append(("connect", auth))
        return bool(auth != "stay outside")

    def on_disconnect(self) -> None:
        self.seen.append("disconnect")

    def on_say(self, text: str) -> str:
        emit("said", text)
        self.emit("news", (text, text), include_self=False)
        request_now: Any = request
        self.seen.append(request_now.event)
        return text.upper()

    def on_fail(self) -> None:
        raise ValueError("a defect")

    def error(self, error: Exception) -> str:
        return f"handled: {error}"


def test_methods_handle_events_and_their_values_answer(world: World) -> None:
    world.io.on_namespace(Chat(world))
    one, two = world.client("/chat"), world.client("/chat")
    assert one.emit("say", "hello", namespace="/chat", callback=True) == "HELLO"
    assert events_of(one, "/chat") == [("said", ["hello"])]
    assert events_of(two, "/chat") == [("news", ["hello", "hello"])]
    assert world.seen[-1] == {"message": "say", "args": ("hello",)}


def test_an_event_without_a_method_is_answered_with_nothing(world: World) -> None:
    world.io.on_namespace(Chat(world))
    assert world.client("/chat").emit("unknown", namespace="/chat", callback=True) == []


def test_the_ends_take_what_their_methods_have_room_for(world: World) -> None:
    world.io.on_namespace(Chat(world))
    world.client("/chat", auth={"a": 1}).disconnect("/chat")
    assert world.seen == [("connect", {"a": 1}), "disconnect"]


def test_the_method_error_handles_what_the_others_raise(world: World) -> None:
    world.io.on_namespace(Chat(world))
    answer = world.client("/chat").emit("fail", namespace="/chat", callback=True)
    assert answer == "handled: a defect"


def test_trigger_event_may_dispatch_by_itself(world: World) -> None:
    class Own(Namespace):
        def trigger_event(self, event: str, *args: Any) -> Any:
            sid = args[0]
            world.seen.append((event, len(sid) > 0))
            return event if event == "other" else super().trigger_event(event, *args)

        def on_known(self, value: int) -> int:
            return value + 1

    world.io.on_namespace(Own("/own"))
    client = world.client("/own")
    assert client.emit("other", namespace="/own", callback=True) == "other"
    assert client.emit("known", 1, namespace="/own", callback=True) == 2
    assert world.seen[0] == ("connect", True)


def test_a_class_moves_clients_by_their_ids(world: World) -> None:
    chat = Chat(world)
    world.io.on_namespace(chat)
    with TestClient(world.app, "/chat") as client:
        client.on("question", lambda: 5)
        assert chat.call("question", to=client.id) == 5
        chat.enter_room(client.id, 7)
        assert 7 in chat.rooms(client.id)
        chat.send("text", room=7)
        assert client.wait_for("message") == ("text",)
        chat.leave_room(client.id, 7)
        chat.enter_room(client.id, "a")
        chat.close_room("a")
        assert chat.rooms(client.id) == [client.id]
        chat.disconnect(client.id)
        assert not client.connected


def test_a_namespace_has_a_slash_and_is_the_main_one_by_default() -> None:
    assert Namespace().namespace == "/"
    assert Namespace("chat").namespace == "/chat"
