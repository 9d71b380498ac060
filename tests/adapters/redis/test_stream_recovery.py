"""A client that comes back to any server gets each packet once, in order."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from flask_realtime.adapters.redis.streams import RedisStreamsAdapter
from flask_realtime.adapters.values import SavedSocket
from flask_realtime.adapters.wire.values import pack
from flask_realtime.codec.message import Message
from flask_realtime.codec.parser import DefaultParser
from flask_realtime.codec.socket_packet import Packet
from flask_realtime.loop.no_switch import GreenletSwitched
from flask_realtime.options import RecoveryOptions
from tests.adapters.redis_world import Cluster, Server, event, numbers, to, wait_for
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")

KEY = "sio:session:"
ROOMS = frozenset({"sid", "red"})


@pytest.fixture
def make(redis_server: RedisServer) -> Iterator[Callable[..., list[Server]]]:
    clusters: list[Cluster] = []

    def make(count: int, away: float = 60, **options: Any) -> list[Server]:
        def factory() -> Callable[[Any], Any]:
            adapters = RedisStreamsAdapter(redis_server.url, block_time=0.5, **options)

            def recovering(namespace: Any) -> Any:
                adapter = adapters(namespace)
                wanted = RecoveryOptions(max_disconnection_duration=away)
                assert adapter.enable_recovery(wanted, time.monotonic)
                return adapter

            return recovering

        clusters.append(Cluster(factory))
        return clusters[-1].add(count)

    yield make
    redis_server.resume()
    if not redis_server.is_running:
        redis_server.start()
    for cluster in clusters:
        cluster.close()


def session(server: Server, pid: str = "pid", rooms: frozenset[str] = ROOMS) -> SavedSocket:
    offset = server.adapter.current_offset()
    return SavedSocket(pid, "sid", rooms, {"name": "é", "bytes": b"\xff"}, offset)


def keep(server: Server, state: SavedSocket, redis: RedisServer) -> None:
    server.adapter.persist_session(state)
    wait_for(lambda: redis.client.exists(KEY + state.pid))


def values(messages: list[Message] | None) -> list[Any]:
    """The first argument of each event."""
    assert messages is not None
    return [decoded(message)[1] for message in messages]


def decoded(message: Message) -> list[Any]:
    decoder = DefaultParser().decoder(1_000_000)
    assert isinstance(message.text, bytes)
    packet = decoder.add(message.text.decode())
    for attachment in message.attachments:
        packet = decoder.add(attachment)
    assert packet is not None
    data: list[Any] = packet.data
    return data


def back(server: Server, state: SavedSocket, offset: str | None = None) -> list[Any] | None:
    """Restore a session as the server does, and return what was missed."""
    found = server.adapter.restore_session(state.pid, offset)
    if found is None:
        return None
    messages = server.adapter.missed_packets(found)
    return None if messages is None else values(messages)


def test_packets_carry_their_offset_on_every_server(make: Callable[..., list[Server]]) -> None:
    one, two = make(2)
    sockets = [server.connect("sid") for server in (one, two)]
    one.emit("hello", 1)
    wait_for(lambda: all(socket.delivered for socket in sockets))
    here, there = (decoded(socket.delivered[0][1]) for socket in sockets)
    assert here == there
    assert here[:2] == ["hello", 1]
    assert one.adapter.current_offset() == here[2]
    wait_for(lambda: two.adapter.current_offset() == here[2])


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_client_comes_back_with_what_it_has_missed(
    redis_server: RedisServer, make: Callable[..., list[Server]], elsewhere: bool
) -> None:
    one, two = make(2)
    state = session(one)
    one.emit("n", 1)
    keep(one, state, redis_server)
    one.emit("n", 2, target=to("red"))
    two.emit("n", b"\xff", target=to("red", "blue"))
    wait_for(lambda: one.adapter.current_offset() == two.adapter.current_offset())
    one.emit("n", "not for it", target=to("blue"))
    one.emit("n", "nor that", target=to(but=["red"]))
    one.adapter.broadcast(event("n", "volatile"), to(flags=to().flags._replace(volatile=True)))
    one.emit("n", 4, target=to("sid"))
    server = two if elsewhere else one
    found = server.adapter.restore_session("pid", None)
    assert found == state
    assert values(server.adapter.missed_packets(found)) == [1, 2, b"\xff", 4]


def test_a_client_that_has_received_something_says_from_where(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    one, two = make(2)
    socket = one.connect("sid", "red")
    state = session(one)
    for number in range(5):
        one.emit("n", number)
    offset = decoded(socket.delivered[2][1])[-1]
    keep(one, state, redis_server)
    assert back(two, state, offset) == [3, 4]


def test_a_client_comes_back_once(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    servers = make(2)
    state = session(servers[0])
    keep(servers[0], state, redis_server)
    jobs = [
        gevent.spawn(servers[number % 2].adapter.restore_session, "pid", None)
        for number in range(10)
    ]
    found = [job.get(timeout=5) for job in jobs]
    assert [item for item in found if item] == [state]


def test_a_client_that_is_back_before_its_state_is_in_redis_waits_for_it(
    make: Callable[..., list[Server]],
) -> None:
    (one,) = make(1)
    state = session(one)
    one.adapter.persist_session(state)
    assert back(one, state) == []


def test_a_restart_of_a_server_changes_nothing(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    state = session(one)
    one.emit("n", 1)
    one.adapter.persist_session(state)
    one.close()
    (two,) = make(1)
    two.emit("n", 2)
    found = back(two, state)
    assert found is not None
    assert [value for value in found if isinstance(value, int)] == [1, 2]


def test_what_expired_is_gone(redis_server: RedisServer, make: Callable[..., list[Server]]) -> None:
    (one,) = make(1, away=0.2)
    state = session(one)
    keep(one, state, redis_server)
    wait_for(lambda: not redis_server.client.exists(KEY + "pid"))
    assert back(one, state) is None


def test_an_unknown_pid_or_offset_is_refused(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    state = session(one)
    assert back(one, state._replace(pid="unknown")) is None
    assert back(one, state._replace(pid="x" * 101)) is None
    for offset in ("", "x", "1", "-1-1", "1-1\n", "9" * 21 + "-0", "٣-1"):
        keep(one, state, redis_server)
        assert back(one, state, offset or "x") is None
        redis_server.client.delete(KEY + "pid")
    # Beyond the end: the stream that it comes from is lost.
    keep(one, state, redis_server)
    assert back(one, state, f"{2**62}-0") is None


def test_an_offset_whose_successors_are_gone_is_refused(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    state = session(one)
    for number in range(10):
        one.emit("n", number)
    keep(one, state, redis_server)
    redis_server.client.xtrim("socket.io", maxlen=5, approximate=False)
    assert back(one, state) is None
    keep(one, state, redis_server)
    first = redis_server.client.xrange("socket.io", count=1)[0][0].decode()
    assert back(one, state, first) == [6, 7, 8, 9]


def test_a_stream_that_was_lost_recovers_no_client(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    state = session(one)
    one.emit("n", 1)
    keep(one, state, redis_server)
    redis_server.client.delete("socket.io")
    assert back(one, state) is None


def test_a_client_that_joined_before_there_was_a_stream_is_recovered(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    redis_server.client.delete("socket.io")
    state = session(one)._replace(offset="0-0")
    keep(one, state, redis_server)
    assert back(one, state) == []
    keep(one, state, redis_server)
    one.emit("n", 1)
    assert back(one, state) == [1]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not base64!",
        base64.b64encode(b"\xc1"),
        base64.b64encode(pack([])),
        base64.b64encode(pack({"pid": "pid"})),
        base64.b64encode(pack({"pid": "pid", "sid": "s", "rooms": "red", "data": {}})),
        base64.b64encode(pack({"pid": "other", "sid": "s", "rooms": [], "data": {}})),
    ],
)
def test_a_malformed_session_is_none(
    redis_server: RedisServer, make: Callable[..., list[Server]], text: bytes
) -> None:
    (one,) = make(1)
    redis_server.client.set(KEY + "pid", text)
    assert one.adapter.restore_session("pid", one.adapter.current_offset()) is None


def test_a_session_of_a_node_server_is_recovered_from_what_its_client_says(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    offset = one.adapter.current_offset()
    theirs = {"sid": "sid", "pid": "pid", "rooms": ["sid", "red"], "data": {"a": 1}}
    redis_server.client.set(KEY + "pid", base64.b64encode(pack(theirs)))
    found = one.adapter.restore_session("pid", offset)
    assert found == SavedSocket("pid", "sid", ROOMS, {"a": 1}, offset)


def test_data_that_cannot_be_kept_is_left_out_and_the_rest_comes_back(
    redis_server: RedisServer, make: Callable[..., list[Server]], caplog: pytest.LogCaptureFixture
) -> None:
    (one,) = make(1)
    state = session(one)
    keep(one, state._replace(data={"x": object(), "name": "a", "half": "\ud83d"}), redis_server)
    found = one.adapter.restore_session("pid", one.adapter.current_offset())
    assert found is not None
    assert found.data == {"name": "a", "half": "\ud83d"}
    assert 'data["x"] of socket sid' in caplog.text


@pytest.mark.parametrize("pid", ["\ud83d", "é"], ids=ascii)
def test_a_private_id_that_is_none_finds_nothing(
    make: Callable[..., list[Server]], pid: str
) -> None:
    (one,) = make(1)
    assert one.adapter.restore_session(pid, one.adapter.current_offset()) is None


def test_entries_of_others_and_malformed_ones_are_passed_over(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    (one,) = make(1)
    state = session(one)
    keep(one, state, redis_server)
    add = redis_server.client.xadd
    one.emit("n", 1)
    packet = '{"packet":{"type":2,"data":["n",%s]},"opts":{"rooms":[],"except":[],"flags":{}}}'
    add("socket.io", {"uid": "x", "nsp": "/other", "type": "3", "data": packet % 2})
    add("socket.io", {"uid": "x", "nsp": "/", "type": "3", "data": "{"})
    add("socket.io", {"uid": "x", "nsp": "/", "type": "?", "data": packet % 3})
    add("socket.io", {"nothing": "at all"})
    add("socket.io", {"uid": "x", "nsp": "/", "type": "4", "data": '{"opts":{},"rooms":["a"]}'})
    add("socket.io", {"uid": "x", "nsp": "/", "type": "3", "data": packet % 4})
    one.emit("n", 5)
    assert back(one, state) == [1, 4, 5]


@pytest.mark.parametrize("switches", [False, True])
def test_what_is_delivered_while_pages_are_read_is_added_without_a_switch_of_greenlets(
    redis_server: RedisServer, make: Callable[..., list[Server]], switches: bool
) -> None:
    one, two = make(2)
    there, state = two.connect("there"), session(one)
    keep(one, state, redis_server)
    one.emit("n", 1)
    wait_for(lambda: numbers(there) == [1])

    class Encoder(DefaultParser):
        def encode(self, packet: Packet, compress: bool = True) -> Message:
            number = packet.data[1]
            if number == 1:
                one.emit("n", 2)  # the page has been read by now
                wait_for(lambda: numbers(there) == [1, 2])
            elif switches:
                gevent.sleep(0)
            return super().encode(packet, compress)

    two.namespace.parser = Encoder()
    if switches:
        with pytest.raises(GreenletSwitched):
            back(two, state)
    else:
        assert back(two, state) == [1, 2]


def test_more_than_a_page_is_read(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    one, two = make(2)
    state = session(one)
    keep(one, state, redis_server)
    jobs = [gevent.spawn(one.emit, "n", number) for number in range(2500)]
    gevent.joinall(jobs, timeout=10, raise_error=True)
    # An emit waits for its entry a second at most.
    wait_for(lambda: redis_server.client.xlen("socket.io") >= 2500)
    assert back(two, state) == list(range(2500))


def test_nothing_is_lost_or_doubled_while_others_emit(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    """Clients come and go between two servers while all three emit."""
    servers, chance = make(3), random.Random(3)
    sent: dict[int, list[int]] = {number: [] for number in range(3)}
    over = False

    def emit(number: int) -> None:
        count = 0
        while not over:
            servers[number].emit("n", number, count)
            sent[number].append(count)
            count += 1
            gevent.sleep(chance.choice((0, 0, 0.001)))

    def live(name: str) -> tuple[list[tuple[int, int]], int]:
        """A client that is cut off again and again."""
        got: list[list[Any]] = []
        rooms, offset, visits = frozenset({name, "red"}), servers[0].adapter.current_offset(), 0
        state = SavedSocket(f"pid {name}", name, rooms, {}, offset)
        while True:
            server = servers[visits % 2]
            if visits:
                found = server.adapter.restore_session(state.pid, offset)
                assert found is not None
                missed = server.adapter.missed_packets(found)
                assert missed is not None
                got += map(decoded, missed)
            socket = server.connect(name, "red")
            visits += 1
            gevent.sleep(chance.uniform(0, 0.03))
            last = over
            socket.disconnect()
            got += [decoded(message) for _, message, _ in socket.delivered]
            offset = got[-1][-1] if got else offset
            if last:
                return [(item[1], item[2]) for item in got], visits
            server.adapter.persist_session(state)
            wait_for(lambda: redis_server.client.exists(KEY + state.pid))

    emitters = [gevent.spawn(emit, number) for number in range(3)]
    clients = [gevent.spawn(live, f"client {number}") for number in range(5)]
    gevent.sleep(3)
    over = True
    gevent.joinall(emitters, timeout=5, raise_error=True)
    for client in clients:
        got, visits = client.get(timeout=5)
        assert visits > 20
        for number in range(3):
            mine = [count for origin, count in got if origin == number]
            assert mine == list(range(mine[0], mine[0] + len(mine))), "lost, doubled or reordered"


def test_an_emit_waits_once_and_for_a_second_at_most_when_redis_is_silent(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    one, two = make(2)
    here, there = one.connect("a"), two.connect("b")
    redis_server.pause()
    began = time.monotonic()
    one.emit("n", 1)
    first = time.monotonic() - began
    for number in range(2, 50):
        one.emit("n", number)
    # Forty-nine of them would wait for most of a minute.
    assert 0.9 < first < 3.0
    assert time.monotonic() - began - first < 3.0
    assert numbers(here) == list(range(1, 50))
    redis_server.resume()
    wait_for(lambda: len(numbers(there)) == 49)
    assert numbers(there) == list(range(1, 50))
    one.emit("n", 50)
    assert decoded(here.delivered[-1][1])[-1] == one.adapter.current_offset()


def test_without_redis_emits_go_on_and_no_client_is_recovered(
    redis_server: RedisServer, make: Callable[..., list[Server]]
) -> None:
    one, two = make(2)
    here, there, state = one.connect("a"), two.connect("b"), session(one)
    redis_server.stop()
    began = time.monotonic()
    one.adapter.persist_session(state)
    for number in range(10):
        one.emit("n", number)
    assert time.monotonic() - began < 3.0
    assert numbers(here) == list(range(10))
    with pytest.raises(OSError, match="onnect"):
        one.adapter.restore_session("pid", None)
    with pytest.raises(OSError, match="onnect"):
        one.adapter.missed_packets(state)
    redis_server.start()
    wait_for(lambda: len(numbers(there)) == 10)
    # What was kept meanwhile is there now, and so are the packets.
    wait_for(lambda: redis_server.client.exists(KEY + "pid"))
    assert back(two, state) == list(range(10))


def test_a_server_that_has_not_reached_redis_promises_nothing(redis_server: RedisServer) -> None:
    redis_server.stop()
    server = Server(RedisStreamsAdapter(redis_server.url))
    server.adapter.enable_recovery(RecoveryOptions(), time.monotonic)
    server.adapter.start()
    assert server.adapter.current_offset() == ""
    server.close()
    redis_server.start()


def test_a_broadcast_from_the_hub_does_not_block_it(make: Callable[..., list[Server]]) -> None:
    (one,) = make(1)
    socket = one.connect("a")
    gevent.get_hub().loop.run_callback(lambda: one.emit("n", 1))
    wait_for(lambda: numbers(socket) == [1])
