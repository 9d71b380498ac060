"""Clients that come back to another worker: nothing lost, repeated or in the wrong order.

Workers are joined by queues that the test empties as it likes: each pair has its own order, and
no other order is promised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_realtime.adapters.cluster import sibling_adapter
from flask_realtime.adapters.cluster.sibling_adapter import SiblingAdapter
from flask_realtime.adapters.values import SavedSocket, Target
from flask_realtime.options import RecoveryOptions
from flask_realtime.testing import ManualTime
from flask_realtime.testing.fakes import FakeNamespace
from flask_realtime.testing.pytest.adapter_contract import EVERYONE, event, to
from tests.fakes import deadline, settle

Queues = dict[tuple[int, int], deque[bytes]]


class QueueNetwork:
    """One worker on the queues."""

    def __init__(self, number: int, count: int, queues: Queues) -> None:
        self.tag = str(number)
        self._number = number
        self._count = count
        self._queues = queues
        self.listener: Callable[[str, bytes], None] | None = None

    def listen(self, namespace: str, listener: Callable[[str, bytes], None]) -> None:
        self.listener = listener

    def listen_no_more(self, namespace: str) -> None:
        self.listener = None

    def listeners(self, namespace: str) -> list[str]:
        return [str(number) for number in range(self._count) if number != self._number]

    def send(self, tags: list[str], namespace: str, message: bytes) -> None:
        for tag in tags:
            self._queues.setdefault((self._number, int(tag)), deque()).append(message)


class World:
    """Workers, and one client that is at one of them or away."""

    def __init__(self, count: int = 3) -> None:
        self.queues: Queues = {}
        self.time = ManualTime()
        self.networks = [QueueNetwork(number, count, self.queues) for number in range(count)]
        self.namespaces = [FakeNamespace() for _ in range(count)]
        for namespace, network in zip(self.namespaces, self.networks, strict=True):
            namespace.adapter = SiblingAdapter(namespace, network)
            namespace.adapter.enable_recovery(RecoveryOptions(), self.time)
            namespace.adapter.start()
        self.at: int | None = None
        self.last = 0
        self.heard: list[str] = []
        self.told: str | None = None
        self.session = SavedSocket("pid", "sid", frozenset(), {}, "")

    def adapter(self, number: int) -> Any:
        return self.namespaces[number].adapter

    def connect(self, number: int) -> None:
        """The client is new at a worker."""
        offset = self.adapter(number).current_offset()
        self.namespaces[number].connect("sid", "red")
        self.session = SavedSocket("pid", "sid", frozenset({"sid", "red"}), {"n": 1}, offset)
        self.at = number
        self.watch()

    def watch(self) -> None:
        assert self.at is not None
        socket = self.namespaces[self.at].sockets["sid"]

        def on_deliver() -> None:
            _, message, _ = socket.delivered[-1]
            self.hear(message.text)

        socket.on_deliver = on_deliver

    def hear(self, text: bytes | None) -> None:
        values = (text or b"").decode()[2:-1].replace('"', "").split(",")
        name, offset = values[0], values[-1]
        self.heard.append(name)
        self.told = offset

    def lose(self) -> None:
        """The client is cut off."""
        assert self.at is not None
        self.adapter(self.at).persist_session(self.session)
        self.namespaces[self.at].sockets["sid"].disconnect()
        self.last, self.at = self.at, None

    def come_back(self, number: int) -> bool:
        """The client asks a worker for its state; return whether it was there."""
        adapter = self.adapter(number)
        asking = gevent.spawn(adapter.restore_session, "pid", self.told)
        with deadline():
            while not asking.ready():
                # The others are asked, and answer: behind what is under way already.
                gevent.sleep(0)
                for key in [*self.queues]:
                    if number in key:
                        self.deliver(*key)
        session = asking.get()
        if session is None:
            return False
        missed = adapter.missed_packets(session)
        assert missed is not None
        for message in missed:
            self.hear(message.text)
        self.namespaces[number].connect("sid")
        adapter.readmit(session)
        self.session = session
        self.at = number
        self.watch()
        return True

    def deliver(self, sender: int, receiver: int) -> None:
        """The oldest message between two workers arrives."""
        queue = self.queues.get((sender, receiver))
        if queue:
            listener = self.networks[receiver].listener
            assert listener is not None
            listener(str(sender), queue.popleft())
            settle_queue()

    def deliver_all(self) -> None:
        while any(self.queues.values()):
            for key in [*self.queues]:
                self.deliver(*key)


def settle_queue() -> None:
    for _ in range(4):
        gevent.sleep(0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("deliver"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("move"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.just(0), st.just(0)),
    ),
    max_size=40,
)
TARGETS: list[Target] = [EVERYONE, to("red"), to("blue")]


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_happens_each_broadcast_is_heard_once_and_in_the_order_of_its_sender(
    steps: list[tuple[str, int, int]],
) -> None:
    world, said = World(), list[str]()
    world.connect(0)
    for count, (what, one, two) in enumerate(steps):
        if what == "say":
            name = f"{one}-{count}"
            world.adapter(one).broadcast(event(name), TARGETS[two])
            if two != 2:
                said.append(name)
        elif what == "deliver" and one != two:
            world.deliver(one, two)
        elif what == "lose" and world.at is not None:
            world.lose()
        elif what == "move":
            if world.at is not None:
                world.lose()
            assert world.come_back(one)
    if world.at is None:
        assert world.come_back(world.last)
    world.deliver_all()
    assert sorted(world.heard) == sorted(said)
    for sender in "012":
        order = [name for name in world.heard if name[0] == sender]
        assert order == [name for name in said if name[0] == sender]


def test_the_state_moves_with_the_client_and_is_handed_out_once() -> None:
    world = World()
    world.connect(0)
    world.lose()
    assert world.come_back(2)
    assert world.session.data == {"n": 1}
    assert world.adapter(2).socket_rooms("sid") == {"sid", "red"}
    assert not world.come_back(1)
    assert [len(namespace.given_up) for namespace in world.namespaces] == [2, 1, 1]


def test_a_client_that_no_worker_knows_begins_anew() -> None:
    assert not World().come_back(0)


def test_the_answer_of_the_owner_counts_whichever_comes_with_it() -> None:
    world = World()
    world.connect(0)
    world.lose()
    asking = gevent.spawn(world.adapter(2).restore_session, "pid", None)
    gevent.sleep(0)
    for number in (0, 1):
        world.deliver(2, number)
    # Both answers are there before the question goes on.
    for number in (0, 1):
        listener = world.networks[2].listener
        assert listener is not None
        listener(str(number), world.queues[number, 2].popleft())
    assert asking.get() is not None


def test_a_worker_that_hangs_costs_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sibling_adapter, "_DEADLINE", 0.02)
    world = World()
    assert world.adapter(0).restore_session("pid", None) is None


def test_a_lone_worker_recovers_its_own_clients() -> None:
    world = World(1)
    world.connect(0)
    world.lose()
    world.adapter(0).broadcast(event("0-hello"), to("red"))
    assert world.come_back(0)
    assert world.heard == ["0-hello"]
    assert not world.adapter(0).restore_session("other", None)


def test_without_recovery_nothing_is_kept_or_numbered() -> None:
    world = World()
    for number in range(3):
        world.adapter(number).disable_recovery()
    socket = world.namespaces[1].connect("sid", "red")
    world.adapter(0).broadcast(event("hello"), to("red"))
    world.deliver_all()
    settle()
    assert [message.text for _, message, _ in socket.delivered] == [b'2["hello"]']


def test_a_client_that_leaves_while_it_moves_begins_anew() -> None:
    world = World()
    world.connect(0)
    world.lose()
    assert world.come_back(1)
    world.namespaces[1].sockets["sid"].disconnect()
    world.adapter(1).persist_session(world.session)
    world.at = None
    assert not world.come_back(1)
