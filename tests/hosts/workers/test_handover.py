"""What a worker does with a request that it hands over; the sibling is played by the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime.hosts.workers import handover
from flask_realtime.hosts.workers.directory import Meeting
from flask_realtime.hosts.workers.frames import Kind, split_numbers, split_parts
from flask_realtime.hosts.workers.handover import Handover, NotTaken, Parcel
from flask_realtime.hosts.workers.link import Link
from flask_realtime.hosts.workers.mesh import Mesh
from flask_realtime.hosts.workers.request import Grip
from tests.fakes import deadline, wait_until


class Held(Grip):
    """A request on a socket pair."""

    def __init__(self) -> None:
        self.client, self.socket = socket.socketpair()
        self.rest = b"rest"
        self.is_gone = False

    def head(self) -> bytes:
        return b"head "

    def take_rest(self) -> bytes:
        rest, self.rest = self.rest, b""
        return rest

    def put_back(self, rest: bytes) -> None:
        self.rest = rest

    def let_go(self) -> list[bytes]:
        self.is_gone = True
        return []

    def close(self) -> None:
        self.client.close()
        self.socket.close()


class Tls(Held):
    is_tls = True


class Side:
    """One worker."""

    def __init__(self, folder: Path, tag: str) -> None:
        self.frames: list[tuple[Link, Kind, bytes, int | None]] = []
        self.returned: list[Parcel] = []
        self.mesh = Mesh(Meeting(folder, "key"), tag, self)
        self.handover = Handover(self.mesh, self.returned.append)
        self.mesh.start()

    def received(self, *frame: Any) -> None:
        self.frames.append(frame)

    def broken(self, link: Link) -> None:
        self.handover.broken(link)

    def joined(self, *args: Any) -> None: ...
    def left(self, *args: Any) -> None: ...

    def arrival(self) -> tuple[int, Parcel]:
        """The oldest connection that has arrived, after its number."""
        wait_until(lambda: self.frames)
        _, kind, payload, descriptor = self.frames.pop(0)
        assert descriptor is not None
        number, hops, parts = split_numbers(payload)
        return number, Parcel(kind, hops, *split_parts(parts), descriptor)

    def close(self) -> None:
        for _, _, _, descriptor in self.frames:
            if descriptor is not None:
                os.close(descriptor)
        for parcel in self.returned:
            os.close(parcel.descriptor)
        self.mesh.close()
        self.handover.close()


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    here, there = Side(tmp_path, "here"), Side(tmp_path, "ther")
    wait_until(lambda: here.mesh.links and there.mesh.links)
    yield here, there
    here.close()
    there.close()


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.close()


def test_a_connection_arrives_with_its_request(sides: tuple[Side, Side], held: Held) -> None:
    here, there = sides
    here.handover.request(held, "ther", 1)
    _, parcel = there.arrival()
    assert (parcel.kind, parcel.hops, parcel.data) == (Kind.CONNECTION, 1, b"head rest")
    assert held.is_gone
    assert held.socket.recv(1) == b""
    with socket.socket(fileno=parcel.descriptor) as moved:
        moved.sendall(b"answer")
    assert held.client.recv(100) == b"answer"


def test_what_was_confirmed_is_kept_no_longer(sides: tuple[Side, Side], held: Held) -> None:
    here, there = sides
    here.handover.request(held, "ther", 1)
    number, parcel = there.arrival()
    here.handover.confirmed("ther", number)
    here.handover.confirmed("ther", number)
    os.close(parcel.descriptor)
    assert held.client.recv(1) == b""
    there.mesh.close()
    wait_until(lambda: not here.mesh.links)
    assert here.returned == []


def test_what_was_not_confirmed_comes_back_when_the_sibling_dies(
    sides: tuple[Side, Side], held: Held
) -> None:
    here, there = sides
    here.handover.request(held, "ther", 1)
    there.mesh.close()
    wait_until(lambda: here.returned)
    (parcel,) = here.returned
    assert (parcel.kind, parcel.data, parcel.hops) == (Kind.CONNECTION, b"head rest", 1)
    os.write(parcel.descriptor, b"from here")
    assert held.client.recv(100) == b"from here"


def test_an_upgrade_takes_the_text_of_its_environ_along(
    sides: tuple[Side, Side], held: Held
) -> None:
    here, there = sides
    here.handover.upgrade(held, "ther", {"PATH_INFO": "/é", "wsgi.input": object()})
    _, parcel = there.arrival()
    os.close(parcel.descriptor)
    assert (parcel.kind, parcel.hops, parcel.data) == (Kind.UPGRADE, 1, b"rest")
    assert parcel.about == {"environ": {"PATH_INFO": "/é"}, "upgraded": False}


def test_without_the_sibling_the_request_stays_whole(sides: tuple[Side, Side], held: Held) -> None:
    here, _ = sides
    with pytest.raises(NotTaken):
        here.handover.request(held, "gone", 1)
    assert (held.rest, held.is_gone, here.handover.refused) == (b"rest", False, 1)
    held.socket.sendall(b"503")
    assert held.client.recv(100) == b"503"


def test_one_that_hangs_gets_a_bounded_number_and_is_told_of_once(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handover, "MAX_UNCONFIRMED", 3)
    here, _ = sides
    requests = [Held() for _ in range(6)]
    for number, held in enumerate(requests):
        if number < 3:
            here.handover.request(held, "ther", 1)
        else:
            with pytest.raises(NotTaken):
                here.handover.request(held, "ther", 1)
    assert (here.handover.handed_over, here.handover.refused) == (3, 3)
    assert caplog.text.count("does not take connections") == 1
    for held in requests:
        held.close()


def test_without_a_free_descriptor_the_request_stays(
    sides: tuple[Side, Side], held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", full)
        with pytest.raises(NotTaken):
            sides[0].handover.request(held, "ther", 1)
    assert held.rest == b"rest"


def test_tls_goes_through_this_worker_until_it_ends(sides: tuple[Side, Side]) -> None:
    here, there = sides
    held = Tls()
    running = gevent.spawn(here.handover.request, held, "ther", 1)
    number, parcel = there.arrival()
    assert set(parcel.about) == {"peer", "local"}
    here.handover.confirmed("ther", number)
    with socket.socket(fileno=parcel.descriptor) as moved:
        held.client.sendall(b"more")
        assert moved.recv(100) == b"more"
        moved.sendall(b"answer")
        assert held.client.recv(100) == b"answer"
        here.handover.drain()
        assert moved.recv(100) == b""
    with deadline():
        running.join()
    assert held.is_gone
    held.close()
