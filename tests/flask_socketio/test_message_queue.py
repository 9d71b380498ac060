"""``message_queue=``: an adapter once serving begins, an emitter before and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import socketio
from flask import Flask

from flask_realtime.flask_socketio import SocketIO
from flask_realtime.flask_socketio.message_queue import MessageQueue
from tests.processes import Process, eventually, python
from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_an_application_serves_and_an_object_without_one_only_emits() -> None:
    app = Flask(__name__)
    both = SocketIO(app, message_queue="redis://")
    assert both.server_options["client_manager"].write_only is False
    both.init_app(app, message_queue="rediss://")
    assert both.server_options["client_manager"].write_only is False
    only = SocketIO()
    only.init_app(None, message_queue="redis://")
    assert only.server_options["client_manager"].write_only is True
    assert only.server is None


def test_an_object_that_only_emits_has_no_callbacks() -> None:
    io = SocketIO(message_queue="redis://")
    with pytest.raises(RuntimeError, match="cannot have a callback"):
        io.emit("x", callback=print)


@pytest.mark.parametrize(
    ("url", "module"),
    [("redis://a", "classic"), ("redis+sharded://a", "sharded"), ("rediss+streams://a", "streams")],
)
def test_the_address_says_which_format_is_spoken(url: str, module: str) -> None:
    queue = MessageQueue(url, "channel")
    assert type(queue.emitter()).__name__ == "Emitter"
    assert not queue.is_serving
    with pytest.raises(RuntimeError, match="patch"):
        # Only now: the process of the tests is not patched.
        queue.waiting_adapter(_Nowhere()).start()


class _Nowhere:
    name = "/"


# --- real processes

PROGRAM = """
import sys
from flask import Flask, request
from flask_realtime.flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
io = SocketIO(app, message_queue=sys.argv[1], channel="tests")

@io.on("join")
def join(room):
    join_room(room)
    return request.sid

@io.on("ask")
def ask(sid):
    who = request.sid
    io.emit("question", 1, to=sid, callback=lambda *got: emit("told", [who == request.sid, *got]))
    return io.call("question", 2, to=sid)

@io.on("kick")
def kick(sid):
    from flask_realtime.flask_socketio import disconnect
    disconnect(sid)
"""

SERVER = "from gevent import monkey; monkey.patch_all()" + PROGRAM + "\nio.run(app, port=0)\n"

WORKER = """
import sys
from flask_realtime.flask_socketio import SocketIO
io = SocketIO(message_queue=sys.argv[1], channel="tests")
io.emit("from the worker", {"a": 1})
io.emit("to the room", to=7)
io.emit("to others", to="not that room")
io.close_room(7)
"""
# It imports the whole application, unpatched, and never serves.
IMPORTER = PROGRAM + '\nio.emit("from the importer", (1, b"2"))\n'


def _ends_with(events: list[Any], expected: list[Any]) -> bool:
    return events[-len(expected) :] == expected


def test_servers_meet_and_workers_reach_their_clients(redis: RedisServer) -> None:
    with ExitStack() as stack:
        clients, seen = [], []
        for _ in range(2):
            server = stack.enter_context(Process(python("-c", SERVER, redis.url)))
            found = server.wait_for(r"Running on (\S+)")
            client = socketio.Client()
            events: list[Any] = []
            client.on("*", lambda event, *args, events=events: events.append((event, *args)))
            client.on("question", lambda value: (value, "and more"))
            client.connect(found.group(1))
            stack.callback(client.disconnect)
            clients.append(client)
            seen.append(events)
        ids = [client.call("join", 7) for client in clients]
        assert clients[0].call("ask", ids[1]) == (2, "and more")
        eventually(lambda: ("told", [True, 1, "and more"]) in seen[0], what="the callback")
        for program in (WORKER, IMPORTER):
            worker = stack.enter_context(Process(python("-c", program, redis.url)))
            assert worker.wait() == 0, worker.report()
        expected = [("from the worker", {"a": 1}), ("to the room",), ("from the importer", 1, b"2")]
        for events in seen:
            eventually(partial(_ends_with, events, expected), what="what workers emit")
        clients[0].emit("kick", ids[1])
        eventually(lambda: not clients[1].connected, what="the end of the other client")
