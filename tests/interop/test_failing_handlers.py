"""An exception of the application is reported and does not end the connection."""

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


@pytest.mark.parametrize("kind", ["bare", "flask"])
def test_a_matcher_that_fails_refuses_and_leaves_the_connection_open(kind: str, tag: str) -> None:
    with scenario_server(kind) as server, Wire(server, tag) as wire:
        ws = wire.enter_by_websocket()
        ws.send('40/members/1,{"fail":true}')
        assert receive(ws) == '44/members/1,{"message":"Invalid namespace"}'
        ws.send('421["one","still here"]')
        assert receive(ws) == '431["still here"]'
        assert server.saw(kind="error") == {
            "kind": "error",
            "tag": None,
            "error": "KeyError('the members cannot be read')",
            "event": "namespace",
        }
        ws.close()
        assert server.terminate() is not None
