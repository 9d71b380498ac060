"""Version 2 of the official client under Node, alone and beside version 4."""

from __future__ import annotations

import os
import signal

import pytest
import requests

from tests.interop.running import (
    MODES,
    Runner,
    Servers,
    scenario_server,
    scenarios,
    sentence,
    start_scenario,
)
from tests.processes import ServerProcess

OLD = tuple(f"old {mode}" for mode in MODES)

# What version 2 does not have, or does in a way of its own (scenarios/old.mjs).
NOT_FOR_OLD = {
    "connectsWithAuth",
    "connectsWithAuthFromAFunction",
    "hasAPublicIdOfItsOwn",
    "isFetched",
    "isLetInWithBetterCredentials",
    "isRefusedByAMiddleware",
    "isRemovedWhenItNoLongerAnswers",
    "isToldThatANamespaceIsUnknown",
    "tellsTheServerHowItCame",
    "timesOutWithoutAHandler",
    "worksWithoutTheMainNamespace",
}
# Version 2 puts all that waits into one POST, whatever the limit of the server is.
TOO_LARGE = {("sendsManyLargeEventsBothWays", "old polling")}
SPECIAL = {
    "oldHearsPongs",
    "oldIsNotServed",
    "oldIsRemovedWhenItNoLongerPings",
    "oldNoticesASilentServer",
}
COMMON = [
    name
    for name in scenarios(
        "connecting",
        "events",
        "acks",
        "binary",
        "rooms",
        "managing",
        "namespaces",
        "disconnecting",
        "old",
    )
    if name not in NOT_FOR_OLD | SPECIAL
]
BEATING = [
    *(name for name in scenarios("heartbeat") if name not in NOT_FOR_OLD),
    "oldHearsPongs",
    "oldIsRemovedWhenItNoLongerPings",
]


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    return servers.get(allow_eio3=True)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, mode) for name in COMMON for mode in OLD if (name, mode) not in TOO_LARGE],
    ids=sentence,
)
def test_the_client(official_client: Runner, server: ServerProcess, name: str, mode: str) -> None:
    official_client.run(name, mode, server.url)


@pytest.mark.parametrize("name", COMMON, ids=sentence)
def test_the_client_of_a_flask_app(official_client: Runner, servers: Servers, name: str) -> None:
    official_client.run(name, "old upgrade", servers.get("flask", allow_eio3=True).url)


@pytest.mark.parametrize("name", scenarios("upgrading"), ids=sentence)
def test_during_the_upgrade_the_client(
    official_client: Runner, server: ServerProcess, name: str
) -> None:
    official_client.run(name, "old upgrade", server.url)


@pytest.mark.parametrize("mode", OLD)
@pytest.mark.parametrize("name", BEATING, ids=sentence)
def test_with_a_fast_heartbeat_the_client(
    official_client: Runner, servers: Servers, name: str, mode: str
) -> None:
    fast = servers.get(allow_eio3=True, ping_interval=0.3, ping_timeout=0.2)
    official_client.run(name, mode, fast.url)


@pytest.mark.parametrize("mode", MODES)
def test_new_clients_of_such_a_server_keep_their_heartbeat(
    official_client: Runner, servers: Servers, mode: str
) -> None:
    fast = servers.get(allow_eio3=True, ping_interval=0.3, ping_timeout=0.2)
    official_client.run("staysAliveByAnsweringPings", mode, fast.url)


@pytest.mark.parametrize("mode", OLD)
def test_the_client_is_not_served_by_default(
    official_client: Runner, servers: Servers, mode: str
) -> None:
    official_client.run("oldIsNotServed", mode, servers.get().url)


@pytest.mark.parametrize("mode", OLD)
def test_the_client_comes_back_after_the_server_was_killed(mode: str) -> None:
    first = scenario_server("flask", allow_eio3=True)
    with first, start_scenario("comesBackToANewServer", mode, first.url) as client:
        client.wait_for("^connected$")
        first.kill()
        client.wait_for("^left$")
        with scenario_server("flask", port=first.port, allow_eio3=True) as second:
            assert client.wait() == 0, client.report()
            second.stop()


@pytest.mark.parametrize("mode", OLD)
def test_closing_the_server_tells_both_sides(mode: str) -> None:
    with scenario_server(allow_eio3=True) as server:
        with start_scenario("isToldThatTheServerShutsDown", mode, server.url) as client:
            client.wait_for("^connected$")
            assert requests.post(f"{server.url}/close", timeout=5).text == '"closing"'
            server.saw(kind="disconnect", reason="server shutting down")
            assert client.wait() == 0, client.report()
        server.stop()


@pytest.mark.parametrize("mode", OLD)
def test_the_client_notices_a_server_that_is_silent(mode: str) -> None:
    with scenario_server(allow_eio3=True, ping_interval=0.3, ping_timeout=0.3) as server:
        with start_scenario("oldNoticesASilentServer", mode, server.url) as client:
            client.wait_for("^connected$")
            pid = requests.get(f"{server.url}/pid", timeout=5).json()
            os.kill(pid, signal.SIGSTOP)
            try:
                assert client.wait() == 0, client.report()
            finally:
                os.kill(pid, signal.SIGCONT)
        server.stop()
