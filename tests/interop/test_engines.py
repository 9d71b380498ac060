"""Engines of the application's own, under official clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.running import MODES, Runner
from tests.processes import ServerProcess, python


@pytest.fixture(scope="module", params=["bound", "taken"])
def served(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    yield from running(request.param)


@pytest.fixture(scope="module")
def alone() -> Iterator[ServerProcess]:
    yield from running("alone")


def running(kind: str) -> Iterator[ServerProcess]:
    server = ServerProcess(python("-m", "tests.interop.engines", kind))
    try:
        yield server
        assert server.stderr == ""
    finally:
        server.reap()


@pytest.mark.parametrize("mode", MODES)
def test_the_client_of_an_engine_alone(
    official_client: Runner, alone: ServerProcess, mode: str
) -> None:
    official_client.run("talksToAnEngineAlone", mode, alone.url)


@pytest.mark.parametrize("mode", MODES)
def test_the_client_of_a_server_with_it(
    official_client: Runner, served: ServerProcess, mode: str
) -> None:
    official_client.run("isServedByAnEngineOfTheApplication", mode, served.url)
