"""One server of a cluster on a bus that sends nothing."""

from __future__ import annotations

from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.codec.message import Message
from flask_realtime.codec.parser import DefaultParser
from flask_realtime.codec.socket_packet import Packet
from flask_realtime.testing.fakes import FakeBus, FakeNamespace


class CountingParser(DefaultParser):
    """Counts what is encoded."""

    encoded = 0

    def encode(self, packet: Packet, compress: bool = True) -> Message:
        self.encoded += 1
        return super().encode(packet, compress)


class Server:
    """One server on a fake bus, and what the others would send it."""

    def __init__(self, bus: FakeBus | None = None, listens: bool = True) -> None:
        self.bus = bus or FakeBus()
        self.namespace = FakeNamespace()
        self.parser = self.namespace.parser = CountingParser()
        self.adapter = ClusterAdapter(self.namespace, self.bus)
        self.receiver = self.adapter.receiver
        self.namespace.adapter = self.adapter
        if listens:
            self.adapter.start()
