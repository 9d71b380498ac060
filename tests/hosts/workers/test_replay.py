"""A socket that begins with what another worker has read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gevent import socket

from flask_realtime.hosts.workers.replay import Address, ReplaySocket

Pair = tuple[ReplaySocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    moved = ReplaySocket(one.detach(), b"GET / HTTP/1.1\r\n", 1)
    yield moved, other
    moved.close()
    other.close()


def test_a_reader_that_takes_anything_gets_all_of_it_at_once(pair: Pair) -> None:
    moved, other = pair
    other.sendall(b"next")
    assert moved.recv(8192) == b"GET / HTTP/1.1\r\n"
    assert moved.recv(8192) == b"next"


def test_a_reader_that_wants_little_gets_no_more(pair: Pair) -> None:
    moved, other = pair
    other.sendall(b"next")
    assert [moved.recv(4), moved.recv(1), moved.recv(100)] == [b"GET ", b"/", b" HTTP/1.1\r\n"]
    assert moved.recv(4) == b"next"


def test_a_file_reads_what_is_replayed_and_what_follows(pair: Pair) -> None:
    moved, other = pair
    other.sendall(b"\r\nbody")
    other.shutdown(socket.SHUT_WR)
    with moved.makefile("rb") as file:
        assert file.read() == b"GET / HTTP/1.1\r\n\r\nbody"


def test_a_look_at_the_socket_is_one_at_the_socket(pair: Pair) -> None:
    moved, other = pair
    other.sendall(b"next")
    assert moved.recv(1, socket.MSG_PEEK) == b"n"
    assert moved.recv(3) == b"GET"


def test_an_address_is_all_that_is_left_of_a_listener() -> None:
    assert Address(("127.0.0.1", 80)).getsockname() == ("127.0.0.1", 80)
