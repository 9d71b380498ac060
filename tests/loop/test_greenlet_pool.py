"""Inboxes share greenlets: each has one while it has tasks, and its own context variables."""

from __future__ import annotations

import io
import sys
import weakref
from contextvars import ContextVar
from typing import Any

import gevent
import pytest
from gevent import getcurrent
from gevent.event import Event
from gevent.pool import Group

from flask_realtime.loop import greenlet_pool
from flask_realtime.loop.greenlet_pool import GreenletPool
from flask_realtime.loop.inbox import Inbox
from tests.fakes import settle

variable: ContextVar[str] = ContextVar("variable", default="none")


class House:
    """Inboxes of one pool, and what runs in them."""

    def __init__(self, count: int = 3) -> None:
        self.greenlets = Group()
        self.pool = GreenletPool(self.greenlets.spawn)
        self.inboxes = [Inbox(10_000, lambda: None, lambda: None, self.pool) for _ in range(count)]
        self.ran: list[Any] = []
        self.where: list[Any] = []

    def note(self, what: Any) -> None:
        self.ran.append(what)
        self.where.append(getcurrent())

    def put(self, number: int, what: Any, in_hub: bool = False) -> None:
        put = self.inboxes[number].put
        if in_hub:
            gevent.get_hub().loop.run_callback(put, self.note, (what,))
        else:
            put(self.note, (what,))
        settle()

    def block(self, number: int) -> Event:
        release = Event()
        self.inboxes[number].put(release.wait, ())
        settle()
        return release


@pytest.fixture
def house(quiet_hub: io.StringIO) -> House:
    return House()


def test_one_greenlet_runs_the_tasks_of_all_inboxes_that_do_not_block(house: House) -> None:
    for number in (0, 1, 2, 0):
        house.put(number, number)
        house.put(number, number, in_hub=True)
    assert house.ran == [0, 0, 1, 1, 2, 2, 0, 0]
    assert len(set(house.where)) == 1
    assert list(house.greenlets) == [house.pool.ready]


def test_a_handler_that_blocks_keeps_its_greenlet(house: House) -> None:
    releases = [house.block(0), house.block(1)]
    house.put(0, "behind", in_hub=True)
    house.put(2, "beside", in_hub=True)
    assert house.ran == ["beside"]
    assert len(house.greenlets) == 3
    for release in releases:
        release.set()
    settle()
    assert house.ran == ["beside", "behind"]
    assert len(house.pool) == 3


def test_greenlets_beyond_a_number_end_after_their_task(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greenlet_pool, "KEPT", 1)
    house = House()
    releases = [house.block(number) for number in range(3)]
    for release in releases:
        release.set()
    settle()
    assert len(house.greenlets) == len(house.pool) == 1


def test_context_variables_belong_to_the_inbox(house: House) -> None:
    def see(name: str) -> None:
        house.ran.append((name, variable.get()))

    for number, name in enumerate("ab"):
        house.inboxes[number].put(variable.set, (name,))
        settle()
    for number, name in ((0, "a"), (1, "b"), (2, "c"), (0, "a")):
        house.inboxes[number].put(see, (name,))
        gevent.get_hub().loop.run_callback(house.inboxes[number].put, see, (name,))
        settle()
    assert house.ran == [
        *[("a", "a")] * 2,
        *[("b", "b")] * 2,
        *[("c", "none")] * 2,
        *[("a", "a")] * 2,
    ]


def test_what_waits_behind_a_handler_that_is_killed_runs_on_another_greenlet(house: House) -> None:
    def killed() -> None:
        variable.set("kept")
        raise gevent.GreenletExit

    house.put(0, "first")
    house.inboxes[0].put(killed, ())
    house.inboxes[0].put(lambda: house.note(variable.get()), ())
    settle()
    assert house.ran == ["first", "kept"]
    assert house.where[0].dead
    assert list(house.greenlets) == [house.pool.ready] == [house.where[1]]


def test_a_greenlet_that_waits_may_be_killed(house: House) -> None:
    house.put(0, "a")
    house.where[0].kill()
    assert len(house.pool) == 0
    house.put(0, "b", in_hub=True)
    assert house.ran == ["a", "b"]


def test_two_inboxes_that_are_woken_at_once_get_a_greenlet_each(house: House) -> None:
    house.put(0, "first")
    releases = [Event(), Event()]
    for inbox, release in zip(house.inboxes, releases, strict=False):
        inbox.put(release.wait, ())
    settle()
    assert len(house.greenlets) == 2
    for release in releases:
        release.set()
    settle()


def test_a_host_follows_a_greenlet_that_is_woken_when_it_is_lent(house: House) -> None:
    house.put(0, "first")
    inbox = house.inboxes[1]
    inbox.put(house.note, ("waiting",))
    host = gevent.spawn(inbox.host)
    settle()
    house.put(1, "hosted", in_hub=True)
    assert house.ran == ["first", "waiting", "hosted"]
    assert house.where[-1] is host
    inbox.close()
    host.get(timeout=5)


class Payload:
    """Something that an event has brought."""


def test_a_greenlet_that_waits_keeps_nothing_of_its_last_task(house: House) -> None:
    for in_hub in (False, True):
        payload = Payload()
        reference = weakref.ref(payload)
        house.put(0, payload, in_hub)
        house.ran.clear()
        del payload
        assert reference() is None


def test_a_greenlet_that_waits_keeps_no_inbox_alive(house: House) -> None:
    counts = [sys.getrefcount(inbox) for inbox in house.inboxes]
    for number in range(3):
        house.put(number, number)
        house.put(number, number, in_hub=True)
    assert [sys.getrefcount(inbox) for inbox in house.inboxes] == counts


def test_a_closed_pool_lets_its_greenlets_go_and_still_runs_tasks(house: House) -> None:
    house.put(0, "a")
    release = house.block(1)
    house.pool.close()
    settle()
    assert len(house.greenlets) == 1
    release.set()
    house.put(0, "b", in_hub=True)
    assert house.ran == ["a", "b"]
    assert len(house.greenlets) == 0
