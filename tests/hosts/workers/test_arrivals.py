"""Connections that siblings hand over are served as if they had come here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gevent import socket
from gevent.event import Event

from flask_realtime.hosts.finder import HOST_SOCKET_KEY
from flask_realtime.hosts.workers.arrivals import Arrivals
from flask_realtime.hosts.workers.frames import Kind
from flask_realtime.hosts.workers.handover import Parcel
from tests.fakes import deadline, wait_until


class Host:
    """A worker's server that answers each connection by what it was told."""

    folder: str | None = None
    by_address = is_ending = is_last = False
    patience = 1.0
    capacity: int | None = 2

    def __init__(self) -> None:
        self.listeners: list[Any] = []
        self.served: list[tuple[Any, Any, bytes]] = []
        self.gate = Event()
        self.gate.set()

    def serve(self, sock: Any, local: Any, peer: Any) -> None:
        self.served.append((local, peer, sock.recv(8192)))
        self.gate.wait()
        sock.sendall(b"answer")


class World:
    def __init__(self, worker: Host, application: Any) -> None:
        self.worker = worker
        self.arrivals = Arrivals(worker, application)
        self.clients: list[Any] = []
        self.ends: list[Any] = []
        self.reasons: list[str] = []

    def cut(self, reason: str) -> None:
        """A session that is lost has its connection ended."""
        self.reasons.append(reason)
        self.ends.pop()()

    def arrive(self, kind: Kind = Kind.CONNECTION, **about: Any) -> Any:
        """A connection arrives; return the client's end."""
        client, sock = socket.socketpair()
        self.clients.append(client)
        local = ["127.0.0.1", 5000]
        where = {"peer": ["1.2.3.4", 5], "local": local, **about}
        self.arrivals.take(Parcel(kind, 1, where, b"GET", sock.detach()))
        return client


@pytest.fixture
def world() -> Iterator[World]:
    environs: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environs.append(environ)
        if environ["PATH_INFO"] == "/refused":
            start_response("400 Bad Request", [("Content-Length", "2")])
            return [b"no"]
        moved = environ[HOST_SOCKET_KEY](start_response)
        assert moved.switch_protocols([("Upgrade", "websocket")], b"first") == b"GET"
        if environ["PATH_INFO"] == "/lasting":
            made.ends.append(moved.detach(made.cut))
        moved.give_back()
        return []

    made = World(Host(), application)
    yield made
    made.worker.gate.set()
    made.arrivals.stop()
    for client in made.clients:
        client.close()


def receive_all(client: Any) -> bytes:
    data = b""
    with deadline():
        while piece := client.recv(8192):
            data += piece
    return data


def test_the_host_serves_it_with_its_addresses(world: World) -> None:
    assert receive_all(world.arrive()) == b"answer"
    assert world.worker.served == [(("127.0.0.1", 5000), ("1.2.3.4", 5), b"GET")]


def test_the_addresses_are_those_of_the_connection_unless_it_says_others(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        sock, peer = listener.accept()
        local = listener.getsockname()
    world.clients.append(client)
    world.arrivals.take(Parcel(Kind.CONNECTION, 1, {}, b"GET", sock.detach()))
    assert receive_all(client) == b"answer"
    assert world.worker.served == [(local, peer, b"GET")]


def test_a_connection_whose_client_has_gone_is_not_served(world: World) -> None:
    sock = socket.socket()
    world.arrivals.take(Parcel(Kind.CONNECTION, 1, {}, b"GET", sock.detach()))
    with deadline():
        wait_until(lambda: world.arrivals.count == 0)
    assert (world.worker.served, world.arrivals.taken) == ([], 1)


def test_connections_of_a_unix_socket_have_no_address(world: World) -> None:
    assert receive_all(world.arrive(peer="", local="/run/app.sock")) == b"answer"
    assert world.worker.served == [("/run/app.sock", "", b"GET")]


def test_more_than_the_worker_takes_are_told_to_come_again(world: World) -> None:
    world.worker.gate.clear()
    served = [world.arrive() for _ in range(2)]
    wait_until(lambda: len(world.worker.served) == 2)
    answer = receive_all(world.arrive())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in answer
    world.worker.gate.set()
    assert [receive_all(client) for client in served] == [b"answer"] * 2


def test_the_end_cuts_what_is_not_over(world: World) -> None:
    world.worker.gate.clear()
    client = world.arrive()
    wait_until(lambda: world.worker.served)
    assert world.arrivals.count == 1
    with deadline():
        world.arrivals.stop()
    assert world.arrivals.count == 0
    assert client.recv(100) == b""


@pytest.mark.parametrize("is_upgraded", [False, True])
def test_an_upgrade_is_answered_without_the_host(world: World, is_upgraded: bool) -> None:
    client = world.arrive(Kind.UPGRADE, environ={"PATH_INFO": "/"}, upgraded=is_upgraded)
    answer = receive_all(client)
    head = b"" if is_upgraded else b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    assert answer == head + b"first"


def test_an_upgrade_that_is_refused_gets_its_answer_and_the_end(world: World) -> None:
    client = world.arrive(Kind.UPGRADE, environ={"PATH_INFO": "/refused"}, upgraded=False)
    expected = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    assert receive_all(client) == expected


def test_an_upgrade_may_return_before_its_websocket_is_over(world: World) -> None:
    client = world.arrive(Kind.UPGRADE, environ={"PATH_INFO": "/lasting"}, upgraded=True)
    assert client.recv(100) == b"first"
    wait_until(lambda: world.arrivals.websockets)
    members: list[Any] = list(world.arrivals.pool)
    assert members == list(world.arrivals.websockets)
    world.ends.pop()()
    assert receive_all(client) == b""
    wait_until(lambda: not world.arrivals.pool)


def test_the_end_cuts_websockets_whose_requests_have_returned(world: World) -> None:
    client = world.arrive(Kind.UPGRADE, environ={"PATH_INFO": "/lasting"}, upgraded=True)
    assert client.recv(100) == b"first"
    with deadline():
        world.arrivals.stop()
    assert receive_all(client) == b""
    assert world.reasons == ["transport close"]
    assert not world.arrivals.websockets
