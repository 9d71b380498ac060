"""The plugin, as a project with its own pytest uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.test_docs import ROOT

CONFTEST = """
import pytest
from flask import Flask
from flask_realtime import Realtime

pytest_plugins = ["flask_realtime.testing.pytest"]

@pytest.fixture
def app():
    app = Flask(__name__)
    io = Realtime(app)
    io.event("add")(lambda socket, one, two: one + two)
    io.event("boom")(lambda socket: 1 / 0)
    yield app
    assert io.engine.clients_count == 0
"""


def run(folder: Path, tests: str, conftest: str = CONFTEST) -> str:
    """What pytest prints about tests in a project of their own, warnings as errors."""
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    (folder / "test_project.py").write_text(tests, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_clients_are_made_and_disconnected(tmp_path: Path) -> None:
    tests = """
from flask_realtime.testing import TestClient

def test_one(realtime_client):
    assert realtime_client().call("add", 1, 2) == 3

def test_several(realtime_client, app):
    one, two = realtime_client(app, transport="websocket"), realtime_client(namespace="/")
    assert isinstance(one, TestClient)
    one.disconnect()
    assert two.connected
"""
    assert "2 passed" in run(tmp_path, tests)


def test_what_a_handler_raises_fails_the_test_with_its_line(tmp_path: Path) -> None:
    tests = """
def test_it(realtime_client):
    realtime_client().emit("boom")
"""
    found = run(tmp_path, tests)
    assert "1 failed" in found
    assert 'io.event("boom")(lambda socket: 1 / 0)' in found
    assert "ZeroDivisionError" in found


def test_an_adapter_that_fails_the_contract_is_told_what_is_wrong(tmp_path: Path) -> None:
    tests = """
from flask_realtime import MemoryAdapter
from flask_realtime.testing.pytest.adapter_contract import AdapterContract

class Forgetful(MemoryAdapter):
    def remove(self, sid, room):
        pass

class TestForgetful(AdapterContract):
    def make(self, namespace):
        return Forgetful(namespace)
"""
    found = run(tmp_path, tests)
    assert "test_an_empty_room_is_forgotten" in found
    # The assertions of the contract are explained like those of a test.
    assert "where " in found or "Extra items" in found
    assert " passed" in found


def test_a_bus_that_fails_the_contract_is_told_what_is_wrong(tmp_path: Path) -> None:
    tests = """
import pytest
from flask_realtime.adapters.cluster.adapter import ClusterAdapter
from flask_realtime.testing import LoopbackHub
from flask_realtime.testing.fakes import FakeNamespace
from flask_realtime.testing.pytest.bus_contract import BusContract

class Uncounted(LoopbackHub):
    def count(self, namespace):
        return 1

class TestUncounted(BusContract):
    @pytest.fixture
    def make_cluster(self):
        def make(count, timeout=5):
            hub, made = Uncounted(), []
            for _ in range(count):
                namespace = FakeNamespace()
                namespace.adapter = ClusterAdapter(namespace, hub.bus(), 0.2)
                namespace.adapter.start()
                made.append(namespace)
            return made
        return make

    @pytest.fixture(autouse=True)
    def only(self, request):
        if "counted" not in request.node.name:
            pytest.skip("one is enough")
"""
    found = run(tmp_path, tests)
    assert "test_every_server_is_counted[3]" in found
    assert "test_every_server_is_counted[2]" in found
    assert "test_every_server_is_counted[1]" not in found


def test_the_test_client_needs_no_pytest() -> None:
    source = "import sys; sys.modules['pytest'] = None; import flask_realtime.testing"
    subprocess.run([sys.executable, "-W", "error", "-c", source], cwd=ROOT, check=True)
