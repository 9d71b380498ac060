"""What the application gives, a URL or a client, becomes a client in one place."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from flask_realtime.adapters.redis.client import redis_client


class Client:
    """Takes commands, as clients of redis-py do."""

    def execute_command(self, *words: Any) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("url", ["redis://example.com:7/3", b"redis://example.com:7/3"])
def test_a_url_becomes_a_client_with_the_options(url: str | bytes) -> None:
    client = redis_client(url, socket_timeout=9)
    assert isinstance(client, redis.Redis)
    options = client.connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("example.com", 7, 3)
    assert options["socket_timeout"] == 9


def test_a_client_is_taken_as_it_is() -> None:
    client = Client()
    assert redis_client(client, socket_timeout=9) is client


@pytest.mark.parametrize("url", ["http://x", "redis", "", "redis://localhost:port"])
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|Port|port"):
        redis_client(url)


@pytest.mark.parametrize("given", [None, 1, object(), ["redis://"]])
def test_what_is_neither_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="expected a Redis URL or client, got"):
        redis_client(given)
