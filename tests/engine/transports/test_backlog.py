"""Who may be behind, by how much and for how long."""

from __future__ import annotations

from flask_realtime.engine.transports.backlog import HARD, STALL, Backlog

BOUND = 1_000_000


def test_a_burst_in_one_turn_may_wait_up_to_the_hard_bound() -> None:
    backlog = Backlog(BOUND, BOUND, 0)
    waiting = BOUND
    while (problem := backlog.problem(waiting, 1000, 0)) is None:
        waiting += 1000
    assert waiting == HARD * BOUND
    assert problem == "4,001,000 bytes wait, over 4 times max_buffered_bytes (1,000,000)"


def test_a_client_that_takes_nothing_is_given_up_after_a_while() -> None:
    backlog = Backlog(BOUND, BOUND, 100)
    assert backlog.problem(BOUND, 1000, 100) is None
    assert backlog.problem(BOUND + 1000, 1000, 100 + STALL) is None
    problem = backlog.problem(BOUND + 2000, 1000, 100.1 + STALL)
    assert problem == (
        "1,003,000 bytes wait, over max_buffered_bytes (1,000,000), and the client has stopped "
        "reading"
    )


def test_a_client_that_reads_slowly_stays() -> None:
    backlog = Backlog(BOUND, BOUND, 0)
    waiting = BOUND
    for second in range(1, 120):
        waiting -= 10_000
        assert backlog.problem(waiting, 12_000, second) is None
        waiting += 12_000


def test_a_client_that_takes_a_byte_now_and_then_is_given_up() -> None:
    backlog = Backlog(BOUND, BOUND, 0)
    waiting, second = BOUND, 0
    while backlog.problem(waiting, 1, second) is None:
        second += 1
    assert second == STALL + 1


def test_what_is_added_does_not_hide_what_is_taken() -> None:
    backlog = Backlog(BOUND, BOUND, 0)
    assert backlog.problem(BOUND, 1_000_000, 0) is None
    assert backlog.problem(1_900_000, 1_000_000, 9) is None
    assert backlog.problem(2_800_000, 1, 18) is None
    assert backlog.problem(2_800_001, 1, 29) is not None


def test_a_small_bound_asks_for_little() -> None:
    backlog = Backlog(1000, 1000, 0)
    assert backlog.problem(1000, 100, 0) is None
    assert backlog.problem(1080, 100, STALL + 1) is None
