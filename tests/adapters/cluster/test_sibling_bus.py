"""The bus between the workers of a host, on real Unix sockets inside this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_realtime.adapters.cluster.sibling_adapter import SiblingAdapter
from flask_realtime.adapters.cluster.sibling_bus import SiblingBus
from flask_realtime.adapters.wire.messages import Broadcast, ServerAnswer
from flask_realtime.hosts.workers.directory import Meeting
from flask_realtime.hosts.workers.network import Network
from flask_realtime.testing.fakes import FakeNamespace
from flask_realtime.testing.pytest.adapter_contract import EVERYONE, event, to
from flask_realtime.testing.pytest.bus_contract import BusContract, MakeCluster
from tests.fakes import wait_until


class FakeNetwork:
    """Keeps what is sent; ``others`` listen."""

    tag = "self"

    def __init__(self, *others: str) -> None:
        self.others = list(others)
        self.sent: list[tuple[list[str], str, bytes]] = []
        self.listener: Callable[[str, bytes], None] | None = None

    def listen(self, namespace: str, listener: Callable[[str, bytes], None]) -> None:
        self.listener = listener

    def listen_no_more(self, namespace: str) -> None:
        self.listener = None

    def listeners(self, namespace: str) -> list[str]:
        return self.others

    def send(self, tags: list[str], namespace: str, message: bytes) -> None:
        self.sent.append((tags, namespace, message))


def bus_on(network: FakeNetwork) -> SiblingBus:
    return SiblingBus(network, "/", SiblingAdapter(FakeNamespace(), network))


class TestSiblingBus(BusContract):
    @pytest.fixture
    def make_cluster(self, tmp_path: Path) -> Iterator[MakeCluster]:
        networks: list[Network] = []
        adapters: list[SiblingAdapter] = []

        def make(count: int, timeout: float = 5) -> list[FakeNamespace]:
            namespaces = []
            for _ in range(count):
                network = Network(Meeting(tmp_path, "key"), f"tag{len(networks)}")
                network.start()
                networks.append(network)
                namespace = FakeNamespace()
                adapter = SiblingAdapter(namespace, network, timeout)
                namespace.adapter = adapter
                adapter.start()
                adapters.append(adapter)
                namespaces.append(namespace)
            wait_until(lambda: all(a.server_count() == count for a in adapters[-count:]))
            return namespaces

        yield make
        for adapter in adapters:
            adapter.close()
        for network in networks:
            network.close()


def test_without_another_worker_nothing_is_encoded() -> None:
    network = FakeNetwork()
    bus = bus_on(network)
    bus.publish(Broadcast(event("hello", object()), EVERYONE))
    assert network.sent == []


def test_a_message_for_one_room_is_decoded_where_there_are_members_only() -> None:
    sender, receiver = FakeNetwork("other"), FakeNetwork()
    namespace = FakeNamespace()
    namespace.adapter = adapter = SiblingAdapter(namespace, receiver)
    adapter.start()
    socket = namespace.connect("a", "red")
    bus_on(sender).publish(Broadcast(event("hello"), to("blue")))
    bus_on(sender).publish(Broadcast(event("hello"), to("red")))
    for _, _, message in sender.sent:
        assert receiver.listener is not None
        # The body of the first one is broken: nothing looks at it.
        receiver.listener("other", message[:-1] if b"blue" in message[:20] else message)
    wait_until(lambda: socket.events == ["hello"])
    assert adapter.stats() == {"malformed": 0}
    adapter.close()


def test_what_cannot_be_read_is_counted() -> None:
    network = FakeNetwork()
    adapter = SiblingAdapter(FakeNamespace(), network)
    adapter.start()
    for message in (b"", b"\x03\x00", bytes(17), b"\x03" + bytes(13) + b"\2\0\0{}"):
        assert network.listener is not None
        network.listener("other", message)
    assert adapter.stats() == {"malformed": 4}
    adapter.close()


def test_an_answer_that_cannot_be_carried_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    network = FakeNetwork("other")
    bus_on(network).respond("other", ServerAnswer("1", object()))
    assert network.sent == []
    assert "cannot be sent" in caplog.text


def test_a_worker_that_does_not_listen_does_not_count_itself() -> None:
    bus = bus_on(FakeNetwork("other"))
    assert bus.server_count() == 1
