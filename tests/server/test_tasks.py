"""Background tasks: started anywhere, reported, stopped with their server, not copied by forks."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextvars import ContextVar
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime import Socket
from tests.fakes import settle, wait_until
from tests.ids import case
from tests.processes import ROOT
from tests.worlds import MakeServer, ServerWorld

variable: ContextVar[str] = ContextVar("variable", default="none")


def fail(*args: Any) -> None:
    raise KeyError("in a task")


def test_a_task_runs_beside_its_caller_and_the_greenlet_has_its_value(server: ServerWorld) -> None:
    def add(one: int, *, two: int) -> int:
        server.io.sleep(0.001)
        return one + two

    task = server.io.start_background_task(add, 1, two=2)
    assert not task.dead
    assert task.get(timeout=10) == 3


def test_a_handler_starts_one_without_its_context_variables(server: ServerWorld) -> None:
    seen: list[str] = []

    @server.io.event(concurrent=True)
    def start(socket: Socket) -> None:
        variable.set("of the handler")
        server.io.start_background_task(lambda: seen.append(variable.get()))

    server.network.joined().emit("start")
    wait_until(lambda: seen)
    assert seen == ["none"]


def test_another_thread_starts_one_in_the_thread_of_the_server(server: ServerWorld) -> None:
    server.io.hub.bind()
    seen: list[int] = []
    started: list[Any] = []

    def start() -> None:
        task = server.io.start_background_task(lambda: seen.append(threading.get_ident()))
        started.append(task)

    other = threading.Thread(target=start)
    other.start()
    wait_until(lambda: seen)
    other.join()
    assert seen == [threading.get_ident()]
    assert started[0].dead


def test_what_it_raises_is_logged_and_reported(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((repr(error), socket, event)))
    assert server.io.start_background_task(fail).get(timeout=10) is None
    assert told == [("KeyError('in a task')", None, "background task")]
    assert server.io.runner.errors == 1
    (record,) = caplog.records
    assert "'background task'" in record.getMessage()
    assert "KeyError: 'in a task'" in caplog.text


def test_a_timeout_of_gevent_is_an_exception_as_well(server: ServerWorld) -> None:
    def wait() -> None:
        with gevent.Timeout(0.001):
            gevent.sleep(20)

    assert server.io.start_background_task(wait).get(timeout=10) is None
    assert server.io.runner.errors == 1


async def coroutine() -> None: ...


@pytest.mark.parametrize("wrong", [None, 3, "fn", coroutine], ids=case)
def test_what_cannot_run_raises_at_the_call(server: ServerWorld, wrong: Any) -> None:
    with pytest.raises(TypeError, match="a background task must be"):
        server.io.start_background_task(wrong)


def test_a_result_in_place_of_the_function_is_explained(server: ServerWorld) -> None:
    result: Any = print()
    with pytest.raises(TypeError, match=r"not NoneType: .*start_background_task\(fn, \*args\)"):
        server.io.start_background_task(result)


def test_tasks_go_on_after_close_and_are_stopped_before_the_adapters(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    seen: list[str] = []
    adapter: Any = server.io.of("/").adapter
    adapter.close = lambda: seen.append("adapter")

    def work() -> None:
        try:
            Event().wait()
        finally:
            seen.append("task")

    task = server.io.start_background_task(work)
    settle()
    server.io.close()
    settle()
    assert not task.dead
    server.io.end(1)
    assert task.dead
    assert seen == ["task", "adapter"]
    assert "1 background tasks are stopped" in caplog.text
    with pytest.raises(RuntimeError, match="closed"):
        server.io.start_background_task(print)


def test_a_task_may_end_the_server_itself(server: ServerWorld) -> None:
    def end() -> str:
        server.io.close()
        server.io.end(0)
        return "done"

    assert server.io.start_background_task(end).get(timeout=10) == "done"


def test_one_that_does_not_end_holds_the_end_up_for_a_moment_only(server: ServerWorld) -> None:
    release = Event()

    def work() -> None:
        try:
            Event().wait()
        finally:
            release.wait()

    task = server.io.start_background_task(work)
    settle()
    server.io.close()
    with gevent.Timeout(10):
        server.io.end(0)
    assert not task.dead
    release.set()
    task.join(10)


def in_child(function: Any) -> int:
    """Call a function in a forked child; the number that it returns is its status."""
    pid = gevent.os.fork()
    if pid == 0:
        try:
            os._exit(function())
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_fork_has_no_copies_that_run(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server()
    seen: list[str] = []
    gate = Event()

    def work(name: str) -> None:
        seen.append(name)
        gate.wait()
        seen.append(f"{name} goes on")

    first = server.io.start_background_task(work, "first")
    settle()
    server.io.start_background_task(work, "second")

    def child() -> int:
        gate.set()
        gevent.sleep(0.1)
        caplog.clear()
        server.io.start()
        server.io.start_background_task(work, "own").join()
        told = "2 background tasks were started before this process was forked" in caplog.text
        return 42 if told and seen == ["first", "own", "own goes on"] else 1

    assert in_child(child) == 42
    gate.set()
    first.join(10)
    wait_until(lambda: len(seen) == 4)
    caplog.clear()
    server.io.start()
    assert "forked" not in caplog.text


def test_a_process_that_ends_by_itself_ends_its_tasks() -> None:
    program = """
import gevent
from flask_realtime import Server

io = Server()

def work():
    try:
        io.sleep(60)
    finally:
        io.sleep(0.01)
        print("ended", flush=True)

io.start_background_task(work)
io.sleep(0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("ended\n", "")
