"""Fixtures of the server's tests."""

from __future__ import annotations

import pytest

from tests.server.crowd import Crowd
from tests.server.pair import Pair
from tests.worlds import ServerWorld


@pytest.fixture
def crowd(server: ServerWorld) -> Crowd:
    return Crowd(server, a="r1", b="r1 r2", c="r2", d="")


@pytest.fixture
def pair(server: ServerWorld) -> Pair:
    return Pair(server)


@pytest.fixture(params=["polling", "websocket"])
def each(request: pytest.FixtureRequest, server: ServerWorld) -> Pair:
    return Pair(server, request.param)
