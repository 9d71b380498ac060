"""When a worker begins; real ones, with and without --preload, are in test_siblings.py."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import gevent
import pytest

from flask_realtime.hosts.workers import beginning
from flask_realtime.hosts.workers.beginning import call_in_worker
from tests.fakes import settle


class Worker:
    def __init__(self) -> None:
        self.pid = os.getpid()


class App:
    def __init__(self) -> None:
        self.workers: list[Any] = []

    def begin(self, worker: Any) -> None:
        self.workers.append(worker)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers that can be found: one, or none."""
    workers: list[Worker] = []
    monkeypatch.setitem(sys.modules, "gunicorn.workers.base", ModuleType("base"))
    monkeypatch.setattr(beginning, "find_worker", lambda: workers[0] if workers else None)
    return workers


def test_a_worker_that_loads_an_application_begins_when_its_hub_runs(found: list[Worker]) -> None:
    found.append(Worker())
    app = App()
    call_in_worker(app.begin)
    assert app.workers == []
    settle()
    assert app.workers == found


def test_a_process_that_is_no_worker_never_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "gunicorn.workers.base", raising=False)
    app = App()
    call_in_worker(app.begin)
    settle()
    assert app.workers == []


def test_an_application_that_was_loaded_before_begins_in_each_new_process(
    found: list[Worker],
) -> None:
    app = App()
    call_in_worker(app.begin)
    child = os.fork()
    if child == 0:
        found.append(Worker())
        # As gunicorn does in a new worker: the hub of the parent has been copied.
        gevent.reinit()
        for _ in range(1000):
            if not app.workers:
                gevent.sleep(0.01)
        os._exit(0 if app.workers == found else 1)
    assert os.waitpid(child, 0)[1] == 0
    settle()
    assert app.workers == []


def test_a_process_that_a_worker_forks_is_no_worker(found: list[Worker]) -> None:
    app = App()
    call_in_worker(app.begin)
    found.append(Worker())
    child = os.fork()
    if child == 0:
        gevent.reinit()
        gevent.sleep(0.1)
        os._exit(1 if app.workers else 0)
    assert os.waitpid(child, 0)[1] == 0
