"""What a broken connection has sent is either done when the caller looks, or never."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import gevent
import pytest
import redis
from gevent.event import Event
from gevent.server import StreamServer

from flask_realtime.adapters.redis.commands import CommandConnection
from flask_realtime.adapters.redis.link import RedisLink, redis_errors
from tests.adapters.redis_world import wait_for
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")


@pytest.fixture
def line(redis_server: RedisServer) -> Iterator[CommandConnection]:
    made = CommandConnection(RedisLink(redis_server.url), timeout=0.3)
    yield made
    made.close()


def connections(server: RedisServer) -> int:
    return len(server.client.client_list(_type="normal")) - 1


def test_one_connection_serves_all_commands(
    redis_server: RedisServer, line: CommandConnection
) -> None:
    before = connections(redis_server)
    for _ in range(3):
        assert line.execute([("INCR", "a"), ("INCR", "b")])[0] > 0
    assert connections(redis_server) == before + 1
    line.close()
    line.close()
    assert line.execute([("GET", "a")]) == [b"3"]


def test_refused_commands_leave_the_others_as_they_are(line: CommandConnection) -> None:
    one, two, three = line.execute([("SET", "a", 1), ("RPUSH", "a", 1), ("GET", "a")])
    assert (one, three) == (b"OK", b"1")
    assert isinstance(two, redis.ResponseError)


def test_words_are_texts_bytes_and_numbers(line: CommandConnection) -> None:
    data = bytes(range(256)) + "é\r\n".encode()
    commands = [("SET", "é", data), ("GET", "é"), ("SET", "ü", 5), ("INCR", "ü"), ("SET", "", "")]
    assert line.execute([*commands, ("GET", "")]) == [b"OK", data, b"OK", 6, b"OK", b""]


def test_a_connection_that_broke_meanwhile_is_noticed(
    redis_server: RedisServer, line: CommandConnection
) -> None:
    line.check()  # there is none yet
    line.execute([("PING", "")])
    line.check()
    redis_server.kill_clients("normal")
    line.check()
    assert line.execute([("INCR", "a")]) == [1]


def test_a_server_that_is_gone_raises_and_is_found_again(
    redis_server: RedisServer, line: CommandConnection
) -> None:
    line.execute([("PING", "")])
    redis_server.stop()
    for _ in range(2):
        with pytest.raises(redis_errors()):
            line.execute([("INCR", "a")])
    with pytest.raises(redis_errors()):
        line.execute([("INCR", "a")])
    redis_server.start()
    assert line.execute([("INCR", "b")]) == [1]


def test_a_server_that_takes_no_writes_now_is_out_of_reach(
    redis_server: RedisServer, line: CommandConnection
) -> None:
    redis_server.client.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(redis.ReadOnlyError):
            line.execute([("GET", "a"), ("INCR", "a")])
    finally:
        redis_server.client.replicaof("NO", "ONE")
    assert line.execute([("INCR", "a")]) == [1]


class Detour:
    """A way to Redis on which what is sent can be held back, as a network may do."""

    def __init__(self, server: RedisServer) -> None:
        self._address = ("127.0.0.1", server.port)
        self._front = StreamServer(("127.0.0.1", 0), self._carry)
        self._front.start()
        self._is_open = Event()
        self._is_open.set()
        #: How many have gone their way, to Redis or nowhere.
        self.delivered = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._front.server_port}"

    def hold(self) -> None:
        """What arrives from now on waits; new connections are free."""
        self._is_open.clear()

    def release(self) -> None:
        self._is_open.set()

    def _carry(self, near: socket.socket, _: object) -> None:
        passes = self._is_open if self._is_open.is_set() else None
        with socket.create_connection(self._address) as far:
            back = gevent.spawn(self._copy, far, near, None)
            self._copy(near, far, passes)
            back.kill()
        self.delivered += 1

    def _copy(self, source: socket.socket, sink: socket.socket, passes: Event | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if passes is not None:
                    passes.wait()
                sink.sendall(data)

    def close(self) -> None:
        self.release()
        self._front.stop()


def test_what_a_failed_connection_has_sent_is_never_done_once_there_is_another(
    redis_server: RedisServer,
) -> None:
    detour = Detour(redis_server)
    line = CommandConnection(RedisLink(detour.url), timeout=0.2)
    line.execute([("INCR", "a")])
    detour.hold()
    with pytest.raises(redis_errors()):
        line.execute([("INCR", "a")])
    assert line.execute([("GET", "a")]) == [b"1"]
    detour.release()
    wait_for(lambda: detour.delivered == 1)
    assert line.execute([("GET", "a")]) == [b"1"]
    line.close()
    detour.close()
