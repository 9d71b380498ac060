"""What a forked child leaves to its parent; real servers are in test_serving and tests/hosts."""

from __future__ import annotations

import os
import socket

import gevent
import pytest
from gevent.socket import socketpair

from flask_realtime.hosts.forked import silence


def test_a_silent_socket_disturbs_neither_the_greenlet_nor_the_peer() -> None:
    ours, theirs = socketpair()
    with ours, theirs, socket.socket(fileno=os.dup(ours.fileno())) as the_parents:
        reader = gevent.spawn(ours.recv, 10)
        gevent.sleep(0)
        kept = silence([ours])
        theirs.sendall(b"for the parent")
        gevent.sleep(0.02)
        assert not reader.ready()
        the_parents.settimeout(1)
        assert the_parents.recv(100) == b"for the parent"
        ours.sendall(b"to no one")
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(10)
        reader.kill()
        for end in kept:
            end.close()


def test_a_socket_that_is_closed_is_passed_over() -> None:
    ours, theirs = socketpair()
    ours.close()
    with theirs:
        for end in silence([ours, theirs]):
            end.close()
