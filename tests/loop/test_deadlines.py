"""Deadlines without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.loop.deadlines import DelayQueue


@pytest.fixture
def queue() -> DelayQueue[str]:
    return DelayQueue(10)


def test_nothing_is_due_in_an_empty_queue(queue: DelayQueue[str]) -> None:
    assert queue.next_due() is None
    assert queue.pop_due(1e9) == []
    assert len(queue) == 0


def test_a_key_is_due_after_the_delay_and_not_before(queue: DelayQueue[str]) -> None:
    queue.add("a", now=5)
    assert queue.next_due() == 15
    assert queue.pop_due(14.999) == []
    assert "a" in queue
    assert queue.pop_due(15) == ["a"]
    assert "a" not in queue


def test_a_key_is_due_once(queue: DelayQueue[str]) -> None:
    queue.add("a", now=0)
    assert queue.pop_due(20) == ["a"]
    assert queue.pop_due(20) == []


def test_keys_are_due_in_the_order_of_their_addition(queue: DelayQueue[str]) -> None:
    for now, key in enumerate("cab"):
        queue.add(key, now)
    assert queue.pop_due(11) == ["c", "a"]
    assert queue.next_due() == 12
    assert queue.pop_due(12) == ["b"]


def test_adding_again_starts_the_time_anew(queue: DelayQueue[str]) -> None:
    queue.add("a", now=0)
    queue.add("b", now=1)
    queue.add("a", now=2)
    assert len(queue) == 2
    assert queue.pop_due(11) == ["b"]
    assert queue.pop_due(12) == ["a"]


def test_a_discarded_key_is_never_due(queue: DelayQueue[str]) -> None:
    queue.add("a", now=0)
    queue.discard("a")
    queue.discard("never added")
    assert queue.next_due() is None
    assert queue.pop_due(100) == []


def test_postponing_moves_what_is_running_and_not_what_comes_after(
    queue: DelayQueue[str],
) -> None:
    queue.add("before", now=0)
    queue.postpone(5)
    queue.add("after", now=5)
    assert queue.next_due() == 15
    assert queue.pop_due(14.9) == []
    assert queue.pop_due(15) == ["before", "after"]


def test_no_delay_means_due_at_once() -> None:
    queue: DelayQueue[str] = DelayQueue(0)
    queue.add("a", now=3)
    assert queue.pop_due(3) == ["a"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "discard", "postpone", "pop"]),
        st.sampled_from("abcde"),
        st.integers(0, 8),
    ),
    max_size=60,
)


@given(steps)
def test_the_queue_is_a_table_of_deadlines(steps: list[tuple[str, str, int]]) -> None:
    """The same as a dictionary that is searched from end to end."""
    queue: DelayQueue[str] = DelayQueue(10)
    table: dict[str, float] = {}
    now = 0.0
    for step, key, seconds in steps:
        now += seconds
        match step:
            case "add":
                queue.add(key, now)
                table[key] = now + 10
            case "discard":
                queue.discard(key)
                table.pop(key, None)
            case "postpone":
                # The clock of the keys was stopped: it is this much later for each of them.
                queue.postpone(seconds)
                table = {key: due + seconds for key, due in table.items()}
                now += seconds
            case "pop":
                due = {key for key, due in table.items() if due <= now}
                assert set(queue.pop_due(now)) == due
                table = {key: table[key] for key in table.keys() - due}
        assert queue.next_due() == min(table.values(), default=None)
        assert len(queue) == len(table)
        assert all((key in queue) == (key in table) for key in "abcde")


def test_what_is_cleared_never_falls_due(queue: DelayQueue[str]) -> None:
    queue.add("a", now=0)
    queue.clear()
    assert queue.next_due() is None
    assert queue.pop_due(1e9) == []
