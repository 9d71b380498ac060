"""What carries the messages of adapters; the contract of buses runs on it as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent.event import Event

from flask_realtime.hosts.workers import link
from flask_realtime.hosts.workers.directory import Meeting
from flask_realtime.hosts.workers.network import Network
from tests.fakes import wait_until


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[list[Network]]:
    made = [Network(Meeting(tmp_path, "key"), f"tag{number}") for number in range(3)]
    for network in made:
        network.start()
        network.wait(5.0)
    yield made
    for network in made:
        network.close()


def test_messages_reach_who_listens_to_their_namespace(networks: list[Network]) -> None:
    heard: list[tuple[str, bytes]] = []
    one, two, three = networks
    two.listen("/chat", lambda *message: heard.append(message))
    three.listen("/", lambda *message: heard.append(message))
    wait_until(lambda: one.listeners("/chat") == ["tag1"])
    for number in range(3):
        one.send(one.listeners("/chat"), "/chat", b"%d" % number)
    wait_until(lambda: len(heard) == 3)
    assert heard == [("tag0", b"0"), ("tag0", b"1"), ("tag0", b"2")]


def test_one_that_comes_later_knows_who_listens(networks: list[Network], tmp_path: Path) -> None:
    networks[0].listen("/", lambda *message: None)
    late = Network(Meeting(tmp_path, "key"), "late")
    late.start()
    wait_until(lambda: late.listeners("/") == ["tag0"])
    late.close()


def test_who_listens_no_more_or_is_gone_is_not_sent_to(networks: list[Network]) -> None:
    one, two, three = networks
    for network in (two, three):
        network.listen("/", lambda *message: None)
    wait_until(lambda: len(one.listeners("/")) == 2)
    two.listen_no_more("/")
    two.listen_no_more("/")
    wait_until(lambda: one.listeners("/") == ["tag2"])
    three.close()
    wait_until(lambda: one.listeners("/") == [])


def test_one_that_is_too_far_behind_is_cut_off_and_found_again(
    networks: list[Network], caplog: pytest.LogCaptureFixture
) -> None:
    one, two, three = networks
    gate, heard = Event(), list[bytes]()

    def slow(tag: str, message: bytes) -> None:
        gate.wait()

    two.listen("/", slow)
    three.listen("/", lambda tag, message: heard.append(message))
    wait_until(lambda: len(one.listeners("/")) == 2)
    for number in range(60):
        one.send(one.listeners("/"), "/", b"%d" % number + bytes(500_000))
        wait_until(lambda: len(heard) == number + 1)  # noqa: B023
        if one.dropped:
            break
    assert one.dropped == 1
    assert caplog.text.count("too far behind") == 1
    gate.set()
    wait_until(lambda: "tag1" in one.listeners("/"))
    assert link.MAX_OUTBOX < 60 * 500_000


def test_thirty_two_are_a_complete_mesh_and_hear_what_one_of_them_says(tmp_path: Path) -> None:
    count = 32
    heard: list[int] = []
    networks = [Network(Meeting(tmp_path, "key"), f"tag{number}") for number in range(count)]
    for number, network in enumerate(networks):
        network.listen("/", lambda *message, own=number: heard.append(own))
        network.start()
    wait_until(lambda: all(len(network.listeners("/")) == count - 1 for network in networks))
    networks[7].send(networks[7].listeners("/"), "/", b"one for all")
    wait_until(lambda: len(heard) == count - 1)
    assert sorted(heard) == [number for number in range(count) if number != 7]
    for network in networks:
        network.close()
