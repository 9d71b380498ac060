"""A socket ends exactly once, and is told why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.server.socket import Socket
from tests.fakes import settle, wait_until
from tests.server.pair import Pair
from tests.worlds import ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


# --- the end


class Ending(Pair):
    def __init__(self, server: ServerWorld, transport: str = "websocket") -> None:
        super().__init__(server, transport)
        socket = self.socket
        socket.join("room")
        socket.on("disconnecting", lambda *args: self._note("disconnecting", args))
        socket.on("disconnect", lambda *args: self._note("disconnect", args))

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        socket = self.socket
        present = socket.id in socket.nsp.sockets
        self.seen.append((event, args[0], socket.connected, "room" in socket.rooms, present))


def test_disconnecting_comes_before_the_rooms_are_left(server: ServerWorld) -> None:
    ending = Ending(server)
    ending.client.disconnect()
    wait_until(lambda: len(ending.seen) == 2)
    reason = "client namespace disconnect"
    assert ending.seen == [
        ("disconnecting", reason, True, True, True),
        ("disconnect", reason, False, False, False),
    ]


WAYS: dict[str, tuple[Callable[[Ending], Any], str]] = {
    "the client disconnects": (lambda e: e.client.disconnect(), "client namespace disconnect"),
    "the client leaves": (lambda e: e.client.line.leave(), "transport close"),
    "the server disconnects": (lambda e: e.socket.disconnect(), "server namespace disconnect"),
    "the server closes": (lambda e: e.socket.disconnect(close=True), "server namespace disconnect"),
    "the connection is closed": (lambda e: e.socket.conn.close(), "forced close"),
    "silence": (lambda e: e.server.time.advance(45), "ping timeout"),
    "shutdown": (lambda e: e.server.io.close(), "server shutting down"),
    "a bad packet": (lambda e: e.client.send("9"), "forced close"),
    "an unknown packet": (lambda e: e.client.line.send("2"), "transport error"),
    "a second connect": (lambda e: e.client.send("0"), "forced server close"),
}


@BOTH
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_end_is_told_once_with_its_reason(
    server: ServerWorld, way: str, transport: str
) -> None:
    ending = Ending(server, transport)
    end, reason = WAYS[way]
    end(ending)
    wait_until(lambda: len(ending.seen) == 2)
    ending.socket.disconnect()
    ending.socket.disconnect(close=True)
    ending.socket.conn.close()
    ending.server.time.advance(60)
    assert [seen[:2] for seen in ending.seen] == [
        ("disconnecting", reason),
        ("disconnect", reason),
    ]


def test_handlers_of_the_end_get_as_much_as_they_take(server: ServerWorld) -> None:
    pair = Pair(server)
    pair.socket.on("disconnect", lambda: pair.seen.append(()))
    pair.socket.on("disconnect", lambda reason: pair.seen.append((reason,)))
    pair.socket.on("disconnect", lambda reason, cause: pair.seen.append((reason, str(cause))))
    pair.client.send("9")
    wait_until(lambda: len(pair.seen) == 3)
    assert pair.seen[:2] == [(), ("forced close",)]
    assert pair.seen[2][0] == "forced close"
    assert pair.seen[2][1] not in ("", "None")


def test_the_end_is_told_at_once_while_a_handler_blocks(each: Pair) -> None:
    release = each.block_on("slow")
    each.socket.on("disconnect", lambda reason: each.seen.append(reason))
    each.client.emit("slow")
    settle()
    each.client.line.leave()
    wait_until(lambda: len(each.seen) == 2)
    assert each.seen == ["slow begins", "transport close"]
    release.set()
    wait_until(lambda: len(each.seen) == 3)


def test_events_that_wait_still_run_when_the_client_has_left(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event")
    each.client.emit("slow")
    each.client.emit("event", 1)
    settle()
    each.client.line.leave()
    settle()
    release.set()
    wait_until(lambda: ("event", 1) in each.seen)


def test_events_that_wait_are_dropped_when_the_server_kicks(each: Pair) -> None:
    release = each.block_on("slow")
    each.note("event")
    each.client.emit("slow")
    each.client.emit("event", 1)
    settle()
    each.socket.disconnect()
    release.set()
    wait_until(lambda: "slow ends" in each.seen)
    settle()
    assert ("event", 1) not in each.seen


def test_a_handler_that_kicks_its_own_client_ends_it_on_the_spot(each: Pair) -> None:
    def handler() -> None:
        each.socket.disconnect()
        each.seen.append(("after", each.socket.connected))

    each.socket.on("leave", handler)
    each.socket.on("disconnect", lambda reason: each.seen.append(reason))
    each.note("event")
    each.client.line.send('42["leave"]', '42["event"]')
    wait_until(lambda: len(each.seen) == 2)
    settle()
    assert each.seen == ["server namespace disconnect", ("after", False)]


def test_a_handler_of_the_end_that_is_registered_late_is_called(server: ServerWorld) -> None:
    seen: list[str] = []
    release = Event()

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        release.wait()
        socket.on("disconnect", lambda reason: seen.append(reason))

    client = server.network.joined()
    client.line.leave()
    settle()
    assert seen == []
    release.set()
    wait_until(lambda: seen)
    settle()
    assert seen == ["transport close"]


def test_a_disconnecting_handler_that_fails_does_not_keep_the_socket(
    server: ServerWorld,
) -> None:
    pair = Pair(server)
    pair.socket.on("disconnecting", lambda: 1 // 0)
    pair.socket.on("disconnect", lambda reason: pair.seen.append(reason))
    pair.client.line.leave()
    wait_until(lambda: pair.seen)
    assert server.io.sockets.sockets == {}
    assert server.io.engine.clients_count == 0


def test_a_disconnecting_handler_that_blocks_keeps_the_rooms_until_it_ends(
    server: ServerWorld,
) -> None:
    pair = Pair(server)
    release = Event()
    pair.socket.on("disconnecting", lambda: release.wait())
    pair.client.line.leave()
    settle()
    assert pair.socket.rooms == {pair.socket.id}
    release.set()
    wait_until(lambda: pair.socket.rooms == set())


def test_a_room_listener_that_fails_does_not_keep_the_connection(
    server: ServerWorld, quiet_hub: Any
) -> None:
    pair = Pair(server)
    pair.socket.join("room")

    def fail(*args: Any) -> None:
        raise KeyError("the application's mistake")

    server.io.sockets.adapter.on("leave-room", fail)
    pair.client.line.leave()
    wait_until(lambda: not pair.socket.connected)
    settle()
    if "the application's mistake" in quiet_hub.getvalue():
        quiet_hub.truncate(0)
    pair.client.line.greenlet.get(timeout=1)  # type: ignore[attr-defined]
    assert server.io.engine.clients_count == 0
    assert server.io.sockets.sockets == {}


def test_the_greenlet_of_the_connection_runs_its_handlers(pair: Pair) -> None:
    pair.socket.on("event", lambda: pair.seen.append(gevent.getcurrent()))
    pair.client.emit("event")
    pair.client.emit("event")
    settle()
    assert pair.seen == [pair.client.line.greenlet] * 2  # type: ignore[attr-defined]
