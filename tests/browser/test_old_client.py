"""Version 2 of the client in a real browser: the only place where it polls in binary."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.test_chat_page import chromium
from tests.interop.running import scenario_server
from tests.processes import Process, node, node_package

SCRIPT = str(Path(__file__).with_name("old.mjs"))


@pytest.fixture(scope="module")
def visit() -> Process:
    """The finished run of all modes."""
    node_package("playwright-core")
    client = str(node_package("socket.io-client-2"))
    with scenario_server(allow_eio3=True) as server:
        with Process([node(), SCRIPT, server.url, client], {"CHROMIUM": chromium()}) as run:
            run.wait(90)
        server.stop()
    return run


@pytest.mark.parametrize("mode", ["polling", "base64", "websocket", "upgrade"])
def test_in_the_browser(visit: Process, mode: str) -> None:
    assert f"ok {mode}" in visit.lines(), visit.report()
