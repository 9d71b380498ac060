"""A parent and its workers; with servers in them in workers/test_embedded_worker.py."""

from __future__ import annotations

import threading

import gevent
import pytest
from gevent import socket

from flask_realtime.hosts.fleet import MOST_QUICK, YOUNG, Fleet, Lifeline, next_try
from tests.fakes import deadline
from tests.processes import Process, python


def test_a_worker_that_has_lived_is_replaced_at_once() -> None:
    assert next_try(0, YOUNG) == (0, 0.0)
    assert next_try(MOST_QUICK - 1, 3600.0) == (0, 0.0)


def test_workers_that_end_when_they_have_begun_are_replaced_ever_later_and_then_not_at_all() -> (
    None
):
    quick, pauses = 0, []
    while True:
        quick, pause = next_try(quick, YOUNG / 2)
        if pause is None:
            break
        pauses.append(pause)
    assert quick == MOST_QUICK
    assert pauses == [0.25, 0.5, 1.0, 2.0]


def test_a_worker_hears_of_the_end_of_its_parent() -> None:
    ours, theirs = socket.socketpair()
    lifeline = Lifeline(theirs)
    stopped = gevent.event.Event()
    lifeline.watch(stopped.set)
    gevent.sleep(0)
    assert not lifeline.is_cut
    ours.close()
    with deadline():
        stopped.wait()
    assert lifeline.is_cut
    theirs.close()


def test_only_the_main_thread_may_fork() -> None:
    raised: list[BaseException] = []

    def run() -> None:
        with socket.socket() as listener, pytest.raises(RuntimeError, match="main thread") as info:
            Fleet(2, listener)
        raised.append(info.value)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert raised


PROGRAM = """
import signal, socket, sys, time
from flask_realtime.hosts.fleet import Fleet

def work(lifeline):
    {work}

listener = socket.create_server(("127.0.0.1", 0))
fleet = Fleet({count}, listener, patience=0.5)
fleet.run(work)
print("the parent goes on")
"""


def program(work: str, count: int = 1) -> Process:
    return Process(python("-c", PROGRAM.format(work=work, count=count)))


def test_workers_that_do_not_end_in_time_are_killed() -> None:
    work = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    with program(work) as parent:
        parent.wait_for("^deaf$")
        assert parent.terminate() == 0
        assert "workers did not end in time and are killed" in parent.stderr
        assert parent.stdout.splitlines() == ["deaf", "the parent goes on"]


def test_an_error_in_a_worker_is_its_own() -> None:
    with program("raise RuntimeError('boom')") as parent:
        assert parent.wait() == 1
        assert parent.stderr.count("RuntimeError: boom") == MOST_QUICK
        assert "the last by exit status 1: giving up" in parent.stderr
        assert parent.stdout == ""


def test_what_a_worker_asks_for_ends_all() -> None:
    with program("fleet.stop(); time.sleep(600)", count=3) as parent:
        assert parent.wait() == 0
        assert parent.stdout.splitlines() == ["the parent goes on"]


NO_ROOM = """
import os
fork, errors = os.fork, [OSError(11, "no room for a process")]
def once():
    if errors:
        raise errors.pop()
    return fork()
os.fork = once
"""


def test_a_system_without_room_for_a_process_is_asked_again() -> None:
    source = NO_ROOM + PROGRAM.format(work="fleet.stop(); time.sleep(600)", count=1)
    with Process(python("-c", source)) as parent:
        assert parent.wait() == 0
        assert parent.stderr.count("cannot be forked: [Errno 11] no room for a process") == 1
