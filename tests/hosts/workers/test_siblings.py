"""gunicorn with many workers is one server: real processes, the official client."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gevent
import pytest
import requests
from gevent.socket import socketpair

from flask_realtime import Server
from flask_realtime.engine.requests.host import NoHost
from flask_realtime.engine.requests.request import Request
from flask_realtime.hosts.workers.replay import ReplaySocket
from flask_realtime.hosts.workers.siblings import Siblings
from flask_realtime.testing import TestClient
from tests.certificate import Certificate
from tests.fakes import deadline, settle, wait_until
from tests.hosts.conftest import GEVENT_WEBSOCKET_WORKER, REALTIME_WORKER
from tests.hosts.workers.crowd import STEP, Crowd, Fleet, crowd, fleet
from tests.processes import Process, eventually, free_port
from tests.redis_server import RedisServer

KINDS = ["gevent", "gevent_pywsgi", GEVENT_WEBSOCKET_WORKER, REALTIME_WORKER]


@pytest.mark.parametrize("kind", KINDS)
def test_clients_on_any_worker_are_clients_of_one_server(kind: str) -> None:
    with fleet(kind=kind) as server, crowd(server.url, 24) as clients:
        clients.assert_one_server(server)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_each_transport_works_by_itself(kind: str, transports: str) -> None:
    with fleet(kind=kind) as server, crowd(server.url, 12, transports) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


def test_an_application_that_is_loaded_before_the_fork_works_the_same() -> None:
    with fleet("--preload") as server, crowd(server.url, 12) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        assert clients.ask("call", 0, "count") == [4, 12]
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


@pytest.mark.parametrize("kind", ["gevent", "gevent_pywsgi", REALTIME_WORKER])
def test_connections_with_tls_are_passed_through(kind: str, certificate: Certificate) -> None:
    pair = ["--certfile", str(certificate.certificate), "--keyfile", str(certificate.key)]
    trust = {"NODE_EXTRA_CA_CERTS": str(certificate.certificate)}
    with (
        fleet(*pair, kind=kind, scheme="https") as server,
        crowd(server.url, 12, env=trust) as clients,
    ):
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("upgraded")
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


def talk(server: Fleet, url: str | None = None, **options: Any) -> dict[str, Any]:
    """A crowd chatters without an error; return what it has seen."""
    with crowd(url or server.url, 12, **options) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("stop")
        seen = clients.assert_nothing_went_wrong()
        assert seen["reasons"] == {}
        return seen


def recovering(seconds: float = 60) -> dict[str, str]:
    options = {"connection_state_recovery": {"max_disconnection_duration": seconds}}
    return {"TEST_OPTIONS": json.dumps(options)}


@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_clients_that_come_back_to_another_worker_are_recovered(transports: str) -> None:
    with (
        fleet(env=recovering()) as server,
        crowd(server.url, 16, transports) as clients,
        Crowd(server.url, 1) as speaker,
    ):
        speaker.ask("connected")
        for number in range(16):
            clients.ask("call", number, "join", "red")
        for round_ in range(3):
            speaker.ask("call", 0, "say", "red", f"present {round_}")
            eventually(lambda: _heard(clients, 2 * round_ + 1), within=STEP)  # noqa: B023
            clients.ask("cut")
            speaker.ask("call", 0, "say", "red", f"away {round_}")
            clients.ask("back")
            assert clients.ask("recovered") == [True] * 16
            eventually(lambda: _heard(clients, 2 * round_ + 2), within=STEP)  # noqa: B023
        expected = [f"{what} {round_}" for round_ in range(3) for what in ("present", "away")]
        for heard in clients.ask("heard"):
            assert [values[0] for values in heard] == expected
        assert clients.ask("seen")["errors"] == []


def _heard(clients: Crowd, count: int) -> bool:
    return all(len(heard) == count for heard in clients.ask("heard"))


def test_an_application_may_make_its_own_ids() -> None:
    with fleet(env={"TEST_OWN_IDS": "1"}) as server:
        talk(server)


@pytest.mark.parametrize("kind", ["gevent", "gevent_pywsgi", REALTIME_WORKER])
def test_middlewares_may_wrap_the_application(kind: str) -> None:
    with fleet(app="tests.hosts.workers.app:wrapped", kind=kind) as server:
        talk(server)
        assert not server.has_traceback


def test_workers_that_are_told_to_stay_alone_do_not_meet() -> None:
    env = {"TEST_OPTIONS": json.dumps({"workers": "alone"})}
    with Fleet(env=env, workers=2) as server:
        eventually(lambda: len(server.workers()) == 2)
        assert "siblings" not in server.stats()
        server.stop()


PROXIES = {
    "v1": b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n",
    # Signature, PROXY, TCP over IPv4, 12 bytes: two addresses and two ports.
    "v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\x09\0\x0a",
}


@pytest.mark.parametrize("version", PROXIES)
def test_a_proxy_may_say_who_the_client_is(version: str) -> None:
    with fleet("--proxy-protocol", version) as server:
        line = PROXIES[version]

        def ask(method: str, path: str, body: bytes = b"") -> bytes:
            with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
                head = f"{method} /socket.io/?EIO=4&transport=polling{path} HTTP/1.1\r\n"
                head += f"Host: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
                sock.sendall(line + head.encode() + body)
                answer = b""
                while data := sock.recv(65_536):
                    answer += data
                return answer

        for _ in range(4):
            opened = ask("GET", "").partition(b"\r\n\r\n")[2]
            sid = json.loads(opened[1:])["sid"]
            for _ in range(6):
                assert ask("POST", f"&sid={sid}", b"4hi").endswith(b"\r\n\r\nok")
        eventually(lambda: server.stderr.count("from 1.2.3.4") == 4)


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 8; }}
  map $http_upgrade $connection_header {{ default upgrade; "" "{idle}"; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://app; proxy_http_version {version};
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_header;
    }}
  }}
}}
"""


