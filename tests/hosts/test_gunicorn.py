"""The watch over a gunicorn worker; real ones are in tests/hosts/test_shutdown.py."""

from __future__ import annotations

import atexit
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket

from flask_realtime import Server
from flask_realtime.adapters.base import Adapter
from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.adapters.cluster.loopback import LoopbackHub
from flask_realtime.hosts.finder import SocketFinder
from flask_realtime.hosts.gunicorn import WorkerWatch, find_worker, time_to_spread
from tests.fakes import request, settle, value_of, wait_until


class FakeWorker:
    """What a gunicorn worker shows to its hooks."""

    server_class = None

    def __init__(self, max_requests: int = 0, workers: int = 1) -> None:
        self.alive = True
        self.cfg = SimpleNamespace(max_requests=max_requests, graceful_timeout=1, workers=workers)
        self.heard: list[int] = []
        self.sockets: list[Any] = []

    def handle(self, number: int, frame: Any) -> None:
        self.heard.append(number)


@pytest.fixture(autouse=True)
def signals(quiet_hub: io.StringIO) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What the end of this process would call, the last first."""
    found: list[Callable[[], Any]] = []
    monkeypatch.setattr(atexit, "register", found.append)
    return found


@pytest.fixture
def gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("gunicorn.workers.ggevent")
    module.GeventWorker = FakeWorker  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("gunicorn")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1])
def test_a_worker_is_found_by_its_signal_handlers(number: signal.Signals) -> None:
    assert find_worker() is None
    worker = FakeWorker()
    signal.signal(number, worker.handle)
    assert find_worker() is worker


def test_without_gunicorn_there_is_no_worker() -> None:
    signal.signal(signal.SIGTERM, FakeWorker().handle)
    assert find_worker() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT])
def test_a_signal_closes_every_server_and_reaches_the_handlers_before(
    number: signal.Signals,
) -> None:
    worker, servers = FakeWorker(), [Server(), Server()]
    signal.signal(number, worker.handle)
    for server in servers:
        WorkerWatch(worker, server).start()
    os.kill(os.getpid(), number)
    wait_until(lambda: all(server.engine.is_closed for server in servers))
    assert worker.heard == [number]


def test_signals_that_are_ignored_stay_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WorkerWatch(FakeWorker(), Server()).start()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_worker_that_stops_by_itself_is_noticed() -> None:
    worker, server = FakeWorker(), Server()
    WorkerWatch(worker, server).start()
    worker.alive = False
    wait_until(lambda: server.engine.is_closed)


def test_a_worker_that_ends_at_once_closes_its_server_before_it_leaves_its_siblings(
    ends: list[Callable[[], Any]],
) -> None:
    worker, server = FakeWorker(), Server()
    seen: list[bool] = []
    # As the siblings do, which are there before the first request.
    atexit.register(lambda: seen.append(server.engine.is_closed))
    WorkerWatch(worker, server).start()
    worker.alive = False
    # Nothing has run since: the watch has not looked.
    for end in reversed(ends):
        end()
    assert seen == [True]


def test_the_end_of_a_forked_process_leaves_the_server_alone(
    ends: list[Callable[[], Any]],
) -> None:
    server = Server()
    WorkerWatch(FakeWorker(), server).start()
    (end,) = ends
    child = os.fork()
    if child == 0:
        end()
        os._exit(1 if server.engine.is_closed else 0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_clients_stay_until_the_worker_accepts_no_more_unless_it_is_in_a_hurry(
    number: signal.Signals,
) -> None:
    worker, server = FakeWorker(), Server()
    listener, _ = pair = socket.socketpair()
    worker.sockets.append(listener)
    signal.signal(number, worker.handle)
    WorkerWatch(worker, server).start()
    os.kill(os.getpid(), number)
    wait_until(lambda: worker.heard == [number])
    assert server.engine.is_refusing
    settle()
    assert server.engine.is_closed == (number == signal.SIGQUIT)
    for end in pair:
        end.close()
    wait_until(lambda: server.engine.is_closed)


def test_a_forked_process_leaves_the_clients_alone() -> None:
    worker, server = FakeWorker(), Server()
    signal.signal(signal.SIGTERM, worker.handle)
    watch = WorkerWatch(worker, server)
    watch.start()
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        gevent.sleep(0.05)
        os._exit(1 if server.engine.is_closed or worker.heard != [signal.SIGTERM] else 0)
    _, status = os.waitpid(child, 0)
    assert status == 0


def test_max_requests_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "flask_realtime"):
        WorkerWatch(FakeWorker(), Server()).start()
        assert caplog.records == []
        WorkerWatch(FakeWorker(1000), Server()).start()
        (record,) = caplog.records
    assert "max_requests = 1000" in record.getMessage()
    caplog.clear()


def test_a_worker_that_does_not_count_requests_is_not_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = FakeWorker(1000)
    worker.server_class = object  # type: ignore[assignment]
    WorkerWatch(worker, Server()).start()
    assert caplog.records == []


def test_clients_are_closed_within_the_graceful_timeout() -> None:
    assert time_to_spread(0, 30) == 0
    assert time_to_spread(10, 30) == 10
    assert 15 < time_to_spread(30, 30) < 25
    assert time_to_spread(30, 2) == 0


def test_a_graceful_timeout_that_is_too_short_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    WorkerWatch(FakeWorker(), Server(drain_seconds=10)).start()
    (record,) = caplog.records
    assert "drain_seconds = 10" in record.getMessage()
    (seconds,) = re.findall(r"--graceful-timeout (\d+)", record.getMessage())
    caplog.clear()
    worker = FakeWorker()
    worker.cfg.graceful_timeout = int(seconds)
    WorkerWatch(worker, Server(drain_seconds=10)).start()
    assert caplog.records == []


def test_sigquit_ends_the_time_of_the_clients_and_another_sigterm_does_not() -> None:
    worker, server = FakeWorker(), Server(drain_seconds=500)
    worker.cfg.graceful_timeout = 1000
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, worker.handle)
    WorkerWatch(worker, server).start()
    with server.test_client(), server.test_client() as second:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            wait_until(lambda: server.engine.clients_count == 1)
            gevent.sleep(0.05)
        assert second.connected
        assert not server.engine.is_closed
        os.kill(os.getpid(), signal.SIGQUIT)
        wait_until(lambda: server.engine.is_closed)


def cluster(namespace: Any) -> Adapter:
    return ClusterAdapter(namespace, LoopbackHub().bus())


@pytest.mark.parametrize(
    ("options", "told", "untold"),
    [
        ({}, ["redis://", '["websocket"]', "sticky", "-w 1"], []),
        ({"transports": ["websocket"]}, ["redis://", "-w 1"], ["sticky", "long-polling"]),
        ({"adapter": cluster}, ['["websocket"]', "sticky", "-w 1"], ["redis://"]),
    ],
)
def test_several_workers_that_cannot_work_together_are_warned_of(
    caplog: pytest.LogCaptureFixture, options: dict[str, Any], told: list[str], untold: list[str]
) -> None:
    WorkerWatch(FakeWorker(workers=4), Server(**options)).start()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "4 workers" in record.getMessage()
    for word in told:
        assert word in record.getMessage()
    for word in untold:
        assert word not in record.getMessage()


@pytest.mark.parametrize(
    ("workers", "options"), [(1, {}), (4, {"adapter": cluster, "transports": ["websocket"]})]
)
def test_workers_that_work_together_are_not_warned_of(
    caplog: pytest.LogCaptureFixture, workers: int, options: dict[str, Any]
) -> None:
    WorkerWatch(FakeWorker(workers=workers), Server(**options)).start()
    assert caplog.records == []


def test_requests_of_http_2_and_of_unknown_hosts_belong_to_no_connection() -> None:
    watch = WorkerWatch(FakeWorker(), Server())
    for version in ("HTTP/2", "HTTP/1.1"):
        value = value_of({"SERVER_PROTOCOL": version}, host=SocketFinder())
        connection = watch.enter(value)
        assert connection is None
        watch.leave(connection, value)


def test_the_connection_of_a_request_is_that_of_its_host() -> None:
    watch = WorkerWatch(FakeWorker(), Server())
    one, other = socket.socketpair()
    with one, other:
        value = value_of(request(connection=one), host=SocketFinder())
        assert watch.enter(value) is one
        watch.leave(one, value)


class FakeServer:
    """A server that knows its connections, as that of RealtimeWorker."""

    def __init__(self) -> None:
        self.is_ending = False

    def end_connections(self) -> None:
        self.is_ending = True


def test_servers_that_know_their_connections_are_told_and_requests_are_not_counted_twice() -> None:
    worker, server = FakeWorker(), FakeServer()
    assert WorkerWatch(worker, Server()).wants_requests
    worker.realtime_servers = [server]  # type: ignore[attr-defined]
    watch = WorkerWatch(worker, Server())
    assert not watch.wants_requests
    watch.start()
    assert not server.is_ending
    worker.alive = False
    wait_until(lambda: server.is_ending)
