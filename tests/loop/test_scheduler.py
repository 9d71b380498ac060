"""One timer for all deadlines: what is due runs, in order, and a late hub gives more time."""

from __future__ import annotations

import threading
import time

import gevent
import pytest
from gevent.event import Event

from flask_realtime.loop.deadlines import DelayQueue
from flask_realtime.loop.scheduler import STALL, Scheduler
from flask_realtime.testing import ManualTime, deadline


def test_what_is_due_runs_and_the_rest_waits() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[str] = []
    short, long = scheduler.queue(1, due.append), scheduler.queue(2, due.append)
    scheduler.start(long, "late")
    scheduler.start(short, "soon")
    now.advance(0.9)
    assert due == []
    now.advance(0.2)
    assert due == ["soon"]
    now.advance(0.9)
    assert due == ["soon", "late"]


def test_a_nearer_deadline_is_not_missed_behind_a_farther_one() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[str] = []
    scheduler.start(scheduler.queue(10, due.append), "far")
    scheduler.start(scheduler.queue(1, due.append), "near")
    now.advance(1)
    assert due == ["near"]
    now.advance(9)
    assert due == ["near", "far"]


def test_a_discarded_key_never_falls_due() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[str] = []
    queue = scheduler.queue(1, due.append)
    scheduler.start(queue, "a")
    scheduler.start(queue, "b")
    queue.discard("a")
    now.advance(5)
    assert due == ["b"]


def test_a_key_that_is_started_again_falls_due_once_and_later() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[float] = []
    queue: DelayQueue[str] = scheduler.queue(1, lambda key: due.append(now()))
    start = now()
    scheduler.start(queue, "a")
    now.advance(0.6)
    scheduler.start(queue, "a")
    now.advance(5)
    assert due == [pytest.approx(start + 1.6)]


def test_what_is_due_may_start_again_at_once() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[str] = []

    def again(key: str) -> None:
        due.append(key)
        scheduler.start(queue, key)

    queue = scheduler.queue(1, again)
    scheduler.start(queue, "a")
    now.advance(3.5)
    assert due == ["a"] * 3


def test_one_deadline_that_fails_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[int] = []
    queue: DelayQueue[int] = scheduler.queue(1, lambda key: due.append(1 // key))
    for key in (0, 1):
        scheduler.start(queue, key)
    now.advance(1)
    assert due == [1]
    assert "ZeroDivisionError" in caplog.text


def test_the_timer_may_be_a_little_late() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, ManualTime())
    due: list[str] = []
    scheduler.start(scheduler.queue(1, due.append), "a")
    now.now += 1 + STALL
    scheduler.tick()
    assert due == ["a"]
    assert scheduler.lag == pytest.approx(STALL)


def test_a_hub_that_stood_still_postpones_every_deadline() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, ManualTime())
    due: list[str] = []
    first, second = scheduler.queue(1, due.append), scheduler.queue(2, due.append)
    scheduler.start(first, "a")
    scheduler.start(second, "b")
    now.now += 60
    scheduler.tick()
    # What was sent to the process during the stall has not been read yet.
    assert due == []
    assert scheduler.lag == 59


def test_a_postponed_deadline_still_comes() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[str] = []
    scheduler.start(scheduler.queue(1, due.append), "a")
    now.stall(61)
    now.advance(61)
    assert due == ["a"]


def test_the_timer_of_the_hub_wakes_the_scheduler() -> None:
    scheduler = Scheduler()
    rung = Event()
    scheduler.start(scheduler.queue(0.01, lambda key: rung.set()), "a")
    with deadline():
        assert rung.wait()


def test_a_pending_deadline_does_not_keep_the_hub_alive() -> None:
    ended: list[bool] = []

    def run_a_hub() -> None:
        scheduler = Scheduler()
        scheduler.start(scheduler.queue(3600, lambda key: None), "a")
        # Without anything to wait for, a hub ends; the timer does not count.
        ended.append(gevent.wait(timeout=5))
        gevent.get_hub().destroy()

    # A thread has its own hub, without leftovers of other tests in the main one.
    thread = threading.Thread(target=run_a_hub)
    started = time.monotonic()
    thread.start()
    thread.join()
    assert ended == [True]
    assert time.monotonic() - started < 4


def test_on_a_new_hub_what_waits_is_armed_again() -> None:
    now = ManualTime()
    scheduler = Scheduler(now, now)
    due: list[str] = []
    queue = scheduler.queue(5, due.append)
    scheduler.start(queue, "before")
    now.forget()  # the hub has ended, and its timer never fires
    scheduler.begin_anew()
    scheduler.start(queue, "after")
    now.advance(5)
    assert due == ["before", "after"]
