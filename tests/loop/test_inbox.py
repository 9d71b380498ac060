"""Handlers run in order on one greenlet, and what waits behind them is bounded."""

from __future__ import annotations

import io
import logging
import weakref
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import getcurrent
from gevent.event import Event

from flask_realtime.loop.inbox import INBOX_MOVES, Inbox, InboxState
from tests.fakes import deadline, settle, wait_until

from .inboxes import World

IDLE, PARKED, WAKING, *_ = InboxState


@pytest.fixture(params=["polling", "websocket"])
def world(request: pytest.FixtureRequest, quiet_hub: io.StringIO) -> Iterator[World]:
    world = World()
    if request.param == "websocket":
        world.lend_greenlet()
    yield world
    world.inbox.close()
    if world.host is not None:
        with deadline("the end of the host"):
            world.host.get()


@pytest.fixture
def hosted(quiet_hub: io.StringIO) -> Iterator[World]:
    world = World()
    world.lend_greenlet()
    yield world
    world.inbox.close()
    with deadline("the end of the host"):
        world.host.get()


def test_tasks_run_in_order_on_one_greenlet(world: World) -> None:
    for number in range(50):
        world.put(number)
    settle()
    assert world.ran == list(range(50))
    assert len(set(world.greenlets)) == 1


def test_a_put_never_blocks_and_never_runs_on_the_stack_of_its_caller(world: World) -> None:
    world.put("a")
    assert world.ran == []
    settle()
    assert getcurrent() not in world.greenlets


def test_from_the_hub_an_idle_greenlet_is_switched_to_at_once(hosted: World) -> None:
    seen: list[list[Any]] = []

    def in_hub() -> None:
        hosted.inbox.put(hosted.note, ("a",))
        seen.append(list(hosted.ran))

    gevent.get_hub().loop.run_callback(in_hub)
    settle()
    assert seen == [["a"]]
    assert hosted.greenlets == [hosted.host]


class Payload:
    """Something that an event has brought."""


def test_a_greenlet_that_waits_keeps_nothing_of_its_last_task(hosted: World) -> None:
    payload = Payload()
    reference = weakref.ref(payload)
    gevent.get_hub().loop.run_callback(hosted.inbox.put, hosted.note, (payload,))
    settle()
    assert hosted.ran == [payload]
    hosted.ran.clear()
    del payload
    assert reference() is None


def test_tasks_wait_while_a_handler_blocks(world: World) -> None:
    release = world.block()
    for number in range(3):
        world.put(number)
        world.put_in_hub(world.note, number + 10)
    assert world.ran == []
    assert not world.inbox.is_idle
    release.set()
    settle()
    assert world.ran == ["released", 0, 10, 1, 11, 2, 12]
    assert world.inbox.is_idle


def test_order_is_kept_between_tasks_of_the_hub_and_of_requests(world: World) -> None:
    world.put("first")
    gevent.get_hub().loop.run_callback(world.inbox.put, world.note, ("second",), 0)
    settle()
    assert world.ran == ["first", "second"]


def test_a_greenlet_that_is_lent_takes_the_place_of_those_of_the_pool(
    quiet_hub: io.StringIO,
) -> None:
    world = World()
    world.put("a")
    settle()
    world.lend_greenlet()
    world.put("b")
    settle()
    assert world.greenlets[0] is not world.host
    assert world.greenlets[1] is world.host
    world.inbox.close()
    with deadline():
        world.host.get()


def test_a_host_that_is_killed_before_its_turn_leaves_the_inbox_working(
    quiet_hub: io.StringIO,
) -> None:
    world = World()
    release = world.block()
    world.lend_greenlet()
    world.inbox.put(lambda: world.host.kill(block=False), ())
    release.set()
    settle()
    assert world.host.ready()
    world.put("a")
    settle()
    assert world.ran == ["released", "a"]


def test_a_greenlet_that_is_lent_later_waits_for_the_task_that_runs(
    quiet_hub: io.StringIO,
) -> None:
    world = World()
    release = world.block()
    world.put("a")
    world.lend_greenlet()
    world.put("b")
    settle()
    assert world.ran == []
    release.set()
    settle()
    assert world.ran == ["released", "a", "b"]
    world.put_in_hub(world.note, "c")
    assert world.greenlets[-1] is world.host
    world.inbox.close()
    with deadline():
        world.host.get()


