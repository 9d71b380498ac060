"""Tasks that run beside each other are bounded with the weight of their greenlets."""

from __future__ import annotations

from collections import deque

import pytest
from gevent.event import Event

from flask_realtime.loop.concurrent import GREENLET, Waiting, without
from tests.fakes import settle, wait_until

from .inboxes import World


def test_concurrent_tasks_count_until_they_are_done() -> None:
    world = World(limit=3 * GREENLET)
    releases = [Event() for _ in range(2)]
    for release in releases:
        world.inbox.spawn(release.wait, (), 6_200)
    settle()
    assert world.asked == ["pause"]
    for release in releases:
        release.set()
    wait_until(lambda: world.asked == ["pause", "resume"])


def test_a_concurrent_task_weighs_what_its_greenlet_does() -> None:
    world, release = World(limit=10 * GREENLET), Event()
    for _ in range(9):
        world.inbox.spawn(release.wait, ())
    assert world.asked == []
    for _ in range(2):
        world.inbox.spawn(release.wait, ())
    assert world.asked == ["pause"]
    release.set()
    wait_until(lambda: world.asked == ["pause", "resume"])


def test_concurrent_tasks_beyond_the_limit_wait_for_those_before_them() -> None:
    world, release, running = World(limit=10 * GREENLET), Event(), []

    def task(number: int) -> None:
        running.append(number)
        release.wait()
        world.note(number)

    for number in range(100):
        world.inbox.spawn(task, (number,), 100)
    settle()
    assert running == list(range(9))
    assert world.asked == ["pause"]
    release.set()
    wait_until(lambda: len(world.ran) == 100, "every task")
    assert sorted(running) == list(range(100))
    settle()
    assert world.asked == ["pause", "resume"]


def test_a_concurrent_task_larger_than_the_limit_runs() -> None:
    world = World(limit=100)
    for what in "ab":
        world.inbox.spawn(world.note, (what,), 20_000)
    wait_until(lambda: world.ran == ["a", "b"], "both tasks")


def test_concurrent_tasks_that_wait_can_be_dropped() -> None:
    world, release = World(limit=2 * GREENLET), Event()
    for _ in range(2):
        world.inbox.spawn(release.wait, ())
    for _ in range(3):
        world.inbox.spawn(world.note, ("dropped",), 30_000)
    world.inbox.spawn(world.ran.append, ("kept",))
    world.inbox.drop(world.note)
    release.set()
    wait_until(lambda: world.ran, "the task that is kept")
    settle()
    assert world.ran == ["kept"]
    assert world.asked == ["pause", "resume"]


def test_a_concurrent_task_that_fails_frees_its_bytes(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.inbox.spawn(lambda: 1 // 0, (), 20_000)
    settle()
    assert world.asked == ["pause", "resume"]


def test_a_queue_can_be_taken_apart_by_function_or_as_a_whole() -> None:
    waiting: Waiting = deque([((len, ("a",)), 1), ((str, ("b",)), 2), ((len, ("c",)), 3)])
    kept, dropped = without(len, waiting)
    assert (list(kept), dropped) == ([((str, ("b",)), 2)], [1, 3])
    kept, dropped = without(None, waiting)
    assert (list(kept), dropped) == ([], [1, 2, 3])
    assert len(waiting) == 3
