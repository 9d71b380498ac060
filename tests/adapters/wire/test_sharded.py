"""Which sharded channel carries what: as Node's ``computeChannel`` decides."""

from __future__ import annotations

import pytest

from flask_realtime.adapters.values import Target
from flask_realtime.adapters.wire.messages import Broadcast, FetchSockets, JoinRooms, ServerSideEmit
from flask_realtime.adapters.wire.sharded import channel_of
from flask_realtime.testing.pytest.adapter_contract import event, to

MAIN = "socket.io#/#"
ID = "i" * 20


@pytest.mark.parametrize(
    ("room", "mode", "own"),
    [
        ("red", "dynamic", True),
        ("red", "dynamic-private", True),
        ("red", "static", False),
        (ID, "dynamic", False),
        (ID, "dynamic-private", True),
        (ID, "static", False),
        ("i" * 19, "dynamic", True),
        ("i" * 21, "dynamic", True),
        ("i" * 18 + "😀", "dynamic", False),  # of length 20 to JavaScript
        ("i" * 19 + "😀", "dynamic", True),
        ("日" * 20, "dynamic", False),
        ("", "dynamic", True),
    ],
)
def test_a_broadcast_to_one_room_may_have_a_channel(room: str, mode: str, own: bool) -> None:
    expected = f"{MAIN}{room}#" if own else MAIN
    assert channel_of(MAIN, Broadcast(event("a"), to(room)), mode) == expected


@pytest.mark.parametrize("mode", ["dynamic", "dynamic-private", "static"])
@pytest.mark.parametrize(
    "request_",
    [
        Broadcast(event("a"), Target()),
        Broadcast(event("a"), to("red", "blue")),
        Broadcast(event("a"), to(but=("red",))),
        Broadcast(event("a"), to("red"), "1"),
        JoinRooms(to("red"), ["blue"]),
        FetchSockets(to("red"), "1"),
        ServerSideEmit(["a"]),
    ],
)
def test_all_else_is_for_every_server(request_: Broadcast, mode: str) -> None:
    assert channel_of(MAIN, request_, mode) == MAIN
