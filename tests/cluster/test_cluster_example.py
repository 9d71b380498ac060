"""The example cluster starts with one command, and a message crosses all of its servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests
from redis import Redis

from tests.browser.test_chat_page import chromium
from tests.cluster.client import Client
from tests.cluster.matrix import MEMBERS
from tests.processes import ROOT, Process, eventually, node, node_package, python
from tests.redis_server import RedisServer

EXAMPLE = str(ROOT / "examples" / "cluster" / "run.py")
KINDS = ["--python", str(MEMBERS.count("python")), "--node", str(MEMBERS.count("node"))]


def start(*options: str) -> Process:
    return Process(python(EXAMPLE, "--port", "0", *KINDS, *options))


def ports(example: Process) -> list[int]:
    """The ports of the servers, once all of them listen."""
    eventually(
        lambda: len(opened(example)) == len(MEMBERS), within=30, what=f"servers; {example.report()}"
    )
    return opened(example)


def opened(example: Process) -> list[int]:
    return [int(line.split(":")[-1]) for line in example.lines() if line.startswith("open http")]


@pytest.fixture(scope="module")
def example() -> Iterator[Process]:
    with start() as process:
        yield process
        assert process.terminate(30) == 0, process.report()
        assert not process.has_traceback, process.report()


@pytest.fixture
def people(example: Process) -> Iterator[list[Client]]:
    """One client of each server; each is in the room."""
    with ExitStack() as stack:
        clients = []
        for port in ports(example):
            client = Client(f"ws://127.0.0.1:{port}")
            stack.callback(client.close)
            clients.append(client)
        for client in clients:
            eventually(lambda: client.named("welcome"), what="welcome")  # noqa: B023
        yield clients


def test_a_message_crosses_all_servers(people: list[Client]) -> None:
    for speaker in people:
        (name,) = speaker.named("welcome")[0]
        speaker.send("say", f"from {name}")
        for listener in people:
            listener.expect("said", name, f"from {name}")
    assert len({client.named("welcome")[0][0] for client in people}) == len(people)


def test_everybody_is_counted(people: list[Client]) -> None:
    for client in people:
        client.expect("people", len(people))


def test_each_server_delivers_the_page_and_the_client(example: Process) -> None:
    for port in ports(example):
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=5)
        assert "/socket.io/socket.io.js" in page.text
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        script = requests.get(f"http://127.0.0.1:{port}/socket.io/socket.io.js", timeout=5)
        assert script.status_code == 200


def test_the_page_shows_what_is_written_on_all_servers(example: Process) -> None:
    node_package("playwright-core")
    urls = [f"http://127.0.0.1:{port}" for port in ports(example)]
    script = str(ROOT / "tests" / "browser" / "cluster.mjs")
    with Process([node(), script, *urls], {"CHROMIUM": chromium()}) as visit:
        visit.wait(60)
    assert visit.lines() == ["ok"], visit.report()


def test_it_takes_a_redis_that_is_there(redis: RedisServer) -> None:
    with start("--redis", redis.url) as example:
        ports(example)
        assert redis.client.pubsub_numpat() > 0
        assert example.terminate(30) == 0, example.report()


def test_all_end_when_one_of_them_does() -> None:
    with start() as example:
        ports(example)
        url = example.wait_for(r"^Redis is (\S+)$").group(1)
        with Redis.from_url(url) as client:
            client.shutdown(nosave=True)
        assert example.wait(30) == 1
        assert "one of the servers has ended" in example.stderr
