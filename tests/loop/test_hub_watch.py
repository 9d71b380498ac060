"""What blocks a hub, and for how long."""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import gevent
import pytest
from gevent import get_hub
from gevent.monkey import get_original

from flask_realtime.loop.hub import HubThread
from flask_realtime.loop.hub_watch import HubWatch, Pulse, watch
from flask_realtime.loop.stacks import Work
from tests.fakes import wait_until

start_new_thread: Callable[..., int] = get_original("_thread", "start_new_thread")
LOGGER = "flask_realtime.loop.hub_watch"


class User:
    """A user that knows the work of every stack."""

    def __init__(self, what: str = "") -> None:
        self.what = what

    def work_of(self, frame: FrameType) -> Work | None:
        return Work(self.what, frame) if self.what else None


@pytest.fixture
def user() -> Iterator[User]:
    user = User()
    found = watch(user)
    yield user
    found.remove(user)


def block(seconds: float) -> None:
    time.sleep(seconds)  # the hub's thread, whose other greenlets wait


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    found = [record for record in caplog.records if record.name == LOGGER]
    return [record.getMessage() for record in found if record.levelno == level]


def watched(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines, once the hub has had its time to answer."""
    wait_until(lambda: lines(caplog), "the line in the log")
    gevent.sleep(0.3)
    return lines(caplog)


# --- the pulse


def test_the_lag_is_the_time_between_a_question_and_its_answer() -> None:
    pulse = Pulse()
    assert pulse.lag(100) == 0
    pulse.asked_at = 100
    assert pulse.lag(101.5) == 1.5  # and no answer yet
    assert pulse.answer(102) == 2
    assert pulse.lag(102) == 2


def test_the_longest_lag_is_remembered_for_ten_seconds_and_forgotten_after_twenty() -> None:
    pulse = Pulse()
    for asked, answered in ((100, 102), (103, 103.1), (111.9, 112)):
        pulse.asked_at = asked
        pulse.answer(answered)
    assert pulse.lag(112) == 2
    assert pulse.lag(122) == pytest.approx(2)
    assert pulse.lag(122.1) == 0


def test_the_lag_before_ten_seconds_is_remembered_beside_a_recent_one() -> None:
    pulse = Pulse()
    for asked, answered in ((100, 102), (112.9, 113)):
        pulse.asked_at = asked
        pulse.answer(answered)
    assert pulse.lag(122) == 2
    assert pulse.lag(123.1) == pytest.approx(0.1)


def test_an_old_lag_does_not_come_back_after_a_quiet_time() -> None:
    pulse = Pulse()
    pulse.asked_at = 100
    pulse.answer(105)
    pulse.asked_at = 200
    pulse.answer(200)
    assert pulse.lag(200) == 0


def test_an_answer_without_a_question_is_not_a_lag() -> None:
    assert Pulse().answer(100) == 0


# --- the watch


@pytest.mark.parametrize("how", [block, spin])
def test_what_blocks_the_hub_is_one_line_with_its_place(
    user: User, caplog: pytest.LogCaptureFixture, how: Callable[[float], None]
) -> None:
    user.what = "the handler of 'slow'"
    gevent.spawn(how, 1.2).join()
    (line,) = watched(caplog)
    assert re.match(r"! the hub was blocked for [1-9]\d*\.\d", line)
    assert f": the handler of 'slow', at {__file__}:" in line
    assert f" in {how.__name__}" in line


def test_without_a_name_only_the_place_is_logged(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    gevent.spawn(block, 1.2).join()
    (line,) = watched(caplog)
    assert f" s: {__file__}:" in line


def test_each_blockage_has_a_line_of_its_own(user: User, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        gevent.spawn(block, 0.9).join()
        gevent.sleep(0.3)
    wait_until(lambda: len(lines(caplog)) == 2, "both lines")


def test_short_blockages_are_measured_and_not_logged(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    gevent.spawn(block, 0.3).join()
    gevent.sleep(0.3)
    assert lines(caplog) == []
    assert watch(user).lag > 0.05


def test_a_listener_inside_the_hub_is_seen_as_well(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    get_hub().loop.run_callback(block, 1.2)
    (line,) = watched(caplog)
    assert " in block" in line


def test_a_hub_that_waits_is_not_blocked(user: User, caplog: pytest.LogCaptureFixture) -> None:
    gevent.sleep(1)
    assert lines(caplog) == []


def test_a_program_that_rarely_runs_the_hub_does_not_block_it(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    found = HubWatch()
    assert found.add(user)
    gevent.sleep(0.2)
    block(0.9)  # the main greenlet, as between two tests
    gevent.sleep(0.3)
    assert lines(caplog) == []
    assert found.lag < 0.5
    found.remove(user)


def test_a_long_blockage_is_logged_before_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    user, found = User("the handler of 'dead'"), HubWatch(patience=0.7)
    assert found.add(user)
    seen: list[list[str]] = []

    def hang() -> None:
        block(1.5)
        seen.append(lines(caplog))

    # The watch of all servers in this process may have lines of its own.
    def of_it(found: list[str]) -> list[str]:
        return [line for line in found if "'dead'" in line]

    gevent.spawn(hang).join()
    wait_until(lambda: of_it(lines(caplog, logging.INFO)), "the line of its end")
    found.remove(user)
    (early,) = of_it(seen[0])
    assert early.startswith("! the hub has been blocked for ")
    assert " and still is: the handler of 'dead', at " in early
    assert of_it(lines(caplog)) == [early]


def test_a_blockage_of_several_servers_on_one_hub_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hubs = [HubThread() for _ in range(3)]
    for hub in hubs:
        hub.bind()
    gevent.spawn(block, 1).join()
    assert len(watched(caplog)) == 1
    assert all(hub.lag > 0.5 for hub in hubs)
    for hub in hubs:
        hub.unwatch()


def is_running(found: HubWatch) -> bool:
    # Garbage that is collected inside may wait for the lock that it holds (Python 3.11).
    gc.disable()
    try:
        frames = sys._current_frames()
    finally:
        gc.enable()
    return any(frame.f_locals.get("self") is found for frame in frames.values())


def test_the_thread_ends_after_the_last_user_and_a_new_one_starts() -> None:
    first, second = User(), User()
    found = HubWatch()
    assert found.add(first)
    assert found.add(second)
    wait_until(lambda: is_running(found), "the thread")
    found.remove(first)
    gevent.spawn(block, 0.5).join()
    gevent.sleep(0.2)
    assert found.lag > 0.2
    del second  # forgotten, not removed
    wait_until(lambda: not is_running(found), "the end of the thread")
    assert not found.add(first)
    again = watch(first)
    assert again.add(first)
    again.remove(first)


def test_the_watch_ends_with_its_thread() -> None:
    found: list[HubWatch] = []
    user = User()

    def other_thread() -> None:
        found.append(watch(user))
        gevent.sleep(0.2)

    start_new_thread(other_thread, ())
    wait_until(lambda: found, "the other thread")
    wait_until(lambda: not found[0].add(user), "the end of the watch")


def test_the_watch_ends_with_its_loop() -> None:
    found: list[HubWatch] = []
    user, done = User(), []

    def other_thread() -> None:
        found.append(watch(user))
        get_hub().destroy(destroy_loop=True)
        done.append(True)

    start_new_thread(other_thread, ())
    wait_until(lambda: done and not found[0].add(user), "the end of the watch")


def test_a_forked_process_has_its_own_watch(user: User) -> None:
    found = watch(user)
    assert found.add(user)
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forks beside threads, of which this one has one.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        result: Any = b"?"
        try:
            result = b"1" if not found.add(user) and watch(user) is not found else b"0"
        finally:
            os.write(write, result)
            os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"1"
    os.close(read)
    os.waitpid(pid, 0)
