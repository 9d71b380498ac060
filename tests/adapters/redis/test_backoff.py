"""Attempts are ever further apart, within bounds, and not in step."""

from __future__ import annotations

import pytest

from flask_realtime.adapters.redis.backoff import Backoff


def test_the_time_between_attempts_doubles_up_to_its_limit() -> None:
    backoff = Backoff(1, 10, chance=lambda: 1)
    assert [backoff.next_delay() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_what_has_worked_begins_anew() -> None:
    backoff = Backoff(1, 10, chance=lambda: 1)
    backoff.next_delay()
    backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() == 1


@pytest.mark.parametrize(("chance", "expected"), [(0, 0.5), (0.5, 0.75), (1, 1)])
def test_between_half_and_all_of_it_is_waited(chance: float, expected: float) -> None:
    assert Backoff(1, chance=lambda: chance).next_delay() == expected


def test_two_that_fail_together_try_again_apart() -> None:
    delays = {Backoff(1).next_delay() for _ in range(20)}
    assert len(delays) > 1
    assert all(0.5 <= seconds <= 1 for seconds in delays)
