"""The adapter in memory does what every adapter does."""

from __future__ import annotations

from flask_realtime.adapters.base import Adapter, LocalSockets
from flask_realtime.adapters.memory import MemoryAdapter
from tests.adapters.contract import AdapterContract
from tests.adapters.fakes import FakeNamespace


class TestMemoryAdapter(AdapterContract):
    def make(self, namespace: LocalSockets) -> Adapter:
        return MemoryAdapter(namespace)


def test_adapters_of_two_namespaces_share_nothing() -> None:
    one, two = FakeNamespace("/one"), FakeNamespace("/two")
    for namespace in (one, two):
        namespace.adapter = MemoryAdapter(namespace)
    one.connect("a", "red")
    assert two.adapter.rooms == {}
    assert two.adapter.sockets(["red"]) == set()
