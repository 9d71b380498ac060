"""Time that a test moves."""

from __future__ import annotations

from flask_realtime.testing import ManualTime


def test_what_falls_due_is_done_at_its_time() -> None:
    time, done = ManualTime(), list[tuple[str, float]]()
    scheduler = time.scheduler()

    def note(key: str) -> None:
        done.append((key, time.now))

    queue = scheduler.queue(10, note)
    began = time()
    scheduler.start(queue, "a")
    time.advance(4)
    scheduler.start(queue, "b")
    time.advance(5)
    assert done == []
    time.advance(100)
    assert done == [("a", began + 10), ("b", began + 14)]
    assert time() == began + 109


def test_a_stall_is_noticed_once_and_late() -> None:
    time, done = ManualTime(), list[str]()
    scheduler = time.scheduler()
    queue = scheduler.queue(10, done.append)
    scheduler.start(queue, "a")
    time.stall(30)
    assert (done, scheduler.lag) == ([], 20)
    time.advance(30)
    assert done == ["a"]
    time.stall(1)
