"""What one call of ``run()`` does inside its process; real programs run in test_serving.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from flask_realtime import Server
from flask_realtime.hosts.run_options import RunOptions
from flask_realtime.running import Run
from tests.fakes import wait_until


class Running:
    """A server that runs in a greenlet of the test."""

    def __init__(self, io: Server, **keywords: Any) -> None:
        self.io = io
        self.greenlet = gevent.spawn(io.run, None, "127.0.0.1", 0, **keywords)

    def is_listening(self, capsys: pytest.CaptureFixture[str]) -> bool:
        gevent.sleep(0)
        return (
            re.search(r"Running on http://127\.0\.0\.1:\d+\n", capsys.readouterr().err) is not None
        )

    def has_ended(self) -> bool:
        return bool(self.greenlet.ready())


@pytest.fixture
def io() -> Iterator[Server]:
    server = Server(drain_seconds=30)
    yield server
    server.close()


def test_it_says_where_it_listens_and_ends_when_it_is_asked_to(
    io: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Running(io)
    wait_until(lambda: running.is_listening(capsys))
    assert not running.has_ended()
    io.stop()
    wait_until(running.has_ended)
    assert running.greenlet.exception is None
    assert io.engine.is_closed


def test_in_development_the_time_of_a_rolling_deploy_is_not_taken(
    io: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    client = io.test_client()
    running = Running(io, debug=True, use_reloader=False)
    wait_until(lambda: running.is_listening(capsys))
    client.connect()
    io.stop()
    wait_until(running.has_ended)
    assert not client.connected


def test_a_second_stop_ends_the_time_that_clients_have(
    io: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = [io.test_client(transport="websocket") for _ in range(3)]
    for client in clients:
        client.connect()
    running = Running(io)
    wait_until(lambda: running.is_listening(capsys))
    io.stop()
    wait_until(lambda: sum(client.connected for client in clients) == 2)
    assert not running.has_ended()
    io.stop()
    wait_until(running.has_ended)


def test_workers_of_a_server_that_keeps_to_itself_are_refused() -> None:
    options = RunOptions.build("127.0.0.1", 0, {"workers": 2})
    with pytest.raises(ValueError, match='needs the option workers="together"'):
        Run(Server(workers="alone"), None, options, []).begin()
