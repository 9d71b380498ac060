"""Servers on a bus, their sockets, and what is asked of them: for the contract of buses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Protocol

import gevent
import pytest

from ...adapters.base import Adapter
from ...adapters.values import Flags, Target
from ...errors import AckTimeout
from ...server.acks import BroadcastAcks, Outcome
from ..fakes import FakeNamespace, FakeSocket
from ..waiting import DEADLINE, deadline, wait_until
from . import adapter_contract as contract
from .adapter_contract import EVERYONE, event

LOCAL = Flags(local=True)
#: Seconds after which a test does without an answer that will not come; and those in which the
#: other answers have come, on a busy machine as well.
SHORT, AMPLE = 0.3, 1.0

#: Ids as long as real ones: there are formats that tell a socket from a room by it.
A, B, C, D = (name.ljust(20, "-") for name in "abcd")
_IDS = {"a": A, "b": B, "c": C, "d": D}


def to(*rooms: str, but: tuple[str, ...] = (), flags: Flags | None = None) -> Target:
    """Like that of the contract of adapters, with the names of sockets for their ids."""
    names = [_IDS.get(room, room) for room in rooms]
    return contract.to(*names, but=tuple(_IDS.get(room, room) for room in but), flags=flags)


def _with_ids(case: Any) -> Any:
    target, sids = case.values
    return pytest.param(to(*target.rooms, but=tuple(target.except_)), sids, id=case.id)


TARGETS = [_with_ids(case) for case in contract.TARGETS]


def names(ids: Iterable[str]) -> str:
    """The names of sockets, for their ids."""
    return "".join(sorted(sid[0] for sid in ids))


class MakeCluster(Protocol):
    """Makes servers on a bus; ``timeout`` is how many seconds they have to answer."""

    def __call__(self, count: int, timeout: float = 5) -> list[FakeNamespace]:
        """Return the namespaces of ``count`` servers that hear each other."""


class Crowd:
    """Four sockets on three servers, in the rooms that ``TARGETS`` speaks of."""

    def __init__(self, servers: list[FakeNamespace]) -> None:
        self.servers = servers
        one, two, three = servers
        self.sockets: list[FakeSocket] = [
            one.connect(A, "red"),
            two.connect(B, "red", "blue"),
            three.connect(C, "blue"),
            three.connect(D),
        ]
        hear_each_other(servers)

    def leave(self) -> None:
        """Leave the servers as they were, for the next crowd."""
        for server in self.servers:
            for socket in list(server.sockets.values()):
                socket.disconnect()
            server.server_side.clear()
            server.answer = None

    @property
    def adapter(self) -> Adapter:
        """The one that is told what to do."""
        return self.servers[0].adapter

    def heard(self) -> list[list[Any]]:
        """The events of each socket until now."""
        self.adapter.broadcast(event("end"), EVERYONE)
        wait_until(lambda: all("end" in socket.events for socket in self.sockets))
        return [socket.events[: socket.events.index("end")] for socket in self.sockets]

    def ids_in(self, room: str) -> str:
        """Return the names of the sockets in a room, on all servers."""
        found: set[str] = set()
        for server in self.servers:
            found |= server.adapter.rooms.get(room, set())
        return names(found)


class Question:
    """A broadcast with acknowledgements."""

    def __init__(
        self, server: FakeNamespace, target: Target = EVERYONE, timeout: float = DEADLINE
    ) -> None:
        self._outcome = Outcome()
        collector = BroadcastAcks(self._outcome.done, timeout)
        target = target._replace(flags=target.flags._replace(timeout=timeout))
        server.adapter.broadcast_with_ack(event("ready?"), target, collector)
        collector.start()

    def wait(self) -> list[Any]:
        """Return the answers, in order of their text."""
        return sorted(self._outcome.wait(DEADLINE), key=str)

    def partial(self) -> list[Any]:
        """What there is when the time is over."""
        with pytest.raises(AckTimeout) as caught:
            self._outcome.wait(DEADLINE)
        return sorted(caught.value.responses, key=str)


def hear_each_other(servers: list[FakeNamespace]) -> None:
    """Wait until what each server sends reaches all others, in their rooms as well.

    A bus may listen a little later than its adapter starts or a room appears: what is sent
    until then is lost, so it is sent again.
    """
    sockets = [socket for server in servers for socket in server.sockets.values()]
    rooms = {room for server in servers for room in server.adapter.rooms}
    for server in servers:
        for room in (None, *sorted(rooms)):
            members = [
                socket for socket in sockets
                if room is None or room in socket.namespace.adapter.socket_rooms(socket.id)
            ]  # fmt: skip
            _reach(server, EVERYONE if room is None else to(room), members)
    for socket in sockets:
        socket.delivered.clear()


def _reach(server: FakeNamespace, target: Target, members: list[FakeSocket]) -> None:
    # When the newest mark is there, no older one of this server is on its way.
    with deadline(f"a message of a server to {sorted(target.rooms)}"):
        for number in itertools.count():
            mark = f"mark {number}"
            for socket in members:
                socket.delivered.clear()
            server.adapter.broadcast(event(mark), target)
            for _ in range(50):
                if all(mark in socket.events for socket in members):
                    return
                gevent.sleep(0.001)


def asked(*sockets: FakeSocket) -> None:
    """Wait until all have been asked."""
    wait_until(lambda: all(socket.collectors for socket in sockets), "the question")


def mute(server: FakeNamespace) -> None:
    """Let a server listen and say nothing, as one does that hangs."""
    adapter: Any = server.adapter
    adapter.receiver.on_request = lambda request, origin, offset=None: None


def blind(server: FakeNamespace) -> None:
    """Let a server know no longer how many there are."""

    def refuse() -> int:
        raise OSError("out of reach")

    adapter: Any = server.adapter
    adapter.server_count = refuse


def ask(server: FakeNamespace, timeout: float = DEADLINE) -> list[Any]:
    """Send an event to the other servers and return what they answer."""
    outcome = Outcome()
    server.adapter.server_side_emit(["hello"], outcome.done, timeout)
    return outcome.wait(DEADLINE)
