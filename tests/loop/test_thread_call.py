"""A function runs in the owning thread, or its caller gives it up: never both."""

from __future__ import annotations

import gevent
import pytest

from flask_realtime.loop.thread_call import ThreadCall


def never() -> bool:
    return False


def test_the_result_of_a_function_that_has_run_is_returned_at_once() -> None:
    call = ThreadCall(max, (1, 2))
    call.run()
    assert call.wait(5, never) == 2


def test_an_exception_is_raised_where_it_is_waited_for() -> None:
    call = ThreadCall(int, ("x",))
    call.run()
    with pytest.raises(ValueError, match="invalid literal"):
        call.wait(5, never)


def test_a_function_that_was_given_up_does_not_run() -> None:
    ran: list[int] = []
    call = ThreadCall(ran.append, (1,))
    with pytest.raises(RuntimeError, match=r"did not run for 0\.01 s"):
        call.wait(0.01, never)
    call.run()
    assert not ran


def test_the_end_of_the_owner_ends_the_wait() -> None:
    ran: list[int] = []
    call = ThreadCall(ran.append, (1,))
    with pytest.raises(RuntimeError, match="has ended"):
        call.wait(0.01, lambda: True)
    call.run()
    assert not ran


def test_a_result_that_arrives_with_the_end_of_the_owner_is_returned() -> None:
    call = ThreadCall(max, (1, 2))

    def ends() -> bool:
        call.run()
        return True

    assert call.wait(0.01, ends) == 2


def test_a_function_that_is_killed_is_an_error_and_not_a_wait() -> None:
    def killed() -> None:
        raise gevent.GreenletExit

    call = ThreadCall(killed, ())
    with pytest.raises(gevent.GreenletExit):
        call.run()
    with pytest.raises(RuntimeError, match="killed"):
        call.wait(5, never)
