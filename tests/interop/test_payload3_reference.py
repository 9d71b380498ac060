"""Payloads of Engine.IO protocol 3 beside the reference server's own parser."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codec.test_payload3 import Packet, each_vector, encode, payloads
from tests.processes import Process, node, node_package

TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"]


class Reference:
    """The parser of the reference server, in a process of its own."""

    def __init__(self) -> None:
        script = str(Path(__file__).with_name("parser3.mjs"))
        self.process = Process([node(), script, str(node_package("socket.io"))])
        self._ids = itertools.count()

    def ask(self, *question: Any) -> Any:
        number = next(self._ids)
        self.process.tell(json.dumps([number, *question]))
        return json.loads(self.process.wait_for(rf"^result {number} (.*)$").group(1))

    def encode(self, packets: list[Packet], takes_binary: bool) -> tuple[bytes, bool]:
        described = [
            [TYPES[int(packet[0])], packet[1:] or None, None]
            if isinstance(packet, str)
            else ["message", None, packet.hex()]
            for packet in packets
        ]
        body, is_binary = self.ask("encode", described, takes_binary)
        return bytes.fromhex(body), is_binary

    def decode(self, body: bytes, is_binary: bool) -> list[Packet]:
        found = self.ask("decode", body.hex(), is_binary)
        return [
            f"{TYPES.index(kind)}{text}" if data is None else bytes.fromhex(data)
            for kind, text, data in found
        ]


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    parser = Reference()
    yield parser
    parser.process.reap()


@each_vector
def test_the_vectors_are_those_of_the_reference(
    reference: Reference, packets: list[Packet], text: bytes, binary: bytes
) -> None:
    assert reference.encode(packets, takes_binary=False) == (text, False)
    assert reference.encode(packets, takes_binary=True) == (binary, binary[0] < 2)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(packets=payloads, takes_binary=st.booleans())
def test_both_parsers_write_and_read_the_same(
    reference: Reference, packets: list[Packet], takes_binary: bool
) -> None:
    body, is_binary = encode(packets, takes_binary)
    assert reference.encode(packets, takes_binary) == (body, is_binary)
    assert reference.decode(body, is_binary) == packets
