"""The adapter in memory does what every adapter does, and remembers for clients that come back."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.adapters.base import Adapter, LocalSockets
from flask_realtime.adapters.memory import MemoryAdapter
from flask_realtime.adapters.values import Flags, SavedSocket, Target
from flask_realtime.codec.message import Message
from flask_realtime.options import RecoveryOptions
from flask_realtime.testing import ManualTime
from flask_realtime.testing.fakes import FakeCollector, FakeNamespace, FakeSocket
from flask_realtime.testing.pytest.adapter_contract import EVERYONE, AdapterContract, event, to


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


# --- connection state recovery -----------------------------------------------


class World:
    """A namespace whose adapter remembers."""

    def __init__(self, **options: Any) -> None:
        self.time = ManualTime()
        self.namespace = FakeNamespace()
        self.adapter = self.namespace.adapter = MemoryAdapter(self.namespace)
        assert self.adapter.enable_recovery(RecoveryOptions(**options), self.time)

    def connect(self, sid: str, *rooms: str) -> FakeSocket:
        return self.namespace.connect(sid, *rooms)

    def lose(self, sid: str, offset: str, **data: Any) -> None:
        """The client is gone; its private id is that of the socket in capitals."""
        rooms = frozenset(self.adapter.socket_rooms(sid))
        self.adapter.persist_session(SavedSocket(sid.upper(), sid, rooms, data, offset))
        self.namespace.sockets[sid].disconnect()

    def missed(self, pid: str, offset: str | None = None) -> list[bytes | None] | None:
        session = self.adapter.restore_session(pid, offset)
        return None if session is None else texts(self.adapter.missed_packets(session))


def texts(found: list[Message] | None) -> list[bytes | None] | None:
    return None if found is None else [message.text for message in found]


@pytest.fixture
def world() -> World:
    return World()


def offset_of(message: Message) -> str:
    """The last argument of an event."""
    assert message.text is not None
    return message.text.decode().rpartition(',"')[2].removesuffix('"]')


def test_events_carry_their_offset_and_listeners_do_not_see_it(world: World) -> None:
    socket = world.connect("a")
    world.adapter.broadcast(event("news", 1), EVERYONE)
    ((packet, message, _),) = socket.delivered
    assert message.text == f'2["news",1,"{world.adapter.current_offset()}"]'.encode()
    assert packet.data == ["news", 1]


def test_what_is_never_sent_again_carries_no_offset(world: World) -> None:
    socket = world.connect("a")
    before = world.adapter.current_offset()
    world.adapter.broadcast(event("tick"), to(flags=Flags(volatile=True)))
    world.adapter.broadcast_with_ack(event("ready?"), EVERYONE, FakeCollector())
    assert [message.text for _, message, _ in socket.delivered] == [b'2["tick"]', b'20["ready?"]']
    assert world.adapter.current_offset() == before


def test_without_recovery_nothing_carries_an_offset(world: World) -> None:
    world.adapter.disable_recovery()
    socket = world.connect("a", "red")
    world.adapter.broadcast(event("news"), to("red"))
    world.adapter.remove("a", "red")
    socket.disconnect()
    assert socket.delivered[0][1].text == b'2["news"]'
    with pytest.raises(RuntimeError, match="recovery is off"):
        world.adapter.current_offset()


def test_what_cannot_be_encoded_takes_no_place_in_the_log(world: World) -> None:
    before = world.adapter.current_offset()
    with pytest.raises(TypeError):
        world.adapter.broadcast(event("news", object()), EVERYONE)
    assert world.adapter.current_offset() == before


def test_a_session_comes_back_once_with_what_it_missed(world: World) -> None:
    socket = world.connect("a", "red")
    world.adapter.broadcast(event("one"), EVERYONE)
    offset = offset_of(socket.delivered[0][1])
    world.lose("a", "", name="Ada")
    world.adapter.broadcast(event("two", b"bytes"), to("red"))
    world.adapter.broadcast(event("three"), to("blue"))
    session = world.adapter.restore_session("A", offset)
    assert session is not None
    assert (session.sid, sorted(session.rooms)) == ("a", ["a", "red"])
    assert session.data == {"name": "Ada"}
    assert session.offset == offset
    missed = world.adapter.missed_packets(session)
    assert missed is not None
    assert [list(message.attachments) for message in missed] == [[b"bytes"]]
    assert world.adapter.restore_session("A", offset) is None


def test_who_has_received_nothing_goes_on_from_where_it_joined(world: World) -> None:
    world.adapter.broadcast(event("before"), EVERYONE)
    joined = world.adapter.current_offset()
    world.connect("a")
    world.lose("a", joined)
    world.adapter.broadcast(event("after"), EVERYONE)
    (text,) = world.missed("A") or []
    assert text is not None
    assert text.startswith(b'2["after",')


def test_what_was_sent_to_a_room_before_a_client_joined_it_is_not_for_its_eyes(
    world: World,
) -> None:
    joined = world.adapter.current_offset()
    world.connect("a")
    world.adapter.broadcast(event("secret"), to("red"))
    world.adapter.add_all("a", ["red"])
    world.adapter.broadcast(event("for all in red"), to("red"))
    world.lose("a", joined)
    (text,) = world.missed("A") or []
    assert text is not None
    assert text.startswith(b'2["for all in red",')


def test_a_room_that_was_left_and_joined_again_counts_from_then(world: World) -> None:
    joined = world.adapter.current_offset()
    world.connect("a", "red")
    world.adapter.remove("a", "red")
    world.adapter.broadcast(event("secret"), to("red"))
    world.adapter.add_all("a", ["red"])
    world.lose("a", joined)
    assert world.missed("A") == []


def test_who_comes_back_has_been_in_its_rooms_all_the_time(world: World) -> None:
    """It is lost again before it has seen anything of what it missed."""
    joined = world.adapter.current_offset()
    world.connect("a", "red")
    world.adapter.broadcast(event("missed"), to("red"))
    for _ in range(3):
        world.lose("a", joined)
        session = world.adapter.restore_session("A", joined)
        assert session is not None
        assert len(world.adapter.missed_packets(session) or ()) == 1
        world.namespace.sockets["a"] = FakeSocket("a", world.namespace)
        world.adapter.readmit(session)
        assert world.adapter.socket_rooms("a") == {"a", "red"}


def test_a_room_that_was_joined_before_the_others_counts_from_then(world: World) -> None:
    """A middleware may let the socket join something."""
    joined = world.adapter.current_offset()
    world.connect("a", "red")
    world.lose("a", joined)
    session = world.adapter.restore_session("A", None)
    assert session is not None
    world.adapter.broadcast(event("secret"), to("blue"))
    world.namespace.sockets["a"] = FakeSocket("a", world.namespace)
    world.adapter.add_all("a", ["blue"])
    world.adapter.broadcast(event("for all in blue"), to("blue"))
    world.adapter.readmit(session)
    world.lose("a", joined)
    (text,) = world.missed("A") or []
    assert text is not None
    assert text.startswith(b'2["for all in blue",')


def test_a_session_that_was_not_used_can_be_kept_once_more(world: World) -> None:
    joined = world.adapter.current_offset()
    world.connect("a")
    world.lose("a", joined)
    world.adapter.broadcast(event("missed"), to("a"))
    session = world.adapter.restore_session("A", None)
    assert session is not None
    world.adapter.persist_session(session)
    assert len(world.missed("A") or ()) == 1


@pytest.mark.parametrize("offset", ["nonsense", "", "aaaaaa.1.1"])
def test_an_offset_that_is_none_brings_nothing_back(world: World, offset: str) -> None:
    joined = world.adapter.current_offset()
    world.connect("a")
    world.lose("a", joined)
    assert world.adapter.restore_session("A", offset) is None


def test_what_is_too_old_brings_nothing_back() -> None:
    world = World(max_disconnection_duration=10)
    joined = world.adapter.current_offset()
    world.connect("a")
    world.lose("a", joined)
    world.connect("b")
    world.lose("b", joined)
    world.time.advance(10)
    assert world.missed("A") == []
    world.time.advance(0.001)
    assert world.missed("B") is None


def test_packets_that_are_lost_bring_nothing_back() -> None:
    world = World(max_log_bytes=1000)
    joined = world.adapter.current_offset()
    world.connect("a")
    world.connect("b")
    world.lose("a", joined)
    world.lose("b", joined)
    world.adapter.broadcast(event("x" * 900), to("a"))
    assert world.missed("A") is None
    assert world.missed("B") == []


def test_pruning_leaves_nothing_when_all_is_too_old() -> None:
    world = World(max_disconnection_duration=10)
    world.connect("a")
    world.lose("a", world.adapter.current_offset())
    world.adapter.broadcast(event("missed"), EVERYONE)
    assert world.adapter.prune()
    world.time.advance(10.5)
    assert not world.adapter.prune()
    assert world.missed("A") is None


def test_a_target_of_a_client_that_is_gone_is_remembered(world: World) -> None:
    joined = world.adapter.current_offset()
    world.connect("a")
    world.lose("a", joined)
    world.adapter.broadcast(event("missed"), Target(frozenset(("a",)), flags=Flags(local=True)))
    assert len(world.missed("A") or ()) == 1
