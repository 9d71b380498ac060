"""An exception in a handler is reported and does not end the connection."""

from __future__ import annotations

import pytest

from tests.interop.running import scenario_server
from tests.interop.wire import Wire, receive


@pytest.mark.parametrize("kind", ["bare", "flask"])
def test_a_handler_that_fails_leaves_the_connection_open(kind: str, tag: str) -> None:
    with scenario_server(kind) as server, Wire(server, tag) as wire:
        ws = wire.enter_by_websocket()
        ws.send('42["fail"]')
        ws.send('421["one","still here"]')
        assert receive(ws) == '431["still here"]'
        assert wire.saw("error") == {
            "kind": "error",
            "tag": tag,
            "error": "ValueError('this handler fails')",
            "event": "fail",
        }
        server.wait_for("Traceback")
        server.wait_for("ValueError: this handler fails")
        ws.close()
        assert server.terminate() is not None
