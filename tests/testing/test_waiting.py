"""Every wait has a deadline."""

from __future__ import annotations

import gevent
import pytest
from gevent import socket

from flask_realtime.testing import Late, deadline, settle, wait_until


def test_a_block_that_takes_too_long_fails() -> None:
    with (
        pytest.raises(Late, match=r"the step took longer than 0\.01 s"),
        deadline("the step", 0.01),
    ):
        gevent.sleep(1)


def test_a_state_is_waited_for_and_returned() -> None:
    seen: list[int] = []
    gevent.spawn_later(0.01, seen.append, 7)
    assert wait_until(lambda: seen) == [7]


def test_settling_runs_what_is_runnable() -> None:
    seen: list[int] = []

    def chain(number: int) -> None:
        seen.append(number)
        if number < 50:
            gevent.spawn(chain, number + 1)

    gevent.spawn(chain, 1)
    settle()
    assert seen == list(range(1, 51))


def test_a_greenlet_that_never_rests_is_not_waited_for() -> None:
    def spin() -> None:
        while True:
            gevent.sleep(0)

    spinning, (one, two) = gevent.spawn(spin), socket.socketpair()
    seen: list[bytes] = []

    def read() -> None:
        seen.append(two.recv(10))

    gevent.spawn(read)
    one.send(b"hello")
    settle(0.05)
    spinning.kill()
    assert seen == [b"hello"]
    one.close()
    two.close()
