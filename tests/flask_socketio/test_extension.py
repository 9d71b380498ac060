"""The extension: applications, registration, emitting outside of handlers."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

import gevent
import pytest
from flask import Flask

from flask_realtime.flask_socketio import Namespace, SocketIO, emit
from flask_realtime.testing import TestClient
from tests.flask_socketio.worlds import World, events_of


def test_handlers_may_be_registered_before_the_application_is_there() -> None:
    io = SocketIO(cors_allowed_origins="*")

    @io.event
    def ping() -> str:
        return "pong"

    @io.event(namespace="/chat")
    def chat() -> str:
        return "chat"

    app = Flask(__name__)
    io.init_app(app, ping_timeout=7)
    client = io.test_client(app)
    client.connect("/chat")
    assert client.emit("ping", callback=True) == "pong"
    assert client.emit("chat", namespace="/chat", callback=True) == "chat"
    assert app.extensions["socketio"] is io
    assert io.server_options["ping_timeout"] == 7
    assert io.server is not None
    assert io.server.eio.ping_timeout == 7


def test_a_second_init_app_gives_the_application_a_new_server(world: World) -> None:
    world.io.on_event("x", lambda: 1)
    world.io.init_app(world.app, allow_upgrades=False)
    assert world.io.server is not None
    assert world.io.server.eio.allow_upgrades is False
    assert world.client().emit("x", callback=True) == 1


def test_the_registered_handlers_can_be_looked_at(world: World) -> None:
    handler = world.io.on("x", "/chat")(print)
    world.io.on_namespace(Namespace("/class"))
    assert world.io.handlers == [("x", handler, "/chat")]
    assert [item.namespace for item in world.io.namespace_handlers] == ["/class"]


def test_wrong_registrations_raise(world: World) -> None:
    with pytest.raises(TypeError, match="the name of an event"):
        world.io.on(print)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="takes a Namespace"):
        world.io.on_namespace(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an error handler"):
        world.io.on_error_default("text")  # type: ignore[type-var]


def test_a_namespace_without_a_slash_is_the_one_with_it(world: World) -> None:
    world.io.on("x", namespace="chat")(lambda: 1)
    assert world.client("/chat").emit("x", namespace="/chat", callback=True) == 1


def test_emit_outside_of_handlers_is_for_a_whole_namespace(world: World) -> None:
    world.io.on_event("x", print, namespace="/chat")
    main, chat = world.client(), world.client("/chat")
    world.io.emit("a", {"b": 1})
    world.io.send("text", namespace="/chat")
    world.io.send([1], json=True, namespace="/chat")
    world.io.emit("typo", namespace="/nowhere")
    assert events_of(main) == [("a", [{"b": 1}])]
    assert events_of(chat, "/chat") == [("message", "text"), ("json", [1])]
    assert not world.client("/nowhere").is_connected("/nowhere")


def test_emit_with_nothing_to_emit_to_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="init_app"):
        SocketIO().emit("x")


def test_call_names_one_client(world: World) -> None:
    with TestClient(world.app) as client:
        client.on("question", lambda value: value + 1)
        assert gevent.spawn(world.io.call, "question", 1, to=client.id).get() == 2
        with pytest.raises(ValueError, match="one client"):
            world.io.call("question")


def test_a_callback_gets_all_values_of_each_client(world: World) -> None:
    answers: list[Any] = []
    with TestClient(world.app) as one, TestClient(world.app) as two:
        one.on("question", lambda: (1, "one"))
        two.on("question", lambda: (2, "two"))
        world.io.emit("question", to=one.id, callback=lambda *values: answers.append(values))
        one.wait_for("question")
        assert answers == [(1, "one")]
        answers.clear()
        world.io.emit("question", callback=lambda *values: answers.append(values))
        two.wait_for("question")
        gevent.sleep(0.01)
        assert sorted(answers) == [(1, "one"), (2, "two")]


def test_a_task_of_a_handler_keeps_its_request_and_emits_to_its_client(world: World) -> None:
    def work(name: str) -> None:
        gevent.sleep(0.005)
        emit("done", name)

    @world.io.on("begin", namespace="/chat")
    def begin(name: str) -> None:
        tasks.append(world.io.start_background_task(work, name))

    tasks: list[Any] = []
    client = world.client("/chat")
    client.emit("begin", "one", namespace="/chat")
    client.emit("begin", "two", namespace="/chat")
    for task in tasks:
        task.join()
    assert events_of(client, "/chat") == [("done", ["one"]), ("done", ["two"])]


def test_a_task_outside_of_handlers_just_runs(world: World) -> None:
    done: list[int] = []
    world.io.start_background_task(done.append, 1).join()
    world.io.sleep(0)
    assert done == [1]


def test_an_object_that_only_emits_runs_its_tasks_in_threads() -> None:
    threads: list[Any] = []
    io = SocketIO(message_queue="redis://")
    io.start_background_task(lambda: threads.append(threading.current_thread())).join()
    assert threads[0] is not threading.main_thread()


def test_what_eventlet_has_patched_cannot_serve_but_emit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patcher: Any = ModuleType("eventlet.patcher")
    patcher.is_monkey_patched = lambda name: True
    monkeypatch.setitem(sys.modules, "eventlet.patcher", patcher)
    with pytest.raises(RuntimeError, match=r"eventlet\.monkey_patch"):
        SocketIO(Flask(__name__))
    assert SocketIO(message_queue="redis://").server is None


def test_native_handlers_live_beside_the_others(world: World) -> None:
    @world.io.realtime.event("x")
    def native(socket: Any, value: int) -> None:
        world.seen.append((socket.id, value))

    world.io.on_event("x", lambda value: value + 1)
    world.io.realtime.event("only native")(lambda socket: "native")
    with TestClient(world.app) as client:
        assert client.call("x", 1) == 2
        assert world.seen == [(client.id, 1)]
        assert client.call("only native") == "native"
        core: Any = world.io.realtime.sockets.adapter.namespace
        core.handlers.remove("x", native)
        assert client.call("x", 1) == 2
        assert len(world.seen) == 1
    with pytest.raises(RuntimeError, match="init_app"):
        assert SocketIO().realtime


def test_stop_before_anything_runs_is_harmless(world: World) -> None:
    world.io.stop()
    SocketIO().stop()
