"""The official client under Node against a real server, in every mode."""

from __future__ import annotations

import pytest

from tests.interop.running import MODES, Runner, Servers, scenarios, sentence
from tests.processes import ServerProcess

COMMON = scenarios(
    "connecting",
    "events",
    "acks",
    "binary",
    "rooms",
    "managing",
    "namespaces",
    "dynamic",
    "disconnecting",
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", COMMON, ids=sentence)
def test_the_client(official_client: Runner, server: ServerProcess, name: str, mode: str) -> None:
    official_client.run(name, mode, server.url)


@pytest.mark.parametrize("name", COMMON, ids=sentence)
def test_the_client_of_a_flask_app(official_client: Runner, servers: Servers, name: str) -> None:
    official_client.run(name, "upgrade", servers.get("flask").url)


@pytest.mark.parametrize("kind", ["bare", "flask"])
@pytest.mark.parametrize("name", scenarios("upgrading"), ids=sentence)
def test_during_the_upgrade_the_client(
    official_client: Runner, servers: Servers, name: str, kind: str
) -> None:
    official_client.run(name, "upgrade", servers.get(kind).url)


@pytest.mark.parametrize("mode", ["websocket", "upgrade"])
def test_with_subprotocols_the_client_is_on_websocket(
    official_client: Runner, server: ServerProcess, mode: str
) -> None:
    official_client.run("getsTheFirstSubprotocolThatItOffers", mode, server.url)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", scenarios("heartbeat"), ids=sentence)
def test_with_a_fast_heartbeat_the_client(
    official_client: Runner, servers: Servers, name: str, mode: str
) -> None:
    official_client.run(name, mode, servers.get(ping_interval=0.3, ping_timeout=0.2).url)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", scenarios("cleanup"), ids=sentence)
def test_where_empty_namespaces_are_removed_the_client(
    official_client: Runner, servers: Servers, name: str, mode: str
) -> None:
    server = servers.get(cleanup_empty_child_namespaces=True)
    official_client.run(name, mode, server.url)
