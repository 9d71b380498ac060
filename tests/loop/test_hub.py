"""The way from other OS threads into the thread that owns the sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original

from flask_realtime.loop.hub import HubThread
from tests.fakes import deadline, wait_until

start_new_thread: Callable[..., int] = get_original("_thread", "start_new_thread")
get_ident: Callable[[], int] = get_original("_thread", "get_ident")


class Outcome:
    """The result, or the exception, of a function in another OS thread."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None
        self._function = function
        start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            self.value = self._function()
        except Exception as error:  # noqa: BLE001
            self.error = error
        self.done = True

    def wait(self) -> Any:
        wait_until(lambda: self.done, "the other thread")
        if self.error is not None:
            raise self.error
        return self.value


@pytest.fixture
def hub() -> HubThread:
    hub = HubThread()
    hub.bind()
    return hub


def test_before_the_first_request_no_thread_is_foreign() -> None:
    hub = HubThread()
    assert not hub.is_foreign
    assert Outcome(lambda: hub.is_foreign).wait() is False


def test_the_thread_of_the_first_request_owns_the_sessions(hub: HubThread) -> None:
    assert not hub.is_foreign
    assert Outcome(lambda: hub.is_foreign).wait() is True


def test_a_second_bind_changes_nothing(hub: HubThread) -> None:
    Outcome(hub.bind).wait()
    assert not hub.is_foreign


def test_a_posted_call_runs_in_the_owning_thread(hub: HubThread) -> None:
    seen: list[int] = []
    Outcome(lambda: hub.post(lambda: seen.append(get_ident()))).wait()
    wait_until(lambda: seen)
    assert seen == [get_ident()]


def test_posted_calls_of_one_thread_keep_their_order(hub: HubThread) -> None:
    seen: list[int] = []

    def post_many() -> None:
        for number in range(500):
            hub.post(seen.append, number)

    Outcome(post_many).wait()
    wait_until(lambda: len(seen) == 500)
    assert seen == list(range(500))


def test_a_posted_call_may_block_without_holding_up_the_next(hub: HubThread) -> None:
    release = gevent.event.Event()
    seen: list[str] = []

    def post_two() -> None:
        hub.post(release.wait)
        hub.post(seen.append, "second")

    Outcome(post_two).wait()
    wait_until(lambda: seen)
    release.set()


def test_a_call_returns_the_result(hub: HubThread) -> None:
    def blocking(value: int) -> int:
        gevent.sleep(0)
        return value * 2

    assert Outcome(lambda: hub.call(blocking, 21)).wait() == 42


def test_a_call_raises_what_the_function_raises(hub: HubThread) -> None:
    def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        Outcome(lambda: hub.call(fail)).wait()


def test_many_threads_call_at_once(hub: HubThread) -> None:
    def work(number: int) -> Callable[[], int]:
        return lambda: sum(hub.call(lambda value: value, number) for _ in range(20))

    outcomes = [Outcome(work(number)) for number in range(8)]
    with deadline():
        assert [outcome.wait() for outcome in outcomes] == [20 * number for number in range(8)]


class Owner:
    """A native thread that owns the sessions until :meth:`end`."""

    def __init__(self, hub: HubThread) -> None:
        self.ready = self.done = False
        self._hub = hub
        self._end = False
        start_new_thread(self._run, ())
        wait_until(lambda: self.ready)

    def _run(self) -> None:
        self._hub.bind()
        self.ready = True
        while not self._end:
            gevent.sleep(0.001)
        self.done = True

    def end(self) -> None:
        self._end = True
        wait_until(lambda: self._hub.is_orphaned, "the end of the thread")


def test_without_its_thread_nothing_waits_and_nothing_vanishes() -> None:
    hub = HubThread()
    Owner(hub).end()
    for way in (hub.call, hub.ask, hub.post, hub.run):
        with pytest.raises(RuntimeError, match="has ended"):
            way(print)


def test_the_next_thread_that_serves_becomes_the_owner() -> None:
    hub = HubThread()
    moved: list[int] = []
    hub.on_takeover(lambda: moved.append(1))
    Owner(hub).end()
    assert not moved
    second = Owner(hub)
    assert moved == [1]
    assert hub.call(get_ident) != get_ident()
    second.end()
    hub.bind()
    assert moved == [1, 1]
    assert not hub.is_foreign
    assert hub.ask(get_ident) == get_ident()
    assert Outcome(lambda: hub.call(get_ident)).wait() == get_ident()


def test_many_owners_one_after_another() -> None:
    """Systems reuse the identifier of a thread that has ended."""
    hub = HubThread()
    for _ in range(20):
        owner = Owner(hub)
        assert hub.call(lambda: 7) == 7
        owner.end()


def test_a_call_that_was_under_way_ends_with_the_thread() -> None:
    hub = HubThread()
    owner = Owner(hub)
    started: list[bool] = []

    def forever() -> None:
        started.append(True)
        gevent.sleep(60)

    outcome = Outcome(lambda: hub.call(forever))
    wait_until(lambda: started)
    owner.end()
    with pytest.raises(RuntimeError, match="has ended"):
        outcome.wait()


def test_a_hub_that_does_not_run_is_not_waited_for_without_end() -> None:
    hub = HubThread(patience=0.1)
    hub.bind()
    ran: list[bool] = []
    release = get_original("_thread", "allocate_lock")()
    release.acquire()

    def ask() -> None:
        try:
            hub.call(ran.append, True)
        finally:
            release.release()

    outcome = Outcome(ask)
    release.acquire()  # blocks this thread, and with it its hub
    with pytest.raises(RuntimeError, match=r"did not run for 0\.1 s"):
        outcome.wait()
    gevent.sleep(0.01)
    assert not ran  # what was given up is not done later


def test_after_the_last_run_questions_fail_at_once_and_orders_are_moot(hub: HubThread) -> None:
    hub.release()
    seen: list[bool] = []

    def ask() -> None:
        hub.post(seen.append, True)
        hub.call(seen.append, True)

    with pytest.raises(RuntimeError, match="has ended"):
        Outcome(ask).wait()
    gevent.sleep(0.01)
    assert not seen
    assert hub.ask(lambda: 5) == 5


def test_what_cannot_move_refuses_the_next_thread() -> None:
    hub = HubThread()

    def check() -> None:
        raise RuntimeError("cannot move")

    hub.before_takeover(check)
    Owner(hub).end()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot move"):
            hub.bind()
    hub.take_over()  # to close it
    assert not hub.is_foreign
