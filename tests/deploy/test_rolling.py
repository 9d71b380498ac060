"""A host is stopped while the other takes its clients, with nginx in front of both."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import websocket

from tests.certificate import Certificate
from tests.deploy import example
from tests.deploy.crowd import Crowd, counting
from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.interop.wire import hang_up
from tests.nginx import Proxy, running
from tests.processes import ROOT, ServerProcess, eventually, python
from tests.redis_server import RedisServer

CLIENTS, SECONDS = 24, 4


@pytest.fixture
def hosts(redis: RedisServer) -> Iterator[list[ServerProcess]]:
    env = {
        "FLASK_REALTIME_ADAPTER": redis.url.replace("redis:", "redis+streams:"),
        "FLASK_REALTIME_CONNECTION_STATE_RECOVERY": "true",
        "FLASK_REALTIME_DRAIN_SECONDS": str(SECONDS),
    }
    command = python(str(example.FOLDER / "web.py"), "--port", "0")
    with ExitStack() as stack:
        yield [
            stack.enter_context(ServerProcess(command, ready=r"http://127\.0\.0\.1:(\d+)", env=env))
            for _ in range(2)
        ]


@pytest.fixture
def proxy(hosts: list[ServerProcess], certificate: Certificate, tmp_path: Path) -> Iterator[Proxy]:
    addresses = {f"web{number}:5000": host.port for number, host in enumerate(hosts, 1)}
    configuration = example.text("nginx.conf")
    # The log has a line for each request that the stopped host did not take.
    with running(configuration, addresses, tmp_path, certificate, "/livez", ["upstream"]) as found:
        yield found


def status(host: ServerProcess, path: str) -> int:
    return requests.get(host.url + path, timeout=5).status_code


def clients(host: ServerProcess) -> int:
    found: int = requests.get(f"{host.url}/readyz", timeout=5).json()["clients"]
    return found


def test_clients_move_over_one_by_one_and_miss_nothing(
    hosts: list[ServerProcess], proxy: Proxy, redis: RedisServer
) -> None:
    for host in hosts:
        eventually(lambda: status(host, "/readyz") == 200, what=host.report())  # noqa: B023
    trust = {"NODE_EXTRA_CA_CERTS": proxy.verify}
    with Crowd(proxy.url, CLIENTS, trust) as crowd, counting(redis.url) as numbers:
        # All have one address.
        leaving, staying = sorted(hosts, key=clients, reverse=True)
        assert (clients(leaving), clients(staying)) == (CLIENTS, 0)
        eventually(lambda: numbers.last > 10)
        leaving.signal(signal.SIGTERM)
        eventually(lambda: status(leaving, "/readyz") == 503)
        assert status(leaving, "/livez") == 200
        assert leaving.wait(within=SECONDS + 8) == 0
        crowd.come_back()
        assert clients(staying) == CLIENTS
        slices = crowd.slices(SECONDS / 4)
        assert len(slices) >= 3, slices
        assert max(slices) <= CLIENTS / 2, slices
        crowd.received_all(numbers.end())
    for host in hosts:
        host.stop()


def test_workers_of_one_host_hand_over_even_the_state_of_clients(tmp_path: Path) -> None:
    """Without Redis: each client moves while the worker that has its state is still there."""
    env = {
        "FLASK_REALTIME_CONNECTION_STATE_RECOVERY": "true",
        "FLASK_REALTIME_DRAIN_SECONDS": "2",
        "PYTHONPATH": f"{example.FOLDER}:{ROOT}",
    }
    # Preloaded, so that the new workers are there when the old ones are told to stop.
    flags = ["-k", "gevent", "-w", "2", "--preload", "-b", "127.0.0.1:0", *gunicorn_flags()]
    command = python("-m", "gunicorn", *flags, "web:app")
    with ServerProcess(command, ready=GUNICORN_READY, env=env) as server:
        with Crowd(server.url, CLIENTS) as crowd:
            server.signal(signal.SIGHUP)
            eventually(lambda: len(crowd.said("back")) == CLIENTS, within=30, what=crowd.report())
            recovered = [value["recovered"] for value in crowd.said("back")]
            # On a slow machine some come after the end of the worker.
            assert sum(recovered) >= CLIENTS / 2, recovered
        server.signal(signal.SIGQUIT)
        server.wait()
        assert not server.has_traceback, server.report()


@contextmanager
def two_clients(server: ServerProcess) -> Iterator[list[websocket.WebSocket]]:
    url = f"{server.ws_url}/socket.io/?EIO=4&transport=websocket"
    clients = [websocket.create_connection(url, timeout=0.5) for _ in range(2)]
    for client in clients:
        assert str(client.recv()).startswith("0{")
    yield clients
    for client in clients:
        hang_up(client)


def is_closed(client: websocket.WebSocket) -> bool:
    """Whether the server closes the connection within half a second."""
    try:
        opcode, _ = client.recv_data()
    except websocket.WebSocketTimeoutException:
        return False
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return True


@pytest.fixture
def patient() -> Iterator[ServerProcess]:
    """A server that would take very long to end."""
    command = python(str(example.FOLDER / "web.py"), "--port", "0")
    env = {"FLASK_REALTIME_DRAIN_SECONDS": "600"}
    with ServerProcess(command, ready=r"http://127\.0\.0\.1:(\d+)", env=env) as server:
        yield server


def test_another_sigterm_ends_the_wait(patient: ServerProcess) -> None:
    with two_clients(patient) as (first, second):
        patient.request_end()
        eventually(lambda: is_closed(first))
        assert not is_closed(second)

        def closes_now() -> bool:
            patient.request_end()
            return is_closed(second)

        eventually(closes_now, within=10)
        assert patient.wait() == 0
        assert not patient.has_traceback, patient.report()


def test_sigint_does_not_wait(patient: ServerProcess) -> None:
    with two_clients(patient) as clients:
        patient.signal(signal.SIGINT)
        for client in clients:
            eventually(lambda: is_closed(client))  # noqa: B023
        assert patient.wait() == 0
        assert not patient.has_traceback, patient.report()
