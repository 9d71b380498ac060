"""Functions in native threads: as many at a time as the limit allows, the others in order."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import gevent
import pytest

from flask_realtime.loop.hub import HubThread
from flask_realtime.loop.native_threads import NativeThreads
from tests.fakes import settle, wait_until
from tests.worlds import quiet_hub

__all__ = ["quiet_hub"]

pytestmark = pytest.mark.usefixtures("quiet_hub")

variable: ContextVar[str] = ContextVar("variable", default="none")


class Gate:
    """Functions that block their thread until they are let go."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self._open = threading.Event()

    def wait(self, name: Any) -> Any:
        self.begun.append(name)
        assert self._open.wait(20)
        return name

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def hub() -> HubThread:
    hub = HubThread()
    hub.bind()
    return hub


@pytest.fixture
def threads(hub: HubThread) -> NativeThreads:
    threads = NativeThreads(hub, patience=0.05)
    threads.limit = 2
    return threads


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def test_a_function_runs_in_another_thread_and_its_result_is_returned(
    threads: NativeThreads,
) -> None:
    here = threading.get_ident()
    assert threads.run(threading.get_ident) != here
    assert threads.run(divmod, 7, 2) == (3, 1)


def test_other_greenlets_run_meanwhile(threads: NativeThreads, gate: Gate) -> None:
    gevent.spawn_later(0.01, gate.open)
    assert threads.run(gate.wait, 1) == 1


def test_what_it_raises_is_raised(threads: NativeThreads, quiet_hub: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.run(divmod, 1, 0)
    quiet_hub.truncate(0)  # gevent's pool prints it
    quiet_hub.seek(0)


def test_it_has_no_context_variables_and_leaves_none(threads: NativeThreads) -> None:
    threads.limit = 1

    def look() -> str:
        found = variable.get()
        variable.set("left")
        return found

    variable.set("of the caller")
    assert [threads.run(look) for _ in range(2)] == ["none", "none"]


def test_as_many_run_as_the_limit_allows_and_the_others_in_order(
    threads: NativeThreads, gate: Gate
) -> None:
    waiting = [gevent.spawn(threads.run, gate.wait, number) for number in range(8)]
    wait_until(lambda: len(gate.begun) == 2)
    settle()
    assert sorted(gate.begun) == [0, 1]
    gate.open()
    assert [job.get(timeout=10) for job in waiting] == list(range(8))
    # Two threads run at a time: neighbours may have changed places.
    assert all(abs(number - place) <= 1 for place, number in enumerate(gate.begun))


def test_a_client_that_comes_again_goes_to_the_end(threads: NativeThreads, gate: Gate) -> None:
    threads.limit = 1
    done: list[str] = []

    def note(name: str) -> None:
        done.append(name)

    def busy() -> None:
        threads.run(gate.wait, "first")
        threads.run(note, "again")

    jobs: list[gevent.Greenlet[..., Any]] = [gevent.spawn(busy)]
    jobs += [gevent.spawn(threads.run, note, name) for name in ("a", "b")]
    wait_until(lambda: gate.begun)
    gate.open()
    gevent.joinall(jobs, timeout=10)
    assert done == ["a", "b", "again"]


def test_one_that_is_killed_while_it_waits_gives_up_its_turn(
    threads: NativeThreads, gate: Gate
) -> None:
    threads.limit = 1
    first, second, third = (gevent.spawn(threads.run, gate.wait, number) for number in range(3))
    wait_until(lambda: gate.begun)
    second.kill()
    gate.open()
    assert (first.get(timeout=10), third.get(timeout=10)) == (0, 2)
    assert gate.begun == [0, 2]


def test_one_that_is_killed_as_its_turn_comes_passes_it_on(
    threads: NativeThreads, gate: Gate
) -> None:
    threads.limit = 1
    first, second, third = (gevent.spawn(threads.run, gate.wait, number) for number in range(3))
    wait_until(lambda: gate.begun)
    first.rawlink(lambda _: None)
    first.kill()
    gate.open()
    second.kill()
    assert third.get(timeout=10) == 2


def test_a_thread_whose_caller_is_killed_stays_taken_until_it_is_done(
    threads: NativeThreads, gate: Gate
) -> None:
    threads.limit = 1
    killed = gevent.spawn(threads.run, gate.wait, "killed")
    wait_until(lambda: gate.begun)
    killed.kill()
    after = gevent.spawn(threads.run, gate.wait, "after")
    settle()
    assert gate.begun == ["killed"]
    gate.open()
    assert after.get(timeout=10) == "after"


def test_a_long_wait_is_told_once(
    threads: NativeThreads, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [gevent.spawn(threads.run, gate.wait, number) for number in range(5)]
    wait_until(lambda: caplog.records, "the warning")
    gevent.sleep(0.1)
    gate.open()
    gevent.joinall(jobs, timeout=10)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "all 2 threads are busy" in line
    assert "max_threads" in line


def test_what_it_has_asked_of_the_hub_has_begun_when_it_returns(
    threads: NativeThreads, hub: HubThread
) -> None:
    seen: list[int] = []

    def work() -> None:
        assert hub.is_foreign
        for number in range(5):
            hub.run(seen.append, number)

    for _ in range(20):
        seen.clear()
        threads.run(work)
        assert seen == [0, 1, 2, 3, 4]


def test_a_function_in_a_thread_calls_others_there(threads: NativeThreads) -> None:
    threads.limit = 1
    assert threads.run(threads.run, threading.get_ident) == threads.run(threading.get_ident)


def test_closing_lets_the_threads_end_and_does_not_wait(threads: NativeThreads, gate: Gate) -> None:
    idents: list[int] = []

    def late() -> Any:
        idents.append(threading.get_ident())
        return gate.wait("late")

    job = gevent.spawn(threads.run, late)
    wait_until(lambda: gate.begun)
    idents.append(threads.run(threading.get_ident))
    assert len(set(idents)) == 2
    threads.close()
    wait_until(lambda: idents[1] not in sys._current_frames(), "the end of the one at rest")
    assert idents[0] in sys._current_frames()
    assert not job.ready()
    gate.open()
    assert job.get(timeout=10) == "late"
    wait_until(lambda: idents[0] not in sys._current_frames(), "the end of the other")
    threads.close()
    gevent.sleep(0.1)  # gevent's pool looks 20 times a second whether they have ended


def test_a_forked_child_has_threads_of_its_own(threads: NativeThreads) -> None:
    threads.limit = 1
    threads.run(int)
    pid = gevent.os.fork()
    if pid == 0:
        try:
            os._exit(threads.run(int, "41") + 1)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
