"""The official client on a network with latency, where an upgrade takes its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.latency import LatencyProxy
from tests.interop.running import Runner, scenarios, sentence
from tests.processes import ServerProcess

#: Seconds each way.
LATENCY = 0.025


@pytest.fixture
def far_away(server: ServerProcess) -> Iterator[str]:
    """The address of the server, seen from far away."""
    with LatencyProxy(server.port, LATENCY) as proxy:
        yield proxy.url


@pytest.mark.parametrize("name", scenarios("ending"), ids=sentence)
@pytest.mark.parametrize("mode", ["upgrade", "polling", "websocket"])
def test_what_was_sent_before_the_end_arrives(
    official_client: Runner, far_away: str, name: str, mode: str
) -> None:
    official_client.run(name, mode, far_away)
