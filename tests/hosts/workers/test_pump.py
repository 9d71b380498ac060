"""Bytes of a connection that cannot move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime.hosts.workers.pump import Pump
from tests.fakes import deadline


@pytest.fixture
def line() -> Iterator[tuple[Any, Any, Pump, Any]]:
    """The client, the sibling's end, the pump and its greenlet."""
    client, ours = socket.socketpair()
    pump = Pump(ours)
    sibling = pump.outer.dup()
    running = gevent.spawn(pump.run)
    yield client, sibling, pump, running
    with deadline():
        client.close()
        sibling.close()
        running.join()
    ours.close()


def test_bytes_go_both_ways(line: Any) -> None:
    client, sibling, _, _ = line
    client.sendall(b"question")
    assert sibling.recv(100) == b"question"
    sibling.sendall(b"answer" * 50_000)
    received = b""
    while len(received) < 300_000:
        received += client.recv(65_536)
    assert received == b"answer" * 50_000


def test_the_answer_to_a_client_that_has_ended_its_side_still_arrives(line: Any) -> None:
    client, sibling, _, _ = line
    client.shutdown(socket.SHUT_WR)
    assert sibling.recv(100) == b""
    sibling.sendall(b"answer")
    assert client.recv(100) == b"answer"


def test_a_connection_that_is_drained_ends_when_the_sibling_is_done(line: Any) -> None:
    client, sibling, pump, running = line
    pump.drain()
    pump.drain()
    assert sibling.recv(100) == b""
    sibling.sendall(b"last")
    sibling.close()
    with deadline():
        running.join()
    assert client.recv(100) == b"last"


def test_a_pump_that_is_not_needed_leaves_the_client_alone() -> None:
    client, ours = socket.socketpair()
    Pump(ours).abandon()
    ours.sendall(b"here")
    assert client.recv(100) == b"here"
    client.close()
    ours.close()
