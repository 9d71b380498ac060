"""Every way to reach Redis works alike: answers are bytes, and nothing is tried twice."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
from gevent.os import fork
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster as ClusterClient
from redis.retry import Retry
from redis.sentinel import Sentinel

from flask_realtime.adapters.redis.classic import RedisAdapter
from flask_realtime.adapters.redis.commands import CommandConnection
from flask_realtime.adapters.redis.link import RedisLink, error_code
from tests.adapters.redis_world import wait_for
from tests.processes import free_port
from tests.redis_server import RedisCluster, RedisProcess, RedisServer, redis_server

pytestmark = pytest.mark.usefixtures("quiet_hub")


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisServer]:
    """A Redis with a password that listens on a Unix socket as well."""
    folder = tempfile.mkdtemp(prefix="redis-")
    with RedisServer("--unixsocket", f"{folder}/redis.sock", starts=False) as server:
        server.start()
        server.client.config_set("requirepass", "secret")
        server.client = redis.Redis(port=server.port, password="secret")
        yield server
    os.rmdir(folder)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: Any) -> Iterator[str]:
    """The address of a Redis that speaks TLS."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate)]
    options += ["--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with RedisServer(*options):
        yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"


@pytest.fixture(scope="module")
def sentinel(shared_redis: RedisServer, tmp_path_factory: Any) -> Iterator[Sentinel]:
    port, folder = free_port(), tmp_path_factory.mktemp("sentinel")
    config = Path(folder, "sentinel.conf")
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor main 127.0.0.1 {shared_redis.port} 1\n"
    )
    with RedisProcess([redis_server(), str(config), "--sentinel"]) as process:
        process.wait_for("Sentinel ID is")
        kind: Any = Sentinel
        yield kind([("127.0.0.1", port)])


def socket_of(server: RedisServer) -> str:
    return str(server.client.config_get("unixsocket")["unixsocket"])


POOL: Any = redis.BlockingConnectionPool
Make = Callable[[Any], Any]

WAYS: list[tuple[str, Make]] = [
    ("a URL", lambda get: get("redis_server").url),
    ("a URL in bytes", lambda get: get("redis_server").url.encode()),
    ("a URL with a database", lambda get: f"{get('redis_server').url}/3"),
    ("a URL with options", lambda get: f"{get('redis_server').url}?decode_responses=true"),
    ("a URL with a password", lambda get: f"redis://:secret@127.0.0.1:{get('guarded').port}"),
    (
        "a URL of a Unix socket",
        lambda get: f"unix://:secret@{socket_of(get('guarded'))}",
    ),
    ("a URL with TLS", lambda get: get("encrypted")),
    ("a client with TLS", lambda get: redis.Redis.from_url(get("encrypted"))),
    ("a client", lambda get: redis.Redis(port=get("redis_server").port)),
    (
        "a client that decodes",
        lambda get: redis.Redis(port=get("redis_server").port, decode_responses=True),
    ),
    ("a client of RESP3", lambda get: redis.Redis(port=get("redis_server").port, protocol=3)),
    (
        "a client that tries again",
        lambda get: redis.Redis(port=get("redis_server").port, retry=Retry(NoBackoff(), 5)),
    ),
    (
        "a client with a pool that blocks",
        lambda get: redis.Redis(
            connection_pool=POOL(port=get("redis_server").port, max_connections=1)
        ),
    ),
    (
        "a client with a password and a Unix socket",
        lambda get: redis.Redis(unix_socket_path=socket_of(get("guarded")), password="secret"),
    ),
    ("a client of a Sentinel", lambda get: get("sentinel").master_for("main")),
    (
        "a client of a Redis Cluster",
        lambda get: ClusterClient(host="127.0.0.1", port=get("redis_nodes").servers[0].port),
    ),
    (
        "a decoding client of a Redis Cluster",
        lambda get: ClusterClient(
            host="127.0.0.1", port=get("redis_nodes").servers[1].port, decode_responses=True
        ),
    ),
]


@pytest.fixture(params=[way for _, way in WAYS], ids=[name for name, _ in WAYS])
def link(request: pytest.FixtureRequest) -> Iterator[RedisLink]:
    client = request.param(request.getfixturevalue)
    made = RedisLink(client)
    yield made
    made.close()
    if not isinstance(client, (str, bytes)):
        client.close()


def test_commands_are_answered_in_bytes_and_errors_stand_in_their_place(link: RedisLink) -> None:
    line = CommandConnection(link)
    # Three keys in slots of their own.
    commands: list[tuple[Any, ...]] = [
        ("SET", "{a}key", b"\xff"),
        ("INCR", "{a}key"),
        ("SET", "{b}key", "é"),
        ("RPUSH", "{c}key", 1, 2),
        ("GET", "{a}key"),
        ("GET", "{b}key"),
        ("LRANGE", "{c}key", 0, -1),
        ("DEL", "{a}key"),
        ("DEL", "{b}key"),
        ("DEL", "{c}key"),
    ]
    answers = line.execute(commands)
    line.close()
    assert isinstance(answers.pop(1), redis.ResponseError)
    assert answers == [b"OK", b"OK", 2, b"\xff", "é".encode(), [b"1", b"2"], 1, 1, 1]


def test_questions_are_answered_in_bytes(link: RedisLink) -> None:
    assert link.ask("SET", "key", "value") == b"OK"
    assert link.ask("GET", "key") == b"value"
    assert link.ask("XRANGE", "nothing", "-", "+") == []
    assert link.ask("DEL", "key") == 1
    with pytest.raises(redis.ResponseError):
        link.ask("NONSENSE", "key")