@pytest.mark.parametrize(
    ("version", "idle", "transports"),
    [("1.1", "", "polling,websocket"), ("1.1", "", "polling"), ("1.0", "close", "polling")],
)
def test_clients_share_the_connections_of_a_proxy(
    tmp_path: Path, version: str, idle: str, transports: str
) -> None:
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    with fleet() as server:
        text = NGINX.format(
            folder=tmp_path, upstream=server.port, port=port, version=version, idle=idle
        )
        config = tmp_path / "nginx.conf"
        config.write_text(text)
        with Process([nginx, "-p", str(tmp_path), "-c", str(config)]):
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: _answers(url), within=STEP)
            with crowd(url, 16, transports) as clients:
                clients.ask("chatter")
                clients.ask("answers", 200)
                clients.ask("stop")
                assert clients.assert_nothing_went_wrong()["reasons"] == {}


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_new_sessions_are_spread_evenly() -> None:
    with fleet() as server, crowd(server.url, 60, "websocket") as clients:
        pids = clients.ask("pids")
        counts = [pids.count(pid) for pid in server.workers()]
        assert max(counts) - min(counts) <= 8, counts


def test_a_protocol_that_has_no_connections_to_give_is_named_in_the_log() -> None:
    command = ["--protocol", "uwsgi"]
    with Fleet(*command, workers=2) as server:
        eventually(lambda: server.stderr.count("--protocol uwsgi") == 2, within=STEP)
        server.stop()


