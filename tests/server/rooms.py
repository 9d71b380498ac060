"""Clients that ask for namespaces by name, and matchers that take their time."""

from __future__ import annotations

import json
import re
from typing import Any

from gevent.event import Event

from tests.clients import SocketClient
from tests.fakes import settle
from tests.worlds import ServerWorld

ROOM = re.compile(r"^/room-[0-9]+\Z")


def answer_to(server: ServerWorld, name: str, auth: Any = None) -> str:
    """What a client that asks for a namespace gets, without the name."""
    client = server.network.client()
    client.send(f"0{name}," + ("" if auth is None else json.dumps(auth)))
    packet = str(client.receive())
    assert packet[1:].startswith(f"{name},"), packet
    return packet[0] + packet[len(name) + 2 :]


#: The answer for a name that no matcher takes.
INVALID = '4{"message":"Invalid namespace"}'


def asking(server: ServerWorld, name: str) -> SocketClient:
    """A client that has asked for a namespace and got no answer yet."""
    client = server.network.client()
    client.send(f"0{name},")
    settle()
    return client


class Gate:
    """A function that blocks until it is told what to return."""

    def __init__(self) -> None:
        self.waiting = 0
        self._open = Event()
        self._answer: Any = None

    def __call__(self, name: str, auth: dict[str, Any]) -> Any:
        self.waiting += 1
        self._open.wait()
        return self._answer

    def open(self, answer: Any = True) -> None:
        self._answer = answer
        self._open.set()
