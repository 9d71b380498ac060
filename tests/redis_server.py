"""Real Redis servers for the tests, on free ports and in folders of their own."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from types import TracebackType
from typing import Any

import pytest
import redis

from tests.processes import Late, Process, free_port

STARTED = 10.0


def redis_server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        pytest.fail(
            "these tests need Redis 7 or later: `redis-server` is not on the PATH "
            "(apt-get install redis-server, brew install redis, or ./dev test)"
        )
    return found


class RedisServer:
    """A Redis server that can be stopped, paused and started again on the same port.

    Args:
        keeps: Whether what it holds survives a restart.
        starts: Whether it is started now.
        options: More options of redis-server, such as ``--cluster-enabled yes``.
    """

    def __init__(self, *options: str, keeps: bool = False, starts: bool = True) -> None:
        self.program = redis_server()
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="redis-")
        self._options = [*options, "--appendonly", "yes" if keeps else "no"]
        # What the system holds survives the process; the disk is not waited for.
        self._options += ["--appendfsync", "no"] if keeps else []
        self._process: RedisProcess | None = None
        self.client: Any = redis.Redis(port=self.port, socket_timeout=5)
        if starts:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def urls(self) -> list[str]:
        return [self.url]

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None, "it runs already"
        command = [self.program, "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", self.folder, "--save", "", "--loglevel", "notice", *self._options]
        self._process = RedisProcess(command)
        self._process.wait_for("Ready to accept connections", within=STARTED)
        self.client.ping()

    def stop(self) -> None:
        """SIGTERM: its connections end, its port is closed."""
        process, self._process = self._process, None
        if process is not None:
            try:
                process.resume()
                process.terminate()
            finally:
                process.reap()
        self.client.connection_pool.disconnect()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: it answers nothing, and its connections stay."""
        assert self._process is not None
        self._process.pause()

    def resume(self) -> None:
        assert self._process is not None
        self._process.resume()

    def kill_clients(self, kind: str) -> int:
        """Close the connections of a kind, ``normal`` or ``pubsub``; how many there were."""
        return int(self.client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))

    def sharded_subscribers(self, channel: str) -> int:
        return int(self.client.execute_command("PUBSUB", "SHARDNUMSUB", channel)[1])

    def blocked_clients(self) -> int:
        return int(self.client.info("clients")["blocked_clients"])

    def close(self) -> None:
        """End it and remove its folder; harmless when called twice."""
        try:
            self.stop()
        finally:
            self.client.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RedisProcess(Process):
    def pause(self) -> None:
        os.kill(self._popen.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self._popen.poll() is None:
            os.kill(self._popen.pid, signal.SIGCONT)


class RedisCluster:
    """Three Redis servers that share the slots, without replicas."""

    #: Those of each server at first.
    SLOTS = (range(5461), range(5461, 10923), range(10923, 16384))

    def __init__(self) -> None:
        self.servers: list[RedisServer] = []
        # The port of the bus, which is 10,000 above the other unless it is named.
        self._buses = [free_port() for _ in range(3)]
        try:
            for bus in self._buses:
                options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
                self.servers.append(RedisServer(*options))
            self._meet()
        except BaseException:
            self.close()
            raise

    def _meet(self) -> None:
        first = self.servers[0]
        for number, server in enumerate(self.servers):
            server.client.cluster("SET-CONFIG-EPOCH", number + 1)
            slots = self.SLOTS[number]
            server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])
            if server is not first:
                server.client.cluster("MEET", "127.0.0.1", first.port, self._buses[0])
        deadline = time.monotonic() + STARTED
        while not all(self._is_complete(server) for server in self.servers):
            if time.monotonic() > deadline:
                raise Late(f"no Redis Cluster; {[s.client.cluster('INFO') for s in self.servers]}")
            time.sleep(0.02)

    @staticmethod
    def _is_complete(server: RedisServer) -> bool:
        info = server.client.cluster("INFO")
        return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def sharded_subscribers(self, channel: str) -> int:
        """Subscriptions to a sharded channel, wherever its slot is."""
        return sum(server.sharded_subscribers(channel) for server in self.servers)

    def move(self, slots: range, giver: RedisServer, taker: RedisServer) -> None:
        """Give slots, which hold no key, to another server; all of them know it then."""
        old, new = giver.client.cluster("MYID"), taker.client.cluster("MYID")
        # The end of an import makes the epoch of the taker the newest. With an older one each
        # message of the giver would take the slots back.
        taker.client.execute_command("CLUSTER", "SETSLOT", slots[0], "IMPORTING", old)
        pipeline = taker.client.pipeline(transaction=False)
        for slot in slots:
            pipeline.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new)
        pipeline.execute()
        deadline = time.monotonic() + STARTED
        while not all(self._owner(server, slots[-1]) == taker.port for server in self.servers):
            if time.monotonic() > deadline:
                raise Late("the servers do not agree who has the slots")
            time.sleep(0.02)

    @staticmethod
    def _owner(server: RedisServer, slot: int) -> int | None:
        for first, last, (_, port, *_), *_ in server.client.execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(port)
        return None

    def blocked_clients(self) -> int:
        return sum(server.blocked_clients() for server in self.servers)

    def close(self) -> None:
        for server in self.servers:
            server.close()

    def __enter__(self) -> RedisCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
