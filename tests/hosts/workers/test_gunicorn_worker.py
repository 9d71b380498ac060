"""gunicorn's worker as its siblings see it; real ones are in test_siblings.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gevent import socket

from flask_realtime.hosts.workers.gunicorn_worker import GunicornWorker


class FakeWorker:
    """As much of a gunicorn worker as is looked at."""

    server_class = None
    worker_connections = 2
    alive = True

    def __init__(self, **settings: Any) -> None:
        self.sockets = [socket.socket()]
        self.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sockets[0].bind(("0.0.0.0", 0))
        self.port: int = self.sockets[0].getsockname()[1]
        self.served: list[tuple[Any, Any, Any]] = []
        self.cfg = SimpleNamespace(workers=2, worker_tmp_dir=None, graceful_timeout=3)
        vars(self.cfg).update(settings)

    def handle(self, listener: Any, sock: Any, address: Any) -> None:
        self.served.append((listener.getsockname(), sock, address))


@pytest.fixture
def fake() -> Iterator[FakeWorker]:
    made = FakeWorker()
    yield made
    made.sockets[0].close()


def test_it_tells_what_gunicorn_was_told(fake: FakeWorker) -> None:
    worker = GunicornWorker(fake)
    assert (worker.folder, worker.by_address, worker.capacity) == (None, False, 2)
    assert worker.patience == 3.0
    fake.cfg.graceful_timeout = 30
    assert worker.patience == 10.0
    assert not worker.is_ending
    fake.alive = False
    assert worker.is_ending


def test_it_is_the_last_one_when_none_listens_any_more(fake: FakeWorker) -> None:
    fake.sockets[0].listen()
    worker = GunicornWorker(fake)
    master = fake.sockets[0].dup()
    fake.alive = False
    fake.sockets[0].close()
    assert not worker.is_last
    master.close()
    assert worker.is_last
    # Another master may have begun.
    with socket.create_server(("0.0.0.0", fake.port)):
        assert not worker.is_last
    fake.alive = True
    assert not worker.is_last


def test_connections_do_not_look_like_a_listener(fake: FakeWorker) -> None:
    fake.sockets[0].listen()
    worker = GunicornWorker(fake)
    with socket.create_connection(("127.0.0.1", fake.port)), fake.sockets[0].accept()[0]:
        fake.sockets[0].close()
        fake.alive = False
        assert worker.is_last


def test_a_unix_socket_is_removed_at_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    fake = FakeWorker()
    fake.sockets[0].close()
    fake.sockets = [socket.socket(socket.AF_UNIX)]
    fake.sockets[0].bind(path)
    worker = GunicornWorker(fake)
    fake.alive = False
    assert not worker.is_last
    os.unlink(path)
    assert worker.is_last
    fake.sockets[0].close()


def test_connections_are_served_under_the_name_of_their_listener(fake: FakeWorker) -> None:
    worker = GunicornWorker(fake)
    # A worker that stops closes them.
    fake.sockets[0].close()
    worker.serve("socket", ("127.0.0.1", fake.port), ("1.2.3.4", 5))
    worker.serve("socket", "/run/app.sock", "")
    assert fake.served == [
        (("0.0.0.0", fake.port), "socket", ("1.2.3.4", 5)),
        ("/run/app.sock", "socket", ""),
    ]


@pytest.mark.parametrize("settings", [{"workers": 1}, {"protocol": "uwsgi"}])
def test_there_are_workers_without_siblings(settings: dict[str, Any]) -> None:
    fake = FakeWorker(**settings)
    assert GunicornWorker.among_siblings(fake) is None
    fake.sockets[0].close()


def test_a_worker_that_ends_before_it_has_begun_has_no_siblings(fake: FakeWorker) -> None:
    fake.sockets[0].close()
    assert GunicornWorker.among_siblings(fake) is None