def test_a_worker_that_is_stopped_for_a_while_is_found_again() -> None:
    with fleet(workers=2) as server:
        victim = server.workers()[0]
        os.kill(victim, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(victim, signal.SIGCONT)
        talk(server)


def test_with_redis_the_workers_hand_over_and_redis_carries_what_they_say() -> None:
    with RedisServer() as redis:
        env = {"TEST_OPTIONS": json.dumps({"adapter": redis.url})}
        with fleet(env=env) as server, crowd(server.url, 24) as clients:
            clients.ask("chatter")
            clients.ask("answers", 100)
            clients.ask("emit", 0, "say", None, "hello")
            eventually(lambda: _heard(clients, 1), within=STEP)
            clients.ask("stop")
            assert clients.assert_nothing_went_wrong()["reasons"] == {}
            found = server.all_stats().values()
            assert sum(stats["siblings_handed_over"] for stats in found) > 0
            assert sum(stats["adapter_received"] for stats in found) > 0


class Host:
    """As much of a worker's server as its siblings look at."""

    by_address = is_ending = is_last = False
    patience = 1.0
    capacity: int | None = 10

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.listeners: list[Any] = [listener]
        self.folder: str | None = str(folder)

    def serve(self, sock: Any, local: Any, peer: Any) -> None:
        sock.sendall(b"served")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder whose name is short enough for sockets."""
    with TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def request(sid: str | None, **more: Any) -> Request:
    query = "EIO=4&transport=polling" + ("" if sid is None else f"&sid={sid}")
    environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": query, "PATH_INFO": "/socket.io/", **more}
    return Request(environ, lambda *_: print, NoHost())


def test_a_request_whose_connection_cannot_move_is_answered_here_with_one_line_in_the_log(
    folder: Path, listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    made = [Siblings.meet(Host(folder, listener), Server(), lambda *_: []) for _ in range(2)]
    one, two = [found for found in made if found is not None]
    wait_until(lambda: one.stats()["siblings"] == two.stats()["siblings"] == 1)
    for _ in range(3):
        assert one.route(request("x" * 16 + two.tag, SERVER_PROTOCOL="HTTP/2")) is None
    assert caplog.text.count("HTTP/2 does not give its connection") == 1
    # What is here, and what belongs to no worker, is served here.
    assert one.route(request("x" * 16 + one.tag)) is None
    assert one.route(request("x" * 16 + "gone")) is None
    assert one.route(request(None)) is None
    one.close()
    two.close()


def test_a_request_that_comes_back_is_told_to_come_again_while_its_worker_lives(
    folder: Path, listener: socket.socket
) -> None:
    made = [Siblings.meet(Host(folder, listener), Server(), lambda *_: []) for _ in range(2)]
    one, two = [found for found in made if found is not None]
    wait_until(lambda: one.stats()["siblings"] == two.stats()["siblings"] == 1)
    ours, theirs = socket.socketpair()
    moved = ReplaySocket(theirs.detach(), b"", 1)
    answers: list[tuple[str, Any]] = []

    def route(tag: str) -> bool:
        """Whether an answer was given; the request came from a sibling."""
        moved.hops = 1
        coming = request("x" * 16 + tag, **{"gunicorn.socket": moved})
        coming.start_response = lambda *answer: answers.append(answer)  # type: ignore[assignment]
        return one.route(coming) is not None

    assert route(two.tag)
    (status, headers) = answers[0]
    assert (status, dict(headers)["Retry-After"]) == ("503 SERVICE UNAVAILABLE", "1")
    # A session of this worker is over; one of a worker that is gone is lost.
    assert not route(one.tag)
    two.close()
    wait_until(lambda: not route(two.tag))
    one.close()
    moved.close()
    ours.close()


@pytest.mark.parametrize("are_both_ending", [False, True])
def test_a_request_on_its_way_to_a_sibling_outlives_the_end_of_its_worker(
    folder: Path, listener: socket.socket, are_both_ending: bool
) -> None:
    made = [Siblings.meet(Host(folder, listener), Server(), lambda *_: []) for _ in range(2)]
    one, two = [found for found in made if found is not None]
    wait_until(lambda: one.stats()["siblings"] == two.stats()["siblings"] == 1)
    client, sock = socketpair()
    assert one.route(moving(sock, "x" * 16 + two.tag)) is not None
    # Nothing has run since: the sibling has not seen it yet.
    ends = [gevent.spawn(two.close)] if are_both_ending else []
    one.close()
    gevent.joinall(ends, raise_error=True)
    assert one.stats()["siblings_taken"] + two.stats()["siblings_taken"] == 1
    # Not a moment later: the process has ended.
    client.settimeout(0)
    assert client.recv(100) == b"served"
    two.close()
    client.close()
    sock.close()


class Placing(Host):
    """A host whose siblings decide where each request is served."""

    siblings: Siblings | None = None

    def serve(self, sock: Any, local: Any, peer: Any) -> None:
        assert self.siblings is not None
        assert self.siblings.route(moving(sock, None)) is not None


def moving(sock: Any, sid: str | None) -> Request:
    """A request on a connection that can be handed over."""
    body = io.BufferedReader(io.BytesIO())
    host = {"gunicorn.sock": sock, "wsgi.input": body}
    return request(sid, SERVER_PROTOCOL="HTTP/1.1", **host)


def test_a_new_session_waits_in_a_worker_that_ends_for_one_that_begins(
    folder: Path, listener: socket.socket
) -> None:
    host, leaving = Placing(folder, listener), Server()
    one = host.siblings = Siblings.meet(host, leaving, lambda *_: [])
    two = Siblings.meet(Host(folder, listener), Server(), lambda *_: [])
    assert one is not None
    assert two is not None
    wait_until(lambda: one.stats()["siblings"] == two.stats()["siblings"] == 1)
    client, sock = socketpair()
    assert two.route(moving(sock, "x" * 16 + one.tag)) is not None
    leaving.refuse()
    two.close()
    wait_until(lambda: one.stats() | {"siblings_taken": 1, "siblings": 0} == one.stats())
    # It cannot be found any more, and finds others.
    ending = gevent.spawn(one.close)
    settle()
    assert not ending.dead
    three = Siblings.meet(Host(folder, listener), Server(), lambda *_: [])
    assert three is not None
    ending.get(timeout=5.0)
    client.settimeout(5.0)
    assert client.recv(100) == b"served"
    assert three.stats()["siblings_taken"] == 1
    three.close()
    client.close()
    sock.close()


@pytest.mark.parametrize("hops", [3, 4])
def test_a_new_session_that_those_who_stop_have_sent_around_finds_one_that_stays(
    folder: Path, listener: socket.socket, hops: int
) -> None:
    leaving = Server()
    made = [Siblings.meet(Host(folder, listener), io, lambda *_: []) for io in (leaving, Server())]
    one, two = [found for found in made if found is not None]
    wait_until(lambda: one.stats()["siblings"] == two.stats()["siblings"] == 1)
    leaving.refuse()
    client, theirs = socket.socketpair()
    moved = ReplaySocket(theirs.detach(), b"", hops)
    assert one.route(moving(moved, None)) is not None
    wait_until(lambda: two.stats()["siblings_taken"] == 1)
    client.settimeout(5.0)
    assert client.recv(100) == b"served"
    one.close()
    two.close()
    moved.close()
    client.close()


def test_the_end_of_all_waits_for_the_sessions_of_each(
    folder: Path, listener: socket.socket
) -> None:
    servers = [Server(), Server()]
    made = [Siblings.meet(Host(folder, listener), io, lambda *_: []) for io in servers]
    one, two = [found for found in made if found is not None]
    wait_until(lambda: one.stats()["siblings"] == two.stats()["siblings"] == 1)
    with deadline():
        one.wait_for_all(60.0)  # the other one has none
    client = TestClient(servers[1])
    # It is told from time to time.
    wait_until(lambda: waits(one))
    client.disconnect()
    with deadline():
        one.wait_for_all(60.0)
    one.close()
    two.close()


def waits(siblings: Siblings) -> bool:
    """Whether a moment is not enough for the sessions of others to end."""
    began = time.monotonic()
    siblings.wait_for_all(0.2)
    return time.monotonic() - began > 0.1


def test_a_worker_that_cannot_be_found_goes_on_alone(
    tmp_path: Path, listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    for folder in (tmp_path / "gone", long):
        server = Server()
        worker = Host(folder, listener)
        assert Siblings.meet(worker, server, lambda *_: []) is None
        assert "siblings" not in server.engine.stats()
    assert caplog.text.count("do not share sessions") == 2
