"""Flask's contexts of handlers in native threads, and of background tasks."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

import pytest
from flask import Flask, current_app, g, has_request_context, request, session

from flask_realtime import Realtime, Socket
from tests.fakes import settle, wait_until
from tests.flasks import FlaskWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


def broken(error: BaseException | None) -> None:
    raise ZeroDivisionError


# --- handlers in threads


@BOTH
def test_a_handler_in_a_thread_has_all_contexts(flask_world: FlaskWorld, transport: str) -> None:
    flask_world.app.config["NAME"] = "the app"
    here = threading.get_ident()

    @flask_world.io.event(thread=True)
    def look(socket: Socket) -> Any:
        g.seen = g.get("seen", 0) + 1
        session["count"] = session.get("count", 0) + 1
        away = threading.get_ident() != here
        return [current_app.config["NAME"], request.path, session["count"], g.seen, away]

    @flask_world.io.event
    def inside(socket: Socket) -> Any:
        session["count"] += 1
        return [session["count"], "seen" in g]

    client = flask_world.network.joined(transport)
    assert client.call("look") == [["the app", "/socket.io/", 1, 1, True]]
    assert client.call("inside") == [[2, False]]
    assert client.call("look") == [["the app", "/socket.io/", 3, 1, True]]


@BOTH
@pytest.mark.parametrize("concurrent", [False, True])
def test_its_teardown_functions_run_in_the_thread_with_its_exception(
    flask_world: FlaskWorld, transport: str, concurrent: bool
) -> None:
    ended: list[Any] = []
    told: list[Any] = []

    @flask_world.app.teardown_request
    def end_request(error: Any) -> None:
        ended.append(("request", repr(error), threading.get_ident()))

    @flask_world.app.teardown_appcontext
    def end_app(error: Any) -> None:
        ended.append(("app", repr(error), threading.get_ident()))

    @flask_world.io.on_error
    def on_error(error: Exception, socket: Socket, event: str) -> None:
        told.append((request.path, event))

    ran: list[int] = []

    @flask_world.io.event(concurrent=concurrent, thread=True)
    def fail(socket: Socket) -> None:
        ran.append(threading.get_ident())
        raise KeyError("in a thread")

    flask_world.network.joined(transport).emit("fail")
    wait_until(lambda: len(ended) == 2)
    (thread,) = ran
    assert thread != threading.get_ident()
    error = repr(KeyError("in a thread"))
    assert ended == [("request", error, thread), ("app", error, thread)]
    assert told == [("/socket.io/", "fail")]


def test_a_teardown_function_that_fails_in_a_thread_is_reported(
    flask_world: FlaskWorld, caplog: pytest.LogCaptureFixture
) -> None:
    flask_world.io.event("event", thread=True)(lambda socket: "done")
    client = flask_world.network.joined()
    flask_world.app.teardown_appcontext(broken)
    assert client.call("event") == ["done"]
    wait_until(lambda: "ZeroDivisionError" in caplog.text)


def test_many_threads_of_one_client_have_contexts_of_their_own(flask_world: FlaskWorld) -> None:
    everyone = threading.Barrier(8, timeout=20)

    @flask_world.io.event(concurrent=True, thread=True)
    def look(socket: Socket, number: int) -> Any:
        g.number = number
        everyone.wait()
        return [g.number, request.path]

    client = flask_world.network.joined()
    for _ in range(3):
        for number in range(8):
            client.emit("look", number, ack_id=number)
        answers = sorted(client.receive() for _ in range(8))
        assert answers == [f'3{number}[[{number},"/socket.io/"]]' for number in range(8)]


@BOTH
def test_the_end_and_the_beginning_have_contexts_in_threads_as_well(
    flask_world: FlaskWorld, transport: str
) -> None:
    seen: list[Any] = []
    for event in ("connection", "disconnecting", "disconnect"):
        flask_world.io.event(event, thread=True)(
            lambda socket, *args: seen.append((request.path, threading.get_ident()))
        )
    flask_world.network.joined(transport).disconnect()
    wait_until(lambda: len(seen) == 3)
    assert {path for path, _ in seen} == {"/socket.io/"}
    assert threading.get_ident() not in {thread for _, thread in seen}


def test_the_test_client_waits_for_threads(flask_world: FlaskWorld) -> None:
    seen: list[str] = []

    @flask_world.io.event(thread=True)
    def slow(socket: Socket) -> str:
        threading.Event().wait(0.05)
        seen.append("done")
        socket.emit("done")
        return "answer"

    @flask_world.io.event(thread=True)
    def fail(socket: Socket) -> None:
        raise KeyError("for the test")

    for transport in ("polling", "websocket"):
        with flask_world.io.test_client(transport=transport) as client:
            client.emit("slow")
            assert (seen.pop(), client.received) == ("done", [("done",)])
            assert client.call("slow") == "answer"
            seen.clear()
            with pytest.raises(KeyError, match="for the test"):
                client.emit("fail")


# --- background tasks


@BOTH
def test_a_task_has_an_app_context_of_its_own(flask_world: FlaskWorld, transport: str) -> None:
    seen: list[Any] = []

    def look(number: int) -> None:
        seen.append([current_app.name, has_request_context(), "of_handler" in g, number])
        flask_world.io.emit("looked")

    @flask_world.io.event(concurrent=transport == "polling")
    def start(socket: Socket) -> None:
        g.of_handler = True
        flask_world.io.start_background_task(look, 7)

    client = flask_world.network.joined(transport)
    client.emit("start")
    assert client.event() == ["looked"]
    assert seen == [[flask_world.app.name, False, False, 7]]


def test_its_context_ends_with_it_and_with_its_exception(flask_world: FlaskWorld) -> None:
    ended: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: ended.append(repr(error)))
    told: list[Any] = []
    flask_world.io.on_error(lambda error, socket, event: told.append((current_app.name, event)))

    def fail() -> None:
        settle()
        assert ended == []
        raise KeyError("in a task")

    flask_world.io.start_background_task(fail).join(10)
    assert ended == ["KeyError('in a task')"]
    assert told == [(flask_world.app.name, "background task")]
    ended.clear()
    flask_world.io.start_background_task(int).join(10)
    assert ended == ["None"]


def test_a_teardown_function_that_fails_after_a_task_is_reported(
    flask_world: FlaskWorld, caplog: pytest.LogCaptureFixture
) -> None:
    flask_world.app.teardown_appcontext(broken)
    assert flask_world.io.start_background_task(int).get(timeout=10) is None
    assert "ZeroDivisionError" in caplog.text


def test_a_task_that_is_killed_is_torn_down(flask_world: FlaskWorld) -> None:
    ended: list[str] = []
    flask_world.app.teardown_appcontext(lambda error: ended.append(type(error).__name__))
    task = flask_world.io.start_background_task(flask_world.io.sleep, 20)
    settle()
    task.kill()
    assert ended == ["GreenletExit"]


def test_of_several_applications_the_current_one_is_meant() -> None:
    one, two, stranger = (Flask(name) for name in ("one", "two", "stranger"))
    io = Realtime()

    def name() -> str:
        return current_app.name

    with pytest.raises(RuntimeError, match="init_app"):
        io.start_background_task(name)
    io.init_app(one)
    assert io.start_background_task(name).get(timeout=10) == "one"
    with stranger.app_context():
        assert io.start_background_task(name).get(timeout=10) == "one"
    io.init_app(two)
    for app in (one, two):
        with app.app_context():
            assert io.start_background_task(name).get(timeout=10) == app.name
    for context in (nullcontext(), stranger.app_context()):
        with context, pytest.raises(RuntimeError, match=r"several .*app\.app_context\(\)"):
            io.start_background_task(name)


def test_the_default_of_concurrent_comes_from_the_config() -> None:
    app = Flask("app")
    app.config.update(REALTIME_CONCURRENT=True, REALTIME_MAX_THREADS=3)
    io = Realtime(app)
    assert (io.options.concurrent, io.runner.threads.limit) == (True, 3)
