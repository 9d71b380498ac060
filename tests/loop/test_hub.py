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
    """What a function in another OS thread returned or raised."""

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
