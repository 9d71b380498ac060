"""Workers that find, lose and find each other again; on real sockets in this process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_realtime.hosts.workers.directory import Meeting
from flask_realtime.hosts.workers.frames import Hello, Kind, encode_frame
from flask_realtime.hosts.workers.link import Link, LinkLost
from flask_realtime.hosts.workers.mesh import Mesh
from tests.fakes import settle, wait_until


class Worker:
    """Keeps what its mesh tells."""

    def __init__(self, folder: Path, tag: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.happened: list[str] = []
        self.mesh = Mesh(Meeting(folder, "key"), tag, self)

    def joined(self, tag: str, link: Link) -> None:
        if self.happened[-1:] != [f"+{tag}"]:  # it may be told again
            self.happened.append(f"+{tag}")

    def received(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        self.heard.append((link.tag, payload))

    def broken(self, link: Link) -> None:
        self.happened.append(f"!{link.tag}")

    def left(self, tag: str) -> None:
        self.happened.append(f"-{tag}")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    made = [Worker(tmp_path, f"tag{number}") for number in range(4)]
    yield made
    for worker in made:
        worker.mesh.close()


def complete(workers: list[Worker]) -> bool:
    tags = {worker.mesh.tag for worker in workers}
    return all({*worker.mesh.links} == tags - {worker.mesh.tag} for worker in workers)


def test_all_find_each_other_whenever_they_come(workers: list[Worker]) -> None:
    for worker in workers[:2]:
        worker.mesh.start()
    wait_until(lambda: complete(workers[:2]))
    for worker in workers[2:]:
        worker.mesh.start()
    wait_until(lambda: complete(workers))
    workers[0].mesh.send_to_all(Kind.MESSAGE, b"hello")
    wait_until(lambda: all(worker.heard for worker in workers[1:]))
    assert [worker.heard for worker in workers[1:]] == [[("tag0", b"hello")]] * 3


def test_one_that_leaves_is_missed_and_no_name_of_it_is_left(
    workers: list[Worker], tmp_path: Path
) -> None:
    for worker in workers:
        worker.mesh.start()
    wait_until(lambda: complete(workers))
    workers[3].mesh.close()
    wait_until(lambda: complete(workers[:3]))
    wait_until(lambda: all("-tag3" in worker.happened for worker in workers[:3]))
    assert len(os.listdir(tmp_path)) == 3
    with pytest.raises(LinkLost):
        workers[0].mesh.send("tag3", Kind.STATE, b"")


def test_a_link_that_breaks_is_made_again(workers: list[Worker]) -> None:
    for worker in workers[:2]:
        worker.mesh.start()
    wait_until(lambda: complete(workers[:2]))
    workers[0].mesh.links["tag1"].close()
    wait_until(lambda: complete(workers[:2]))
    assert workers[0].happened == ["+tag1", "!tag1", "+tag1"]
    workers[0].mesh.send("tag1", Kind.STATE, b"again")
    wait_until(lambda: ("tag0", b"again") in workers[1].heard)


def test_one_whose_name_was_cleaned_away_is_found_again(
    workers: list[Worker], tmp_path: Path
) -> None:
    workers[0].mesh.start()
    (tmp_path / "key.tag0").unlink()
    workers[0].mesh.look_after()
    workers[1].mesh.start()
    wait_until(lambda: complete(workers[:2]))


def test_one_that_has_just_begun_is_waited_for_and_one_that_never_was_is_not(
    workers: list[Worker],
) -> None:
    workers[0].mesh.start()
    workers[1].mesh.start()
    assert workers[0].mesh.reach("tag1", 5.0)
    for forged in ("tag9", "", "../x", "\0", "é", "tag0"):
        assert not workers[0].mesh.reach(forged, 5.0)


def test_one_that_hangs_does_not_hold_up_the_others(workers: list[Worker], tmp_path: Path) -> None:
    hanging = Meeting(tmp_path, "key").listen("hung")
    for worker in workers[:2]:
        worker.mesh.start()
    wait_until(lambda: complete(workers[:2]))
    assert not workers[0].mesh.reach("hung", 0.01)
    hanging.close()


@pytest.mark.parametrize(
    "first",
    [
        encode_frame(Kind.STATE, b""),
        encode_frame(Kind.HELLO, b"{}"),
        encode_frame(Kind.HELLO, Hello(99, "tag9", 1).encode()),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_stranger_is_shown_the_door(workers: list[Worker], tmp_path: Path, first: bytes) -> None:
    workers[0].mesh.start()
    stranger = Meeting(tmp_path, "key").connect("tag0")
    stranger.sendall(first)
    wait_until(lambda: _has_ended(stranger))
    settle()
    assert workers[0].happened == []
    stranger.close()


def _has_ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_one_that_was_lost_for_a_while_is_told_everything_again(
    workers: list[Worker], tmp_path: Path
) -> None:
    for worker in workers[:2]:
        worker.mesh.start()
    wait_until(lambda: complete(workers[:2]))
    settle()
    workers[1].happened.clear()
    # Its name is cleaned away, so that it cannot be dialled again when its link breaks.
    (tmp_path / "key.tag1").unlink()
    workers[0].mesh.links["tag1"].close()
    wait_until(lambda: "-tag1" in workers[0].happened)
    workers[1].mesh.look_after()
    workers[0].mesh.look_after()
    wait_until(lambda: complete(workers[:2]))
    # What it says reaches the other once more, though its own link had never been lost.
    wait_until(lambda: "+tag0" in workers[1].happened)


def test_one_that_does_not_answer_may_live(workers: list[Worker], tmp_path: Path) -> None:
    one, two, *_ = workers
    one.mesh.start()
    two.mesh.start()
    wait_until(lambda: complete([one, two]))
    silent = Meeting(tmp_path, "key").listen("mute")
    assert one.mesh.may_live("tag1", 0.1)
    assert one.mesh.may_live("mute", 0.1)
    assert not one.mesh.may_live("gone", 0.1)
    assert not one.mesh.may_live("../x", 0.1)
    # A process that was killed leaves its file: the next attempt removes it.
    silent.close()
    wait_until(lambda: not one.mesh.may_live("mute", 0.1))
    two.mesh.close()
    wait_until(lambda: not one.mesh.may_live("tag1", 0.1))
