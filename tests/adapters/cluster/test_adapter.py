"""The adapter for many servers: alone it is one of its own; what it asks of its bus, and when."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent
import pytest

from flask_realtime.adapters.base import Adapter, LocalSockets
from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.adapters.cluster.loopback import LoopbackHub
from flask_realtime.adapters.values import Flags, RemoteState, SavedSocket, Target
from flask_realtime.adapters.wire.messages import (
    Broadcast,
    DisconnectSockets,
    FetchSockets,
    JoinRooms,
    LeaveRooms,
    ServerSideEmit,
    SocketsFound,
)
from flask_realtime.codec.message import Message
from flask_realtime.codec.socket_packet import Packet
from flask_realtime.errors import ClusterTimeout, MessageTooLarge
from flask_realtime.options import RecoveryOptions
from flask_realtime.testing.fakes import FakeBus, FakeCollector, FakeNamespace
from flask_realtime.testing.pytest.adapter_contract import EVERYONE, AdapterContract, event, to
from tests.adapters.cluster.one_server import Server
from tests.clients import Later
from tests.fakes import settle, wait_until


class TestClusterAdapter(AdapterContract):
    def make(self, namespace: LocalSockets) -> Adapter:
        adapter = ClusterAdapter(namespace, LoopbackHub().bus())
        adapter.start()
        return adapter


@pytest.fixture
def server() -> Server:
    return Server()


# --- listening


def asking() -> dict[str, Callable[[Adapter], Any]]:
    return {
        "fetch": lambda adapter: adapter.fetch_sockets(EVERYONE),
        "ask": lambda adapter: adapter.server_side_emit(["hi"], lambda error, answers: None),
        "acks": lambda adapter: adapter.broadcast_with_ack(event("hi"), EVERYONE, FakeCollector()),
    }


@pytest.mark.parametrize("what", asking())
@pytest.mark.parametrize("closed", [True, False])
def test_who_does_not_listen_cannot_ask_and_hears_so_at_once(what: str, closed: bool) -> None:
    server = Server(listens=closed)
    if closed:
        server.adapter.close()
    with pytest.raises(RuntimeError, match="does not listen"):
        asking()[what](server.adapter)
    assert server.bus.published == []


def test_who_does_not_listen_can_tell_and_act_and_ask_locally() -> None:
    server = Server(listens=False)
    socket = server.namespace.connect("a")
    server.adapter.broadcast(event("hi"), EVERYONE)
    server.adapter.add_sockets(EVERYONE, ["red"])
    server.adapter.server_side_emit(["hi"])
    local = EVERYONE._replace(flags=Flags(local=True))
    assert server.adapter.fetch_sockets(local) == [socket]
    server.adapter.broadcast_with_ack(event("hi"), local, FakeCollector())
    assert [type(item) for item in server.bus.published] == [Broadcast, JoinRooms, ServerSideEmit]


def test_a_server_that_does_not_listen_counts_itself_though_the_bus_does_not() -> None:
    server = Server(listens=False)
    server.bus.count = 2
    assert server.adapter.server_count() == 3
    server.adapter.start()
    server.bus.count = 3
    assert server.adapter.server_count() == 3


def test_it_is_connected_while_it_listens_and_the_bus_is() -> None:
    bus = FakeBus()
    adapter = ClusterAdapter(FakeNamespace(), bus)
    assert not adapter.is_connected
    adapter.start()
    assert adapter.is_connected
    bus.count = None
    assert not adapter.is_connected
    bus.count = 1
    adapter.close()
    assert not adapter.is_connected


def test_the_bus_is_started_again_in_a_fork_and_closed_once(server: Server) -> None:
    server.adapter.start()
    server.adapter.close()
    server.adapter.close()
    server.adapter.start()
    assert (server.bus.starts, server.bus.closes) == (2, 1)


def test_the_counters_are_those_of_the_bus(server: Server) -> None:
    server.adapter.broadcast(event("hi"), EVERYONE)
    assert server.adapter.stats() == {"published": 1}


# --- rooms


class Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def created(self, room: str) -> None:
        self.seen.append(("created", room))

    def deleted(self, room: str) -> None:
        self.seen.append(("deleted", room))


def test_a_bus_with_channels_for_rooms_hears_of_them() -> None:
    watcher = Watcher()
    server = Server(FakeBus(watcher))
    socket = server.namespace.connect("a", "red")
    server.namespace.connect("b", "red")
    socket.leave("red")
    server.namespace.sockets["b"].leave("red")
    assert watcher.seen == [
        ("created", "a"), ("created", "red"), ("created", "b"), ("deleted", "red")
    ]  # fmt: skip


# --- what goes out


def test_what_is_done_elsewhere_is_published_and_done_here_at_once(server: Server) -> None:
    socket = server.namespace.connect("a")
    target = to("a")
    server.adapter.add_sockets(target, ["red"])
    assert socket.namespace.adapter.socket_rooms("a") == {"a", "red"}
    server.adapter.del_sockets(target, ["red"])
    server.adapter.disconnect_sockets(target, True)
    assert server.bus.published == [
        JoinRooms(target, ["red"]), LeaveRooms(target, ["red"]), DisconnectSockets(target, True)
    ]  # fmt: skip
    assert socket.closed is True


def test_what_is_local_is_not_published(server: Server) -> None:
    local = Target(flags=Flags(local=True))
    server.adapter.broadcast(event("hi"), local)
    server.adapter.add_sockets(local, ["red"])
    server.adapter.del_sockets(local, ["red"])
    server.adapter.disconnect_sockets(local, True)
    assert server.bus.published == []


class Full(FakeBus):
    def publish(self, request: Any) -> None:
        raise ValueError("cannot be carried")


def test_what_the_bus_refuses_reaches_no_client_here_either() -> None:
    server = Server(Full())
    socket = server.namespace.connect("a")
    collector = FakeCollector()
    with pytest.raises(ValueError, match="cannot be carried"):
        server.adapter.broadcast(event("hi"), EVERYONE)
    with pytest.raises(ValueError, match="cannot be carried"):
        server.adapter.broadcast_with_ack(event("hi"), EVERYONE, collector)
    assert socket.delivered == []
    collector.end()  # what was noted for it is forgotten without an error


def test_an_event_for_servers_that_the_bus_refuses_is_told_to_who_waits() -> None:
    server = Server(Full())
    server.bus.count = 2
    told: list[Any] = []
    server.adapter.server_side_emit(["hi"], lambda *args: told.append(args))
    wait_until(lambda: told)
    ((error, answers),) = told
    assert (type(error), answers) == (ValueError, [])


def test_the_servers_that_do_not_answer_are_named_as_far_as_they_are_known(server: Server) -> None:
    server.bus.count = 4
    for uid in ("emitter", "gone", "one", "two", "three"):
        server.receiver.on_request(ServerSideEmit(["hi"]), uid)
    fetching = Later(server.adapter.fetch_sockets, Target(flags=Flags(timeout=0.05)))
    (request,) = server.bus.published
    assert isinstance(request, FetchSockets)
    found = RemoteState("b", {}, ["b"], {})
    for _ in range(2):
        server.receiver.on_response(SocketsFound(request.request_id, [found]), "two")
    with pytest.raises(ClusterTimeout, match="2 of 3 servers") as caught:
        fetching.wait()
    assert caught.value.responses == [found]
    assert (caught.value.missing, caught.value.servers) == (2, ["one", "three"])
    server.receiver.on_response(SocketsFound(request.request_id, [found]), "one")  # too late


def test_who_is_gone_is_forgotten_when_all_others_have_answered(server: Server) -> None:
    server.bus.count = 2
    for uid in ("here", "gone"):
        server.receiver.on_request(ServerSideEmit(["hi"]), uid)
    for answers, servers in ((True, []), (False, ["here"])):
        fetching = Later(server.adapter.fetch_sockets, Target(flags=Flags(timeout=0.05)))
        request: Any = server.bus.published[-1]
        if answers:
            server.receiver.on_response(SocketsFound(request.request_id, []), "here")
            assert fetching.wait() == []
        else:
            with pytest.raises(ClusterTimeout) as caught:
                fetching.wait()
            assert caught.value.servers == servers


@pytest.mark.parametrize("local", [False, True])
def test_a_broadcast_above_the_bound_raises_before_it_is_published(
    server: Server, local: bool
) -> None:
    server.namespace.max_message_size = 100
    socket = server.namespace.connect("a")
    target = EVERYONE._replace(flags=EVERYONE.flags._replace(local=local))
    packet = event("big", "x" * 200)
    with pytest.raises(MessageTooLarge):
        server.adapter.broadcast(packet, target)
    with pytest.raises(MessageTooLarge):
        server.adapter.broadcast_with_ack(packet, target, FakeCollector())
    assert (socket.delivered, server.bus.published) == ([], [])


# --- connection state recovery


class FakeRecovery:
    """Gives offsets; ``skipped`` is whom a broadcast is not for any more."""

    def __init__(self) -> None:
        self.published: list[Broadcast] = []
        self.offset: str | None = "7-0"
        self.skipped: frozenset[str] = frozenset()
        self.saved: dict[str, SavedSocket] = {}

    @property
    def may_wait_here(self) -> bool:
        return gevent.getcurrent() is not gevent.get_hub()

    def publish(self, request: Broadcast) -> str | None:
        gevent.sleep(0)
        self.published.append(request)
        return self.offset

    def delivering(self, offset: str, packet: Packet, target: Target) -> Target:
        return target._replace(except_=target.except_ | self.skipped)

    def current_offset(self) -> str:
        return "6-0"

    def persist(self, saved: SavedSocket) -> None:
        self.saved[saved.pid] = saved

    def restore(self, pid: str, offset: str | None) -> SavedSocket | None:
        return self.saved.pop(pid, None)

    def missed(self, saved: SavedSocket, encode: Any) -> list[Message] | None:
        return [encode(event("missed"))]


@pytest.fixture
def keeping() -> tuple[Server, FakeRecovery]:
    server, recovery = Server(), FakeRecovery()
    server.bus.recovery = recovery
    assert not server.receiver.keeps_offsets
    assert server.adapter.enable_recovery(RecoveryOptions(), monotonic)
    assert server.receiver.keeps_offsets
    return server, recovery


def test_a_bus_that_keeps_nothing_cannot_recover(server: Server) -> None:
    assert not server.adapter.enable_recovery(RecoveryOptions(), monotonic)
    with pytest.raises(RuntimeError, match="off"):
        server.adapter.current_offset()


def test_a_broadcast_that_is_kept_tells_clients_its_offset(
    keeping: tuple[Server, FakeRecovery],
) -> None:
    server, recovery = keeping
    one, two = server.namespace.connect("a"), server.namespace.connect("b")
    recovery.skipped = frozenset({"b"})
    server.adapter.broadcast(event("hi"), EVERYONE)
    assert recovery.published == [Broadcast(event("hi"), EVERYONE)]
    assert server.bus.published == []
    assert [message.text for _, message, _ in one.delivered] == [b'2["hi","7-0"]']
    assert two.delivered == []


def test_without_an_offset_in_time_a_broadcast_is_delivered_all_the_same(
    keeping: tuple[Server, FakeRecovery],
) -> None:
    server, recovery = keeping
    recovery.offset = None
    socket = server.namespace.connect("a")
    server.adapter.broadcast(event("hi"), EVERYONE)
    assert [message.text for _, message, _ in socket.delivered] == [b'2["hi"]']


def test_a_broadcast_from_a_callback_of_the_loop_does_not_block_it(
    keeping: tuple[Server, FakeRecovery],
) -> None:
    server, _ = keeping
    socket = server.namespace.connect("a")
    gevent.get_hub().loop.run_callback(server.adapter.broadcast, event("hi"), EVERYONE)
    settle()
    assert socket.events == ["hi"]


def test_sockets_are_kept_by_the_bus(keeping: tuple[Server, FakeRecovery]) -> None:
    server, recovery = keeping
    saved = SavedSocket("pid", "a", frozenset({"a"}), {}, "5-0")
    server.adapter.persist_session(saved)
    assert recovery.saved == {"pid": saved}
    assert server.adapter.restore_session("pid", None) == saved
    missed = server.adapter.missed_packets(saved)
    assert missed is not None
    assert [message.text for message in missed] == [b'2["missed"]']
    assert server.adapter.current_offset() == "6-0"
