"""Whose session is it? Asked of workers in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_realtime.hosts.workers import enquiry
from flask_realtime.hosts.workers.directory import Meeting
from flask_realtime.hosts.workers.enquiry import Enquiry, Unanswered
from flask_realtime.hosts.workers.frames import Kind, split_parts
from flask_realtime.hosts.workers.link import Link
from flask_realtime.hosts.workers.mesh import Mesh
from tests.fakes import wait_until


class Worker:
    def __init__(self, folder: Path, tag: str) -> None:
        self.sessions: set[str] = set()
        self.asked = 0
        self.is_silent = False
        self.mesh = Mesh(Meeting(folder, "key"), tag, self)
        self.enquiry = Enquiry(self.mesh, self.sessions.__contains__)

    def received(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        self.asked += kind is Kind.ASK
        if not self.is_silent:
            self.enquiry.received(link, kind, split_parts(payload)[0])

    def joined(self, *args: Any) -> None: ...
    def broken(self, *args: Any) -> None: ...
    def left(self, *args: Any) -> None: ...


@pytest.fixture
def meet(tmp_path: Path) -> Iterator[Callable[[int], list[Worker]]]:
    made: list[Worker] = []

    def meet(count: int) -> list[Worker]:
        made.extend(Worker(tmp_path, f"tag{number}") for number in range(count))
        for worker in made:
            worker.mesh.start()
        wait_until(lambda: all(len(worker.mesh.links) == count - 1 for worker in made))
        return made

    yield meet
    for worker in made:
        worker.mesh.close()


def test_the_owner_answers_and_is_remembered(meet: Any) -> None:
    one, two, three = meet(3)
    three.sessions.add("mine")
    assert [one.enquiry.owner("mine") for _ in range(3)] == ["tag2"] * 3
    assert (two.asked, three.asked) == (1, 1)


def test_a_session_of_none_is_asked_for_each_time(meet: Any) -> None:
    one, two = meet(2)
    assert one.enquiry.owner("later") is None
    two.sessions.add("later")
    assert one.enquiry.owner("later") == "tag1"


def test_an_owner_that_is_gone_is_forgotten(meet: Any) -> None:
    one, two, three = meet(3)
    two.sessions.add("mine")
    assert one.enquiry.owner("mine") == "tag1"
    two.mesh.close()
    wait_until(lambda: "tag1" not in one.mesh.links)
    assert one.enquiry.owner("mine") is None
    assert three.asked == 2


def test_one_that_hangs_costs_the_deadline(meet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enquiry, "DEADLINE", 0.05)
    one, two = meet(2)
    two.is_silent = True
    with pytest.raises(Unanswered):
        one.enquiry.owner("mine")


def test_a_lone_worker_asks_no_one(meet: Any) -> None:
    (one,) = meet(1)
    assert one.enquiry.owner("mine") is None
