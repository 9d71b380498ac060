"""Acknowledgements for another server: passed on, and forgotten with the last or in time."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.adapters.cluster.remote_acks import RemoteAcks
from flask_realtime.adapters.wire.messages import ClientAnswer, ClientCount
from tests.adapters.fakes import FakeBus
from tests.fakes import settle, wait_until


class Asked:
    """So many clients that have been asked."""

    def __init__(self, clients: int, timeout: float = 1) -> None:
        self.bus = FakeBus()
        self.forgotten = 0
        self.acks = RemoteAcks(self.bus, "other", "1")
        self.acks.expect(clients)
        self.acks.on_end(self._forget)
        self.acks.start(timeout)

    def _forget(self) -> None:
        self.forgotten += 1


def test_the_server_that_asks_hears_how_many_then_what_each_says() -> None:
    asked = Asked(2)
    asked.acks.respond("first", "second", 3)
    asked.acks.respond()
    assert asked.bus.responses == [
        ("other", ClientCount("1", 2)),
        ("other", ClientAnswer("1", "first", ("second", 3))),
        ("other", ClientAnswer("1", None)),
    ]


def test_the_last_answer_ends_it() -> None:
    asked = Asked(2)
    asked.acks.respond("first")
    assert asked.forgotten == 0
    asked.acks.respond("second")
    assert asked.forgotten == 1


def test_a_client_that_leaves_has_no_word_and_is_not_waited_for() -> None:
    asked = Asked(2)
    asked.acks.disconnected("transport close")
    asked.acks.respond("second")
    assert asked.forgotten == 1
    assert len(asked.bus.responses) == 2


def test_nobody_asked_is_over_at_once() -> None:
    asked = Asked(0)
    assert asked.forgotten == 1
    assert asked.bus.responses == [("other", ClientCount("1", 0))]


def test_answers_before_the_start_count() -> None:
    bus, forgotten = FakeBus(), list[Any]()
    acks = RemoteAcks(bus, "other", "1")
    acks.expect(1)
    acks.on_end(lambda: forgotten.append(1))
    acks.respond("at once")
    assert forgotten == []
    acks.start(1)
    assert forgotten == [1]


def test_the_deadline_ends_it_once() -> None:
    asked = Asked(2, timeout=0.01)
    wait_until(lambda: asked.forgotten)
    asked.acks.respond("late")
    asked.acks.respond("later")
    settle()
    assert asked.forgotten == 1


@pytest.mark.parametrize("word", ["hold", "release"])
def test_it_is_the_other_server_that_waits(word: str) -> None:
    asked = Asked(1)
    getattr(asked.acks, word)()
    assert asked.forgotten == 0