@pytest.mark.parametrize("sharded", [False, True])
def test_subscribers_are_counted_wherever_they_are(link: RedisLink, sharded: bool) -> None:
    word, connections = "SSUBSCRIBE" if sharded else "SUBSCRIBE", []
    for _ in range(2):
        connection = link.connect(link.node_of("room") if sharded else None, 5)
        connection.send_command(word, "room")
        assert connection.read_response(disable_decoding=True) == [
            word.lower().encode(),
            b"room",
            1,
        ]
        connections.append(connection)
    assert link.count_subscribers("room", sharded, 5) == 2
    for connection in connections:
        connection.disconnect()
    wait_for(lambda: link.count_subscribers("room", sharded, 5) == 0)


def test_keys_lie_on_the_nodes_of_a_cluster(redis_nodes: RedisCluster) -> None:
    with ClusterClient(host="127.0.0.1", port=redis_nodes.servers[0].port) as client:
        link = RedisLink(client)
        names = [f"key {number}" for number in range(30)]
        found = [link.node_of(name) for name in names]
        assert {*found} == {f"127.0.0.1:{node.port}" for node in redis_nodes.servers}
        link.refresh()
        assert [link.node_of(name) for name in names] == found


def test_a_node_that_has_left_a_cluster_is_asked_no_more() -> None:
    with RedisCluster() as nodes:
        first, second, third = nodes.servers
        with ClusterClient(host="127.0.0.1", port=first.port) as client:
            link, key = RedisLink(client), "key"
            while link.node_of(key) != f"127.0.0.1:{third.port}":
                key += "y"
            assert link.count_subscribers("channel", False, 5) == 0
            nodes.move(nodes.SLOTS[2], third, second)
            third.stop()
            for question in (
                lambda: link.ask("GET", key),
                lambda: link.count_subscribers("channel", False, 5),
            ):
                wait_for(lambda: is_answered(question))  # noqa: B023
            link.close()


def is_answered(question: Callable[[], Any]) -> bool:
    try:
        question()
    except (redis.RedisError, OSError):
        return False
    return True


def test_without_a_cluster_there_is_one_node() -> None:
    assert RedisLink("redis://").node_of("a") is None


@pytest.mark.parametrize("url", ["http://x", "redis", "", "redis://localhost:port"])
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|Port|port"):
        RedisLink(url)


@pytest.mark.parametrize("client", [None, 1, object(), ["redis://"]])
def test_what_is_no_client_is_refused(client: Any) -> None:
    with pytest.raises(TypeError, match="URL or client"):
        RedisLink(client)


@pytest.mark.parametrize("package", ["redis", "msgpack"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"flask_realtime\[redis\]"):
        RedisAdapter("redis://")


def test_sockets_that_are_not_gevents_are_refused() -> None:
    program = (
        "from flask_realtime import RedisAdapter\n"
        "try: RedisAdapter('redis://')\n"
        "except RuntimeError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "monkey.patch_all()" in done.stdout


def test_a_fork_has_connections_of_its_own(redis_server: RedisServer) -> None:
    link = RedisLink(redis_server.url)
    mine = link.ask("CLIENT", "ID")
    pid = fork()
    if pid == 0:
        status = 1
        try:
            status = int(link.ask("CLIENT", "ID", timeout=5) == mine)
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert link.ask("CLIENT", "ID") == mine
    link.close()


def test_questions_have_a_deadline(redis_server: RedisServer) -> None:
    link = RedisLink(redis_server.url)
    redis_server.pause()
    try:
        for question in (
            lambda: link.ask("GET", "key", timeout=0.1),
            lambda: link.count_subscribers("channel", False, 0.1),
        ):
            with pytest.raises(TimeoutError, match=r"0\.1 s"):
                question()
    finally:
        redis_server.resume()
    # The answers that came late answer no later question.
    redis_server.client.set("key", "value")
    assert link.ask("GET", "key") == b"value"
    assert link.count_subscribers("channel", False, 5) == 0
    link.close()


@pytest.mark.parametrize("through_sentinel", [False, True])
def test_an_answer_that_came_too_late_answers_no_other_question(
    redis_server: RedisServer, sentinel: Any, through_sentinel: bool
) -> None:
    link = RedisLink(sentinel.master_for("main") if through_sentinel else redis_server.url)
    for name in ("one", "two"):
        link.ask("SET", name, name)
    redis_server.pause()
    try:
        with pytest.raises(TimeoutError):
            link.ask("GET", "one", timeout=0.1)
        answer = gevent.spawn(link.ask, "GET", "two")
        gevent.sleep(0.02)
    finally:
        redis_server.resume()
    assert answer.get(timeout=5) == b"two"
    link.close()


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    link = RedisLink("redis://")
    link.works()
    link.failed("the first")
    link.failed("the second")
    link.works()
    link.works()
    assert [record.getMessage() for record in caplog.records] == [
        "! Redis is out of reach: the first",
        "= Redis is back",
    ]


@pytest.mark.parametrize("code", ["MOVED", "READONLY", "OOM", "WRONGTYPE"])
def test_errors_have_a_code_whatever_the_class(code: str) -> None:
    assert error_code(redis.ResponseError(f"{code} and more")) == code


def test_errors_that_lost_their_code_have_it_by_their_class() -> None:
    assert error_code(redis.ReadOnlyError("You can't write against a replica.")) == "READONLY"
