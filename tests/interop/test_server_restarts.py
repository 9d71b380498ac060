"""The server goes away: by force, by order, and by its own `close()`."""

from __future__ import annotations

import pytest
import requests

from tests.interop.running import MODES, scenario_server, start_scenario

pytestmark = pytest.mark.usefixtures("official_client")


@pytest.mark.parametrize("how", ["killed", "terminated"])
@pytest.mark.parametrize("mode", MODES)
def test_the_client_comes_back_after_the_server_was(how: str, mode: str) -> None:
    first = scenario_server("flask")
    with first, start_scenario("comesBackToANewServer", mode, first.url) as client:
        client.wait_for("^connected$")
        if how == "killed":
            first.kill()
        else:
            first.stop()
        client.wait_for("^left$")
        with scenario_server("flask", port=first.port) as second:
            assert client.wait() == 0, client.report()
            second.stop()


@pytest.mark.parametrize("kind", ["bare", "flask"])
@pytest.mark.parametrize("mode", MODES)
def test_closing_the_server_tells_both_sides(mode: str, kind: str) -> None:
    with scenario_server(kind) as server:
        with start_scenario("isToldThatTheServerShutsDown", mode, server.url) as client:
            client.wait_for("^connected$")
            assert requests.post(f"{server.url}/close", timeout=5).text == '"closing"'
            server.saw(kind="disconnect", reason="server shutting down")
            assert client.wait() == 0, client.report()
        server.stop()
