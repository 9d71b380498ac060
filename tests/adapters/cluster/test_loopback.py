"""The bus inside one process does what every bus does, and is as strict as one between machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.adapters.cluster.loopback import LoopbackHub
from flask_realtime.adapters.values import Target
from flask_realtime.adapters.wire.messages import (
    Broadcast,
    JoinRooms,
    Request,
    ServerAnswer,
    ServerSideEmit,
)
from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.options import RecoveryOptions
from flask_realtime.testing.fakes import FakeNamespace, FakeReceiver
from flask_realtime.testing.pytest.bus_contract import BusContract, MakeCluster


class Refusing(FakeReceiver):
    """Finds everything malformed."""

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        raise ValueError("malformed")


def packet(*args: Any, namespace: str = "/") -> Packet:
    return Packet(PacketType.EVENT, namespace, list(args))


class TestLoopback(BusContract):
    @pytest.fixture
    def make_cluster(self) -> Iterator[MakeCluster]:
        made: list[FakeNamespace] = []

        def make(count: int, timeout: float = 5) -> list[FakeNamespace]:
            hub = LoopbackHub()
            for _ in range(count):
                namespace = FakeNamespace()
                namespace.adapter = ClusterAdapter(namespace, hub.bus(), timeout)
                namespace.adapter.start()
                made.append(namespace)
            return made[-count:]

        yield make
        for namespace in made:
            namespace.adapter.close()


def test_who_has_not_started_hears_nothing_and_can_send() -> None:
    hub, listener = LoopbackHub(), FakeReceiver()
    quiet, loud = hub.bus(), hub.bus()
    loud.start(listener)
    assert (quiet.server_count(), loud.server_count()) == (1, 1)
    loud.publish(ServerSideEmit(["hello"]))
    quiet.publish(ServerSideEmit(["hello"]))
    assert listener.requests == [(ServerSideEmit(["hello"]), quiet.uid, None)]


def test_a_response_goes_to_the_server_that_has_asked_alone() -> None:
    hub = LoopbackHub()
    buses, listeners = [hub.bus() for _ in range(3)], [FakeReceiver() for _ in range(3)]
    for bus, listener in zip(buses, listeners, strict=True):
        bus.start(listener)
    buses[0].respond(buses[2].uid, ServerAnswer("1", "yes"))
    buses[0].respond("unknown", ServerAnswer("1", "yes"))
    assert [listener.responses for listener in listeners] == [
        [], [], [(ServerAnswer("1", "yes"), buses[0].uid)]
    ]  # fmt: skip


def test_namespaces_are_apart() -> None:
    hub, main, chat = LoopbackHub(), FakeReceiver(), FakeReceiver()
    hub.bus().start(main)
    hub.bus("/chat").start(chat)
    sender = hub.bus("/chat")
    sender.publish(Broadcast(packet("hello", namespace="/chat"), Target()))
    assert main.requests == []
    assert [request for request, _, _ in chat.requests] == [
        Broadcast(packet("hello", namespace="/chat"), Target())
    ]
    assert sender.server_count() == 1


def test_servers_share_no_value() -> None:
    hub, one, two = LoopbackHub(), FakeReceiver(), FakeReceiver()
    hub.bus().start(one)
    hub.bus().start(two)
    value: dict[Any, Any] = {"list": [1], 2: (3,)}
    hub.bus().publish(ServerSideEmit(["hello", value]))
    value["list"].append(2)
    found = [listener.requests[0][0] for listener in (one, two)]
    assert found == [ServerSideEmit(["hello", {"list": [1], "2": [3]}])] * 2
    assert isinstance(found[0], ServerSideEmit)
    found[0].args.append("mine")
    assert found[0] != found[1]


@pytest.mark.parametrize("value", [object(), float("nan"), {b"key": 1}])
def test_what_could_not_be_carried_raises_where_it_is_sent(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        LoopbackHub().bus().publish(ServerSideEmit(["hello", value]))


def test_an_answer_that_cannot_be_carried_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    hub, listener = LoopbackHub(), FakeReceiver()
    bus = hub.bus()
    bus.start(listener)
    hub.bus().respond(bus.uid, ServerAnswer("1", object()))
    assert listener.responses == []
    assert "an answer to another server cannot be sent" in caplog.text


def test_what_one_server_finds_malformed_reaches_the_others() -> None:
    hub, listener = LoopbackHub(), FakeReceiver()
    refusing = hub.bus()
    refusing.start(Refusing())
    hub.bus().start(listener)
    hub.bus().publish(JoinRooms(Target(), ["red"]))
    assert len(listener.requests) == 1
    assert refusing.stats() == {"malformed": 1}


def test_a_server_that_leaves_while_a_message_is_passed_on_does_not_get_it() -> None:
    hub, last = LoopbackHub(), FakeReceiver()
    leaving = hub.bus()

    class Closing(FakeReceiver):
        def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
            leaving.close()

    hub.bus().start(Closing())
    leaving.start(last)
    hub.bus().publish(ServerSideEmit(["hello"]))
    assert last.requests == []


def test_the_bus_keeps_nothing_and_watches_no_room() -> None:
    bus = LoopbackHub().bus()
    assert bus.recover(RecoveryOptions()) is None
    assert bus.room_watcher is None
    bus.close()
    bus.close()