def test_an_exception_is_logged_and_the_next_task_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for lend in (False, True):
        world = World()
        if lend:
            world.lend_greenlet()
        with caplog.at_level(logging.ERROR):
            world.put_in_hub(lambda: 1 // 0)
            world.put("next")
            settle()
        assert world.ran == ["next"]
        assert caplog.text.count("ZeroDivisionError: ") == 1 + lend
        world.inbox.close()


def test_an_owner_that_asks_for_them_gets_the_exceptions(quiet_hub: io.StringIO) -> None:
    errors: list[BaseException] = []
    inbox = Inbox(10_000, lambda: None, lambda: None, on_error=errors.append)

    def fail(what: BaseException) -> None:
        raise what

    raised = [ValueError("queued"), gevent.Timeout(1), KeyError("beside"), OSError("handed over")]
    inbox.put(fail, (raised[0],))
    inbox.put(fail, (raised[1],))
    settle()
    inbox.spawn(fail, (raised[2],))
    settle()
    host = gevent.spawn(inbox.host)
    settle()
    gevent.get_hub().loop.run_callback(inbox.put, fail, (raised[3],))
    settle()
    assert errors == raised
    inbox.close()
    with deadline():
        host.get()


def test_the_bound_counts_bytes_and_asks_for_a_pause_once(world: World) -> None:
    release = world.block()
    for _ in range(4):
        world.put("x", 4_000)
    assert world.asked == ["pause"]
    release.set()
    settle()
    assert world.asked == ["pause", "resume"]
    assert world.ran == ["released"] + ["x"] * 4


def test_events_without_data_are_bounded_as_well(world: World) -> None:
    release = world.block()
    for _ in range(100):
        world.put("x")
    assert world.asked == ["pause"]
    release.set()
    settle()
    assert world.asked == ["pause", "resume"]


def test_reading_goes_on_when_half_is_free_and_not_before(world: World) -> None:
    releases = [Event() for _ in range(4)]
    first = world.block()
    for release in releases:
        world.inbox.put(release.wait, (), 3_000)
    first.set()
    settle()
    assert world.asked == ["pause"]
    for release, asked in zip(
        releases, (["pause"], ["pause", "resume"], ["pause", "resume"]), strict=False
    ):
        release.set()
        settle()
        assert world.asked == asked
    releases[-1].set()
    settle()


def test_a_post_waits_for_room(world: World) -> None:
    release = world.block()
    world.put("x", 20_000)
    waiter = gevent.spawn(world.inbox.wait_for_room, 5)
    settle()
    assert not waiter.ready()
    release.set()
    with deadline():
        waiter.get()


def test_a_post_does_not_wait_longer_than_it_may(world: World) -> None:
    release = world.block()
    world.put("x", 20_000)
    with deadline():
        world.inbox.wait_for_room(0.01)
    assert world.ran == []
    release.set()
    settle()


def test_concurrent_tasks_run_beside_a_handler_that_blocks(world: World) -> None:
    release = world.block()
    world.inbox.spawn(world.note, ("beside",), 5)
    settle()
    assert world.ran == ["beside"]
    release.set()
    settle()


def test_an_urgent_task_runs_beside_a_handler_that_blocks(world: World) -> None:
    release = world.block()
    world.put("later")
    world.inbox.put_urgent(world.note, ("now",))
    settle()
    assert world.ran == ["now"]
    release.set()
    settle()
    assert world.ran == ["now", "released", "later"]


def test_an_urgent_task_of_an_idle_inbox_runs_on_its_greenlet(hosted: World) -> None:
    hosted.inbox.put_urgent(hosted.note, ("now",))
    settle()
    assert hosted.greenlets == [hosted.host]


def test_dropped_tasks_do_not_run_and_free_their_bytes(world: World) -> None:
    release = world.block()
    for _ in range(3):
        world.put("dropped", 4_000)
    world.inbox.put(world.ran.append, ("kept",))
    world.inbox.drop(world.note)
    assert world.asked == ["pause", "resume"]
    release.set()
    settle()
    assert world.ran == ["released", "kept"]


def test_every_task_that_waits_can_be_dropped(world: World) -> None:
    release = world.block()
    for _ in range(3):
        world.put("forgotten", 4_000)
    for _ in range(3):
        world.inbox.spawn(world.note, ("beside",), 20_000)
    assert world.inbox.is_full
    world.inbox.drop()
    release.set()
    wait_until(lambda: not world.inbox.is_full, "room")
    world.put("after")
    settle()
    assert world.ran == ["beside", "released", "after"]


def test_a_handler_may_drop_what_waits_behind_it(world: World) -> None:
    world.inbox.put(world.inbox.drop, (world.note,))
    world.put("dropped")
    settle()
    assert world.ran == []
    world.put("after")
    settle()
    assert world.ran == ["after"]


def test_the_inbox_knows_the_greenlet_that_runs_its_tasks(world: World) -> None:
    seen: list[bool] = []
    world.inbox.put(lambda: seen.append(world.inbox.is_running_here), ())
    world.inbox.spawn(lambda: seen.append(world.inbox.is_running_here), ())
    settle()
    assert sorted(seen) == [False, True]
    assert not world.inbox.is_running_here


def test_the_host_returns_after_the_tasks_that_wait(hosted: World) -> None:
    release = hosted.block()
    hosted.put("a")
    hosted.inbox.close()
    settle()
    assert not hosted.host.ready()
    release.set()
    with deadline():
        hosted.host.get()
    assert hosted.ran == ["released", "a"]


def test_a_closed_inbox_still_runs_what_is_put(hosted: World) -> None:
    hosted.inbox.close()
    with deadline():
        hosted.host.get()
    hosted.put("late")
    settle()
    assert hosted.ran == ["late"]


def test_a_host_that_is_killed_leaves_the_inbox_working(hosted: World) -> None:
    hosted.host.kill()
    hosted.put("after")
    settle()
    assert hosted.ran == ["after"]


def test_what_waits_for_a_host_that_is_gone_runs_without_it(quiet_hub: io.StringIO) -> None:
    world = World()
    world.lend_greenlet()
    world.put("waiting")
    # Its hub has ended: it is never switched to.
    world.inbox.take_back()
    world.inbox.put_urgent(world.note, ("urgent",))
    settle()
    assert sorted(world.ran) == ["urgent", "waiting"]
    assert world.host not in world.greenlets
    world.host.kill()


def test_what_waits_for_a_host_that_is_killed_runs_without_it(hosted: World) -> None:
    release = hosted.block()
    hosted.put("waiting")
    hosted.host.kill()
    assert not release.is_set()
    hosted.put_in_hub(hosted.note, "next")
    assert hosted.ran == ["waiting", "next"]


def test_a_host_that_is_killed_while_it_is_woken_leaves_the_inbox_working(hosted: World) -> None:
    hosted.host.kill(block=False)
    hosted.put("waiting")
    assert hosted.inbox.state is WAKING
    settle()
    assert hosted.host.ready()
    hosted.put("next")
    settle()
    assert hosted.ran == ["waiting", "next"]


def test_a_kill_of_a_greenlet_of_the_inbox_costs_only_the_task_that_it_hits(
    quiet_hub: io.StringIO,
) -> None:
    def killed() -> None:
        raise gevent.GreenletExit

    world = World()
    world.inbox.put(killed, ())
    world.put("next")
    settle()
    assert world.ran == ["next"]
    world.inbox.close()
    settle()


def test_a_former_host_does_not_disturb_the_next_one(quiet_hub: io.StringIO) -> None:
    world = World()
    world.lend_greenlet()
    first = world.host
    world.inbox.take_back()
    world.lend_greenlet()
    first.kill()
    assert world.inbox.state is PARKED
    world.put_in_hub(world.note, "a")
    assert world.greenlets == [world.host]
    world.inbox.close()
    with deadline():
        world.host.get()


def test_a_task_that_is_put_when_there_is_room_comes_after_those_that_are_kept() -> None:
    ran: list[str] = []
    release = Event()
    inbox = Inbox(10_000, lambda: None, lambda: inbox.put(ran.append, ("read",)))
    inbox.put(release.wait, ())
    settle()
    for _ in range(3):
        inbox.put(ran.clear, (), 4_000)
    inbox.put(ran.append, ("kept",))
    inbox.drop(ran.clear)
    release.set()
    settle()
    assert ran == ["kept", "read"]


def test_the_last_task_runs_when_the_inbox_is_closed_and_no_other_waits(
    quiet_hub: io.StringIO,
) -> None:
    world = World()
    world.inbox.at_end(lambda: world.note("last"))
    release = world.block()
    world.put("waiting")
    world.inbox.close()
    world.inbox.close()
    settle()
    assert world.ran == []
    release.set()
    settle()
    assert world.ran == ["released", "waiting", "last"]
    world.inbox.at_end(lambda: world.note("too late"))
    settle()
    assert world.ran[-1] == "too late"


def test_every_move_of_the_table_happens(quiet_hub: io.StringIO) -> None:
    closed, killed, woken, followed, lent, pooled = (World() for _ in range(6))
    for world in (closed, killed, woken):
        world.lend_greenlet()  # IDLE -> RUNNING -> PARKED
    closed.inbox.close()  # PARKED -> WAKING -> RUNNING -> IDLE
    killed.host.kill()  # PARKED -> IDLE
    woken.put_in_hub(woken.note, "a")  # PARKED -> RUNNING -> PARKED
    woken.host.kill(block=False)
    woken.put("b")  # PARKED -> WAKING -> IDLE
    release = followed.block()  # IDLE -> WAKING -> RUNNING
    followed.lend_greenlet()
    release.set()  # RUNNING -> WAKING
    lent.lend_greenlet()
    pooled.put("a")  # IDLE -> WAKING -> RUNNING -> IDLE
    settle()
    pooled.put_in_hub(pooled.note, "b")  # IDLE -> RUNNING
    settle()
    worlds = (closed, killed, woken, followed, lent, pooled)
    seen = {move for world in worlds for move in world.inbox.moves}
    assert seen == {(before, after) for before, nexts in INBOX_MOVES.items() for after in nexts}
    for world in worlds:
        world.inbox.close()
    settle()
