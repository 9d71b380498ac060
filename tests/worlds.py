"""Fixtures of the in-process tests: an engine or a server with its clients and its clock."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from flask_realtime.loop.no_switch import enforce_no_switch
from flask_realtime.loop.scheduler import Scheduler
from flask_realtime.server.server import BaseServer
from flask_realtime.testing import Late, ManualTime
from tests.clients import Network
from tests.fakes import EngineUnderTest, FakeHost

__all__ = [
    "EngineWorld",
    "MakeEngine",
    "MakeServer",
    "ServerWorld",
    "engine",
    "make_engine",
    "make_server",
    "quiet_hub",
    "server",
]

#: Seconds after which a test that hangs is ended.
TEST_LIMIT = 20
# What the package logs when one of its own callbacks fails, not one of the application's.
DEFECTS = ("! a task of a session failed", "! a deadline of")


@pytest.fixture
def quiet_hub(caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
    """Fail the test when something goes wrong where nobody waits for it."""
    hub: Any = gevent.get_hub()
    before, stream = hub.exception_stream, io.StringIO()
    hub.exception_stream = stream
    # The exception is raised where the test waits.
    limit = gevent.Timeout.start_new(TEST_LIMIT, Late(f"the test took over {TEST_LIMIT} s"))
    try:
        with enforce_no_switch():
            yield stream
    finally:
        limit.close()
        hub.exception_stream = before
    assert not stream.getvalue(), stream.getvalue()
    defects = [record for record in caplog.get_records("call") if record.msg.startswith(DEFECTS)]
    assert not defects, caplog.text


class EngineWorld(EngineUnderTest):
    """An engine with its clients."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.network = Network(self.engine.handle)


class ServerWorld:
    """A server with its clients and a clock that stands still."""

    def __init__(self, **options: Any) -> None:
        self.time = ManualTime()
        self.host = FakeHost()
        self.scheduler = Scheduler(self.time, self.time)
        self.io = BaseServer(host=self.host, scheduler=self.scheduler, **options)
        self.network = Network(self.io.handle)


MakeEngine = Callable[..., EngineWorld]
MakeServer = Callable[..., ServerWorld]


@pytest.fixture
def make_engine(quiet_hub: io.StringIO) -> Iterator[MakeEngine]:
    """Make engines with options; what their clients opened is closed after the test."""
    made: list[EngineWorld] = []

    def make(**options: Any) -> EngineWorld:
        made.append(EngineWorld(**options))
        return made[-1]

    yield make
    for world in made:
        world.network.close()


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineWorld:
    return make_engine()


@pytest.fixture
def make_server(quiet_hub: io.StringIO) -> Iterator[MakeServer]:
    """Make servers with options; what their clients opened is closed after the test."""
    made: list[ServerWorld] = []

    def make(**options: Any) -> ServerWorld:
        made.append(ServerWorld(**options))
        return made[-1]

    yield make
    for world in made:
        world.network.close()


@pytest.fixture
def server(make_server: MakeServer) -> ServerWorld:
    return make_server()
