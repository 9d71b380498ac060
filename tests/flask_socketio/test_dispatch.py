"""Events of clients to the handlers of an application."""

from __future__ import annotations

import builtins
import functools
import gc
import logging
from typing import Any

import flask
import gevent
import pytest
from flask import request
from gevent.event import Event

from flask_realtime import Observer
from flask_realtime.flask_socketio import (
    ConnectionRefusedError,
    Namespace,
    disconnect,
    emit,
    join_room,
    rooms,
)
from flask_realtime.testing import TestClient, settle
from tests.flask_socketio.worlds import World, events_of


def current() -> Any:
    return request


# --- connecting


@pytest.mark.parametrize(
    "refusal", [None, ConnectionRefusedError("no", 1), builtins.ConnectionRefusedError()]
)
@pytest.mark.parametrize("always", [False, True])
def test_a_connect_handler_refuses(refusal: Exception | None, always: bool) -> None:
    world = World(always_connect=always)

    @world.io.on("connect")
    def refuse() -> bool:
        if refusal is not None:
            raise refusal
        return False

    client = world.client()
    assert not client.is_connected()
    assert world.io.server is not None
    assert not world.io.realtime.sockets.sockets


def test_an_exception_of_a_connect_handler_refuses_and_comes_out_of_the_test(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    @world.io.on("connect")
    def failing() -> None:
        raise LookupError("a defect")

    with pytest.raises(LookupError, match="a defect"), caplog.at_level(logging.CRITICAL):
        world.client()
    assert not world.io.realtime.sockets.sockets


@pytest.mark.parametrize("always", [False, True])
def test_what_a_connect_handler_broadcasts_reaches_its_own_client(always: bool) -> None:
    world = World(always_connect=always)

    @world.io.on("connect")
    def count() -> None:
        join_room("everybody")
        emit("to all", broadcast=True)
        world.io.emit("to all again")
        emit("to the room", to="everybody")
        emit("to itself", to=current().sid)

    first = world.client()
    names = [name for name, _ in events_of(first)]
    assert names == ["to all", "to all again", "to the room", "to itself"]
    world.client()
    assert [name for name, _ in events_of(first)] == names[:3]


def test_a_refused_client_gets_no_broadcasts_any_more(world: World) -> None:
    @world.io.on("connect")
    def refuse() -> bool:
        join_room("a")
        return False

    world.client()
    adapter = world.io.realtime.sockets.adapter
    assert not adapter.rooms
    assert not adapter.sids


def test_auth_is_for_handlers_that_take_it_and_none_without(world: World) -> None:
    @world.io.on("connect", namespace="/one")
    def with_auth(auth: Any) -> None:
        world.seen.append(auth)

    @world.io.on("connect", namespace="/two")
    def without() -> None:
        world.seen.append("called")

    world.client("/one", auth={"a": 1})
    world.client("/one")
    world.client("/two", auth={"a": 1})
    assert world.seen == [{"a": 1}, None, "called"]


def test_a_decorator_that_adds_arguments_still_works(world: World) -> None:
    def with_user(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function("a user", *args)

        return wrapper

    @world.io.on("connect")
    @with_user
    def connected(user: str) -> None:
        world.seen.append(user)

    assert world.client().is_connected()
    assert world.seen == ["a user"]


def test_a_connect_handler_that_raises_a_type_error_is_called_once_more(world: World) -> None:
    @world.io.on("connect")
    def connected() -> None:
        world.seen.append("called")
        if len(world.seen) == 1:
            raise TypeError("a defect that the second call does not have")

    assert world.client().is_connected()
    assert world.seen == ["called"] * 2


def test_the_first_type_error_is_the_one_that_is_told(world: World) -> None:
    @world.io.on("connect")
    def connected(auth: Any) -> None:
        raise TypeError("the first")

    with pytest.raises(TypeError, match="the first"):
        world.client()


def test_a_client_that_is_disconnected_by_its_connect_handler_has_been_let_in(
    world: World,
) -> None:
    @world.io.on("connect")
    def connected() -> None:
        disconnect()

    @world.io.on("disconnect")
    def ended(reason: str) -> None:
        world.seen.append(reason)

    client = world.client()
    assert not client.is_connected()
    assert world.seen == ["server disconnect"]


def test_a_client_that_leaves_while_it_is_asked_has_its_end_all_the_same(world: World) -> None:
    @world.io.on("connect")
    def connected() -> None:
        join_room("a")
        world.io.realtime.sockets.sockets[current().sid].conn.close()

    @world.io.on("disconnect")
    def ended(reason: str) -> None:
        world.seen.append((reason, "a" in rooms()))

    assert not world.client().is_connected()
    assert world.seen == [("transport close", True)]
    assert not world.io.realtime.sockets.sockets
    assert not world.io.realtime.sockets.adapter.rooms


def test_a_namespace_is_accepted_with_a_handler_or_by_name() -> None:
    world = World(namespaces=["/listed"])
    world.io.on_event("x", print, namespace="/handled")
    assert world.client("/listed").is_connected("/listed")
    assert world.client("/handled").is_connected("/handled")
    assert not world.client("/other").is_connected("/other")


def test_every_namespace_is_accepted_when_the_option_says_so() -> None:
    world = World(namespaces="*")

    @world.io.on("x", namespace="*")
    def any_namespace(value: int) -> str:
        return f"{current().namespace} {value}"

    client = world.client("/any/name")
    assert client.emit("x", 1, namespace="/any/name", callback=True) == "/any/name 1"
    for number in range(5):
        world.client(f"/{number}").disconnect(f"/{number}")
    assert sorted(world.io.realtime.namespaces) == ["/", "/any/name"]
    gc.collect()
    assert sorted(world.io.dispatcher.namespaces) == ["/", "/any/name"]


# --- the end


def test_a_disconnect_handler_finds_its_rooms(world: World) -> None:
    @world.io.on("connect")
    def connected() -> None:
        join_room(7)

    @world.io.on("disconnect")
    def ended(reason: str) -> None:
        emit("gone", to=7, include_self=False)
        world.seen.extend((reason, 7 in rooms()))

    one, two = world.client(), world.client()
    one.disconnect()
    assert world.seen == ["client disconnect", True]
    assert events_of(two) == [("gone", [])]


def test_a_disconnect_handler_may_leave_out_the_reason(world: World) -> None:
    world.io.on_event("disconnect", lambda: world.seen.append("gone"))
    world.client().disconnect()
    assert world.seen == ["gone"]


# --- events


def test_each_event_has_a_request_of_its_own(world: World) -> None:
    @world.io.on("slow")
    @world.io.on("quick")
    def handler(name: str) -> None:
        before = current().event
        gevent.sleep(0.02 if name == "slow" else 0)
        world.seen.append((name, current().event is before, current().event["args"]))

    client = world.client()
    for name in ("slow", "quick"):
        client.emit(name, name)
    assert world.seen == [("slow", True, ("slow",)), ("quick", True, ("quick",))]


def test_the_request_of_one_namespace_is_not_that_of_another(world: World) -> None:
    found: dict[str, tuple[str, str]] = {}

    def note() -> None:
        gevent.sleep(0.005)
        found[current().namespace] = (current().sid, current().event["message"])

    for namespace in ("/", "/chat"):
        world.io.on_event("note", note, namespace)
    client = world.client()
    client.connect("/chat")
    client.emit("note")
    client.emit("note", namespace="/chat")
    assert found["/"][0] != found["/chat"][0]
    assert {message for _, message in found.values()} == {"note"}


def test_a_catch_all_handler_gets_the_name_and_answers(world: World) -> None:
    @world.io.on("*")
    def anything(event: str, *args: Any) -> tuple[Any, ...]:
        return (event, *args)

    world.io.on_event("known", lambda: "known")
    client = world.client()
    assert client.emit("unheard of", 1, b"2", callback=True) == ["unheard of", 1, b"2"]
    assert client.emit("known", callback=True) == "known"


def test_a_handler_may_be_registered_after_clients_have_connected(world: World) -> None:
    client = world.client()
    assert client.emit("later", callback=True) is None
    world.io.on_event("later", lambda: 1)
    assert client.emit("later", callback=True) == 1


# --- errors


def test_the_value_of_an_error_handler_answers_and_the_log_is_silent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("a defect")

    world.io.on_event("fail", fail)
    world.io.on_event("fail", fail, namespace="/chat")
    world.io.on_error_default(lambda error: f"default: {error}")
    world.io.on_error("/chat")(lambda error: f"chat: {error}")
    client = world.client()
    client.connect("/chat")
    assert client.emit("fail", callback=True) == "default: a defect"
    assert client.emit("fail", callback=True, namespace="/chat") == "chat: a defect"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_no_error_handler_takes_comes_out_of_the_test(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    @world.io.on("fail")
    def fail() -> None:
        raise ValueError("a defect")

    client = world.client()
    with pytest.raises(ValueError, match="a defect"):
        client.emit("fail")
    assert any(record.exc_info for record in caplog.records)

    @world.io.on_error()
    def again(error: Exception) -> None:
        raise KeyError("worse") from error

    with pytest.raises(KeyError, match="worse"):
        client.emit("fail")


# --- the order of handlers


@pytest.mark.parametrize(("concurrent", "order"), [(True, ["b", "a"]), (False, ["a", "b"])])
def test_handlers_are_apart_unless_the_option_orders_them(
    concurrent: bool, order: list[str]
) -> None:
    world = World(async_handlers=concurrent)
    go = Event()

    @world.io.on("a")
    def slow() -> None:
        go.wait(0.05)
        world.seen.append("a")

    @world.io.on("b")
    def quick() -> None:
        world.seen.append("b")
        go.set()

    with TestClient(world.app) as client:
        client.emit("a", wait=False)
        client.emit("b")
    assert world.seen == order


# --- callbacks


def test_a_callback_runs_as_an_event_of_the_client_that_has_asked(world: World) -> None:
    runs: list[Any] = []

    @world.io.on("ask")
    def ask(other: str) -> None:
        emit("question", to=other, callback=lambda *answer: runs.append((current().sid, answer)))

    with TestClient(world.app) as asker, TestClient(world.app) as asked:
        asked.on("question", lambda: (1, 2))
        asker.emit("ask", asked.id)
        settle()
        assert runs == [(asker.id, (1, 2))]


def test_current_app_is_the_application(world: World) -> None:
    world.io.on_event("who", lambda: flask.current_app.name)
    assert world.client().emit("who", callback=True) == world.app.name


def test_only_names_that_the_application_has_registered_are_known_to_observers() -> None:
    known: dict[str, bool] = {}

    class Names(Observer):
        def event_received(self, socket: Any, event: str, args: Any, is_known: bool) -> None:
            known[event] = is_known

    class Room(Namespace):
        def on_ask(self) -> None:
            pass

    world = World()
    world.io.on_event("named", lambda: None)
    world.io.on_event("*", lambda event: None)
    world.io.on_namespace(Room("/room"))
    world.io.realtime.observe(Names())
    with TestClient(world.app) as client:
        client.emit("named")
        client.emit("any")
    with TestClient(world.app, "/room") as client:
        client.emit("ask")
        client.emit("other")
    assert known == {"named": True, "any": False, "ask": True, "other": False}
