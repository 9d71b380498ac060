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


def test_a_number_that_is_too_large_is_for_the_handler_and_no_answer(tag: str) -> None:
    """What comes back of it is the application's mistake, and the connection stays."""
    with scenario_server("bare") as server, Wire(server, tag) as wire:
        ws, sid = wire.enter_by_websocket(), wire.enter()
        for number in ("1e400", "-1e400", "9" * 400, "9" * 4301):
            ws.send(f'42["echo",{number}]')
            ws.send(f'421["one",{number}]')
            ws.send(f'42["echo",[{len(number)}]]')
            assert receive(ws) == f'42["echo",[{len(number)}]]'
            assert wire.post(sid, f'42["echo",{number}]').text == "ok"
        server.wait_for(r"ValueError: JSON has neither NaN nor infinities \(args\[0\]\)")
        server.wait_for(r"ValueError: an integer is too large: .* \(args\[0\]\)")
        assert {found["event"] for found in server.records(kind="error")} == {"echo", "one"}
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
