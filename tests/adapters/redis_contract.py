"""What the adapters on Redis have in common: they do what every bus does, and live with faults.

Each has a test file with a class, and one for each of its variants::

    class TestMyAdapter(RedisContract, BusContract):
        def factory(self, server: RedisServer, timeout: float) -> Factory: ...

    class TestMyAdapterWithAnOption(RedisVariant): ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.os import fork

from flask_realtime.adapters.values import Target
from flask_realtime.errors import ClusterTimeout
from flask_realtime.testing.fakes import FakeNamespace, FakeSocket
from flask_realtime.testing.pytest.crowd import A, B, C, Crowd, D, MakeCluster, Question, ask, asked
from tests.adapters.redis_world import Cluster, Factory, Server, event, held, numbers, to, wait_for
from tests.redis_server import RedisServer
from tests.resources import is_no_more

EVERYONE = Target()


@pytest.mark.usefixtures("quiet_hub")
class RedisVariant:
    """An adapter with other options: its servers reach each other in every way."""

    def factory(self, server: RedisServer, timeout: float) -> Factory:
        """Return what makes the adapters of one server."""
        raise NotImplementedError

    @pytest.fixture
    def clusters(
        self, redis_server: RedisServer, quiet_hub: object
    ) -> Iterator[Callable[..., Cluster]]:
        made: list[Cluster] = []

        def make(timeout: float = 5) -> Cluster:
            made.append(Cluster(lambda: self.factory(redis_server, timeout)))
            return made[-1]

        yield make
        redis_server.resume()
        if not redis_server.is_running:
            redis_server.start()
        for cluster in made:
            cluster.close()

    @pytest.fixture
    def make_server(
        self, redis_server: RedisServer, quiet_hub: object
    ) -> Iterator[Callable[..., Server]]:
        """Make servers that are closed after the test, and not started."""
        made: list[Server] = []

        def make(factory: Factory | None = None, name: str = "/") -> Server:
            made.append(Server(factory or self.factory(redis_server, 5), name))
            return made[-1]

        yield make
        for server in made:
            server.close()

    @pytest.fixture
    def make_cluster(self, clusters: Callable[..., Cluster]) -> MakeCluster:
        def make(count: int, timeout: float = 5) -> list[FakeNamespace]:
            return [server.namespace for server in clusters(timeout).add(count)]

        return make

    @pytest.fixture
    def pair(self, clusters: Callable[..., Cluster]) -> list[Server]:
        return clusters(timeout=1).add(2)

    @staticmethod
    def answers(server: Server, count: int) -> bool:
        try:
            return server.adapter.server_count() == count
        except OSError:
            return False

    @staticmethod
    def reaches(server: Server, socket: FakeSocket, room: str) -> bool:
        server.emit("probe", target=to(room))
        gevent.sleep(0.02)
        return "probe" in socket.events

    def test_servers_reach_each_other_in_every_way(self, make_cluster: MakeCluster) -> None:
        crowd = Crowd(make_cluster(3))
        one, two, three = crowd.servers
        question = Question(one, to("red", "blue"))
        asked(*crowd.sockets[:3])
        for socket in crowd.sockets[:3]:
            socket.answer(socket.id)
        assert question.wait() == [A, B, C]
        two.adapter.broadcast(event("hello", b"bytes"), to("blue"))
        wait_for(lambda: ["hello" in socket.events for socket in crowd.sockets] == [0, 1, 1, 0])
        assert sorted(found.id for found in two.adapter.fetch_sockets(EVERYONE)) == [A, B, C, D]
        two.answer = three.answer = "yes"
        assert ask(one) == ["yes", "yes"]
        three.adapter.disconnect_sockets(to(A), True)
        wait_for(lambda: crowd.sockets[0].closed)


class RedisContract(RedisVariant):
    """What goes wrong, and who is held up by it; see the head of the file."""

    #: Whether nothing is lost during an outage.
    keeps = False

    @pytest.fixture(scope="class")
    @classmethod
    def servers(cls, calm_redis: RedisServer) -> Iterator[list[FakeNamespace]]:
        """Three servers for the tests of the contract of buses that change none of them."""
        with Cluster(lambda: cls().factory(calm_redis, 5)) as cluster:
            yield [server.namespace for server in cluster.add(3)]

    # --- faults --------------------------------------------------------------

    def test_redis_may_be_absent_at_the_start(
        self, quiet_hub: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        with (
            RedisServer(starts=False) as redis,
            Cluster(lambda: self.factory(redis, 1)) as cluster,
        ):
            one, two = (cluster.start() for _ in range(2))
            here = one.connect("a", "red")
            one.emit("n", 1)
            assert numbers(here) == [1]
            with pytest.raises(OSError, match=r"."):
                one.adapter.server_count()

            def complaints() -> int:
                return sum("out of reach:" in item.getMessage() for item in caplog.records)

            wait_for(lambda: complaints() == 2)
            assert not one.adapter.is_connected
            redis.start()
            cluster.wait_complete()
            wait_for(lambda: one.adapter.is_connected)
            there = two.connect("b")
            one.emit("n", 2)
            wait_for(lambda: 2 in numbers(there))
            # Still one line for each of the two servers.
            assert complaints() == 2

    def test_local_traffic_goes_on_without_redis_and_everything_heals(
        self,
        redis_server: RedisServer,
        pair: list[Server],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        one, two = pair
        here, there = one.connect("a", "red"), two.connect("b", "red")
        redis_server.stop()
        began = time.monotonic()
        for number in range(100):
            one.emit("n", number)
            gevent.sleep(0.001)
        here.join("late")
        there.join("late")
        assert time.monotonic() - began < 5
        assert numbers(here) == list(range(100))
        began = time.monotonic()
        with pytest.raises(OSError, match=r"."):
            one.adapter.server_count()
        with pytest.raises(ClusterTimeout, match="out of reach") as caught:
            one.adapter.fetch_sockets(EVERYONE)
        assert caught.value.responses == [here]
        assert time.monotonic() - began < 1.8
        assert not one.adapter.is_connected
        redis_server.start()
        wait_for(lambda: self.answers(one, 2) and self.answers(two, 2))
        wait_for(lambda: self.reaches(one, there, "late"))
        wait_for(lambda: one.adapter.is_connected)
        if self.keeps:
            assert numbers(there) == list(range(100))
        stats = one.adapter.stats()
        assert stats["unsent"] >= (0 if self.keeps else 100)
        assert stats["reconnects"] >= 1
        assert stats["queued_bytes"] == 0
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) <= 10, lines

    def test_a_pause_loses_nothing(self, redis_server: RedisServer, pair: list[Server]) -> None:
        one, two = pair
        here, there = one.connect("a"), two.connect("b")
        redis_server.pause()
        began = time.monotonic()
        for number in range(200):
            one.emit("n", number)
        assert time.monotonic() - began < 5
        assert numbers(here) == list(range(200))
        gevent.sleep(0.3)
        assert numbers(there) == []
        redis_server.resume()
        wait_for(lambda: len(numbers(there)) == 200)
        assert numbers(there) == list(range(200))
        stats = one.adapter.stats()
        assert (stats["unsent"], stats["reconnects"]) == (0, 0)

    def test_asking_while_redis_is_silent_ends(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, _ = pair
        here = one.connect("a")
        redis_server.pause()
        began = time.monotonic()
        with pytest.raises(ClusterTimeout, match="out of reach") as caught:
            one.adapter.fetch_sockets(EVERYONE)
        assert time.monotonic() - began < 4
        assert caught.value.responses == [here]

    def test_connections_that_are_killed_come_back(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, two = pair
        there = two.connect("b")
        sent = 0
        for _ in range(5):
            for kind in ("pubsub", "normal"):
                redis_server.kill_clients(kind)
                for _ in range(10):
                    one.emit("n", sent)
                    sent += 1
                    gevent.sleep(0.002)
        wait_for(lambda: self.answers(one, 2) and self.answers(two, 2))
        wait_for(lambda: self.reaches(one, there, "b"))
        found = numbers(there)
        if self.keeps:
            wait_for(lambda: len(numbers(there)) == sent)
            assert numbers(there) == list(range(sent))
        else:
            assert found == sorted(set(found))
        assert two.adapter.stats()["reconnects"] >= 1

    def test_joining_rooms_never_waits_for_redis(
        self, redis_server: RedisServer, pair: list[Server]
    ) -> None:
        one, _ = pair
        socket = one.connect("a")
        redis_server.pause()
        began = time.monotonic()
        for number in range(5000):
            socket.join(f"room {number} {'x' * 100}")
        for number in range(5000):
            socket.leave(f"room {number} {'x' * 100}")
        # It would be as many times the deadline of a command.
        assert time.monotonic() - began < 15

    # --- processes -----------------------------------------------------------

    def test_closing_leaves_nothing_behind(
        self, redis_server: RedisServer, clusters: Callable[..., Cluster]
    ) -> None:
        def open_and_close() -> None:
            cluster = clusters()
            one, two = cluster.add(2)
            two.connect("b", "red")
            one.emit("n", 1)
            one.adapter.fetch_sockets(EVERYONE)
            cluster.close()
            for server in (one, two):
                server.close()

        open_and_close()
        before = held()
        open_and_close()
        assert is_no_more(held(), before)
        wait_for(lambda: len(redis_server.client.client_list()) == 1)

    def test_a_namespace_that_is_closed_twice_takes_no_other_with_it(
        self,
        redis_server: RedisServer,
        clusters: Callable[..., Cluster],
        make_server: Callable[..., Server],
    ) -> None:
        factory = self.factory(redis_server, 5)
        main, chat = make_server(factory), make_server(factory, "/chat")
        (other,) = clusters().add(1)
        for server in (main, chat):
            server.adapter.start()
        wait_for(lambda: self.answers(main, 2))
        chat.close()
        chat.close()
        socket = main.connect("a")
        wait_for(lambda: self.reaches(other, socket, "a"))

    def test_a_server_that_is_made_before_a_fork_is_another_in_each_process(
        self, clusters: Callable[..., Cluster], make_server: Callable[..., Server]
    ) -> None:
        server = make_server()
        pid = fork()
        if pid == 0:
            status = 1
            try:
                self.live_in_a_child(server)
                status = 0
            finally:
                os._exit(status)
        other = clusters().start()
        server.adapter.start()
        socket = server.connect("parent")
        wait_for(lambda: self.answers(server, 3))
        while "from the child" not in socket.events:
            server.emit("to the child")
            gevent.sleep(0.01)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        wait_for(lambda: self.answers(other, 2))

    def live_in_a_child(self, server: Server) -> None:
        server.adapter.start()
        wait_for(lambda: self.answers(server, 3))
        socket = server.connect("child")
        wait_for(lambda: "to the child" in socket.events)
        server.emit("from the child")
        gevent.sleep(0.1)
        server.close()
