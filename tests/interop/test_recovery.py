"""Connection state recovery of the official client, in every mode."""

from __future__ import annotations

import pytest

from tests.interop.running import MODES, Runner, Servers, scenarios, sentence

RECOVERING = scenarios("recovering")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", RECOVERING, ids=sentence)
def test_the_client(official_client: Runner, servers: Servers, name: str, mode: str) -> None:
    official_client.run(name, mode, servers.get(connection_state_recovery={}).url)


@pytest.mark.parametrize("name", RECOVERING, ids=sentence)
def test_the_client_of_a_flask_app(official_client: Runner, servers: Servers, name: str) -> None:
    server = servers.get("flask", connection_state_recovery={"skip_middlewares": False})
    official_client.run(name, "upgrade", server.url)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", scenarios("expiring"), ids=sentence)
def test_the_client_of_a_server_with_a_short_memory(
    official_client: Runner, servers: Servers, name: str, mode: str
) -> None:
    server = servers.get(connection_state_recovery={"max_disconnection_duration": 0.3})
    official_client.run(name, mode, server.url)
