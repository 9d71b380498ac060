"""What an object of a forked child is told of the fork."""

from __future__ import annotations

import os

from flask_realtime.loop import children
from flask_realtime.loop.children import in_children


class Listener:
    """Counts the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def called(self) -> None:
        self.calls += 1


def test_a_child_is_told_once_it_is_there_and_the_parent_is_not() -> None:
    told = Listener()
    gone = Listener()
    in_children(told.called)
    in_children(gone.called)
    del gone  # what is over is not kept
    pid = os.fork()
    if pid == 0:
        os._exit(40 + told.calls)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
    assert told.calls == 0


def test_the_id_of_the_process_is_that_of_the_child_in_a_child() -> None:
    assert children.pid == os.getpid()
    pid = os.fork()
    if pid == 0:
        os._exit(40 + (children.pid == os.getpid()))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
