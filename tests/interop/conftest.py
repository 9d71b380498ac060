from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.interop.running import Runner, Servers
from tests.interop.wire import Wire
from tests.processes import ServerProcess, node_package


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers by their options; all are stopped, and have to be clean, at the end."""
    running = Servers()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def official_client() -> Iterator[Runner]:
    """Node and the official client have to be there: their absence is a failure."""
    node_package("socket.io-client")
    runner = Runner()
    yield runner
    runner.stop()


@pytest.fixture(scope="session")
def server(servers: Servers) -> ServerProcess:
    """A server with the default options."""
    return servers.get()


@pytest.fixture
def tag() -> str:
    """A name for the records that belong to this test."""
    return uuid4().hex


@pytest.fixture
def wire(server: ServerProcess, tag: str) -> Iterator[Wire]:
    """Raw requests to the server with the default options."""
    with Wire(server, tag) as raw:
        yield raw
