"""Connections of a worker: which are busy, and how they end."""

from __future__ import annotations

import gevent
from gevent import socket

from flask_realtime.hosts.connections import Connections, read_no_more, set_nodelay
from tests.fakes import tcp_pair


def test_idle_connections_end_at_once_and_busy_ones_after_their_request() -> None:
    connections = Connections()
    pairs = [socket.socketpair() for _ in range(2)]
    (idle, _), (busy, _) = pairs
    connections.enter(idle)
    connections.leave(idle)
    connections.enter(busy)
    connections.close_idle()
    assert idle.recv(1) == b""
    pairs[1][1].sendall(b"the body")
    assert busy.recv(100) == b"the body"
    connections.leave(busy)
    assert busy.recv(1) == b""
    busy.sendall(b"the answer")
    assert pairs[1][1].recv(100) == b"the answer"
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_connection_that_is_closed_already_is_no_error() -> None:
    connections = Connections()
    one, other = socket.socketpair()
    connections.enter(one)
    connections.leave(one)
    one.close()
    other.close()
    connections.close_idle()


def test_a_websocket_in_place_of_a_connection_is_not_busy() -> None:
    connections = Connections()
    one, other = socket.socketpair()
    with one, other:
        connections.enter(one)
        with socket.socket(fileno=one.detach()) as successor:
            connections.leave(one, successor)
            connections.close_idle()
            assert successor.recv(1) == b""


def test_a_connection_that_reads_no_more_keeps_what_has_arrived_and_answers() -> None:
    one, other = socket.socketpair()
    with one, other:
        waiting = gevent.spawn(one.recv, 100)
        gevent.sleep(0)
        read_no_more(one)
        assert waiting.get(timeout=1) == b""
        one.sendall(b"the answer")
        assert other.recv(100) == b"the answer"
    read_no_more(one)


def test_segments_leave_at_once_where_there_is_tcp() -> None:
    for one, other in (tcp_pair(), socket.socketpair()):
        with one, other:
            set_nodelay(one)
            if one.family == socket.AF_INET:
                assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
