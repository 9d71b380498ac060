"""One Redis, one certificate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.certificate import Certificate, make_certificate
from tests.redis_server import RedisServer


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))
