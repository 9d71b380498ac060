"""What reads goes on after every loss, with pauses, until it is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.adapters.redis.backoff import Backoff
from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.read_loop import ReadLoop
from tests.adapters.redis_world import wait_for
from tests.resources import greenlets

pytestmark = pytest.mark.usefixtures("quiet_hub")


class Source:
    """Is read by a loop: each attempt takes the next step, the last one reads for ever.

    Attributes:
        done: What was called, in order.
        over: How often reading was interrupted.
    """

    def __init__(self, *steps: Callable[[], Any]) -> None:
        self.done: list[str] = []
        self.over = 0
        self.on_loss: Callable[[], Any] = lambda: None
        self._steps = iter(steps)
        backoff = Backoff(0.001, 1000, chance=lambda: 1)
        self.link = RedisLink("redis://nowhere")
        self.loop = ReadLoop(self.link, self._read, self._lost, "reading a source", backoff)

    def _read(self) -> None:
        self.done.append("read")
        next(self._steps, self._for_ever)()

    def _lost(self) -> None:
        self.done.append("lost")
        self.on_loss()

    def _for_ever(self) -> None:
        try:
            Event().wait()
        finally:
            self.over += 1


@pytest.fixture
def make_source() -> Iterator[Callable[..., Source]]:
    made: list[Source] = []

    def make(*steps: Callable[[], Any]) -> Source:
        made.append(Source(*steps))
        return made[-1]

    yield make
    for source in made:
        source.loop.close()


MakeSource = Callable[..., Source]


def fail(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def test_a_loop_that_is_started_twice_reads_once(make_source: MakeSource) -> None:
    source = make_source()
    source.loop.start()
    source.loop.start()
    wait_for(lambda: source.done)
    gevent.sleep(0.01)
    assert source.done == ["read"]


def test_a_loss_is_told_before_the_next_attempt(make_source: MakeSource) -> None:
    source = make_source(fail(OSError("gone")), fail(OSError("still gone")))
    source.loop.start()
    wait_for(lambda: len(source.done) == 5)
    assert source.done == ["read", "lost", "read", "lost", "read"]


def test_the_first_of_many_failures_is_logged(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_source(fail(OSError("gone")), fail(OSError("still gone")))
    source.loop.start()
    wait_for(lambda: len(source.done) == 5)
    assert [item.getMessage() for item in caplog.records] == ["! Redis is out of reach: gone"]


def test_a_mistake_of_ours_is_logged_with_its_place_and_no_end(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_source(fail(KeyError("a mistake")))
    source.loop.start()
    wait_for(lambda: source.done == ["read", "lost", "read"])
    (record,) = caplog.records
    assert record.getMessage() == "! reading a source failed"
    assert record.exc_text is not None


@pytest.mark.parametrize("error", [OSError("no answer"), KeyError("a mistake")])
def test_who_cannot_be_told_of_a_loss_is_told_again(
    make_source: MakeSource, error: Exception
) -> None:
    source = make_source(fail(OSError("gone")))
    failures = iter([fail(error), fail(error)])
    source.on_loss = lambda: next(failures, lambda: None)()
    source.loop.start()
    wait_for(lambda: source.done == ["read", "lost", "lost", "lost", "read"])


def test_connections_after_the_first_are_counted(make_source: MakeSource) -> None:
    source = make_source()
    assert source.loop.reconnects == 0
    for expected in (0, 1, 2):
        source.loop.connected()
        assert source.loop.reconnects == expected


def test_the_pauses_grow_unless_it_has_worked_meanwhile(make_source: MakeSource) -> None:
    """14 pauses of a thousandth of a second; growing, they would be 16 seconds in all."""

    def work_and_fail() -> None:
        source.loop.works()
        raise OSError

    source = make_source(*[work_and_fail] * 14)
    source.loop.start()
    wait_for(lambda: source.done.count("read") == 15)


def test_closing_interrupts_whatever_it_does(make_source: MakeSource) -> None:
    before = greenlets()
    reading, waiting, new = make_source(), make_source(*[fail(OSError("gone"))] * 30), make_source()
    reading.loop.start()
    waiting.loop.start()
    wait_for(lambda: reading.done and len(waiting.done) > 14)
    for source in (reading, waiting, new):
        source.loop.close()
        source.loop.close()
    assert greenlets() <= before
    assert reading.over == 1
    assert new.done == []
