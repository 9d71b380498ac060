"""Running the Node scenarios, and the scenario servers they need."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Late, Process, ServerProcess, node, python

HERE = Path(__file__).resolve().parent
CLIENT = str(HERE / "client.mjs")
MODES = ("polling", "websocket", "upgrade")
SCENARIO = re.compile(r"^export async function (\w+)", re.MULTILINE)


def scenarios(*names: str) -> list[str]:
    """The names of all scenarios in these files."""
    found = []
    for name in names:
        text = (HERE / "scenarios" / f"{name}.mjs").read_text("utf-8")
        found.extend(SCENARIO.findall(text))
    return found


def sentence(name: object) -> str:
    """``sendsBinary`` as ``sends_binary``, for the name of a test."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", str(name)).lower()


def start_scenario(name: str, mode: str, url: str, env: Mapping[str, str] | None = None) -> Process:
    """A scenario in a process of its own, for tests that act while it runs."""
    return Process([node(), CLIENT, name, mode, url], env)


class Runner:
    """Runs scenarios one after the other in one Node process; a new one after a failure."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = env
        self._process: Process | None = None
        self._count = 0

    def run(self, name: str, mode: str, url: str) -> None:
        if self._process is None:
            self._process = Process([node(), CLIENT], self._env)
        client = self._process
        self._count += 1
        try:
            client.tell(json.dumps([self._count, name, mode, url]))
            found = client.wait_for(rf"^result {self._count} (.*)$", within=25)
        except (Late, OSError):
            self.stop()
            pytest.fail(f"{name} did not end\n{client.report()}")
        error = json.loads(found.group(1))
        if error is not None:
            self.stop()
            pytest.fail(f"{name} ({mode}): {error}\n{client.stderr}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.reap()
            self._process = None


def scenario_server(kind: str = "bare", port: int = 0, **options: Any) -> ServerProcess:
    settings = json.dumps(options)
    command = python("-m", "tests.interop.server", kind, settings, str(port))
    return ServerProcess(command)


class Servers:
    """The scenario servers of a test run: one process for each set of options."""

    def __init__(self) -> None:
        self._running: dict[str, ServerProcess] = {}

    def get(self, kind: str = "bare", **options: Any) -> ServerProcess:
        key = json.dumps([kind, options], sort_keys=True)
        if key not in self._running:
            self._running[key] = scenario_server(kind, **options)
        return self._running[key]

    def stop(self) -> None:
        try:
            for server in self._running.values():
                server.request_end()
            for server in self._running.values():
                server.stop()
        finally:
            for server in self._running.values():
                server.reap()
