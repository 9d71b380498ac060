"""The fakes keep what they are told, and do with rooms what sockets do."""

from __future__ import annotations

import pytest

from flask_realtime.adapters.memory import MemoryAdapter
from flask_realtime.adapters.wire.messages import ServerSideEmit
from flask_realtime.testing.fakes import FakeBus, FakeCollector, FakeNamespace


def test_a_socket_is_in_the_rooms_of_its_namespace_until_it_leaves() -> None:
    namespace = FakeNamespace()
    namespace.adapter = MemoryAdapter(namespace)
    socket = namespace.connect("a", "red")
    socket.join(["blue", "green"])
    socket.leave("red")
    assert namespace.adapter.socket_rooms("a") == {"a", "blue", "green"}
    assert socket.describe().rooms == ["a", "blue", "green"]
    collector = FakeCollector()
    socket.expect_ack(1, collector)
    socket.vanish()
    assert (socket.closed, namespace.sockets, collector.lost) == (False, {}, ["transport close"])


def test_a_bus_keeps_what_it_is_told_to_send() -> None:
    bus = FakeBus()
    bus.publish(ServerSideEmit(["hello"]))
    assert bus.stats() == {"published": 1}
    bus.count = None
    with pytest.raises(OSError, match="out of reach"):
        bus.server_count()
