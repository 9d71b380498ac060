"""What modules register with a server, and what it lends them."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from flask_realtime import Server, Socket
from tests.ids import case
from tests.worlds import ServerWorld

Plain = Any


def test_a_fallback_has_no_name(server: ServerWorld) -> None:
    io: Plain = server.io
    with pytest.raises(TypeError, match=r"@io\.fallback\(namespace='/chat'\)"):
        io.fallback("/chat")


@pytest.mark.parametrize("wrong", [3, [], object()], ids=case)
def test_what_cannot_be_called_is_no_fallback(server: ServerWorld, wrong: Any) -> None:
    with pytest.raises(TypeError, match="a handler must be callable"):
        server.io.fallback(wrong)
    with pytest.raises(TypeError, match="a handler must be callable"):
        server.io.of("/chat").fallback(wrong)


def test_a_decorator_returns_the_function(server: ServerWorld) -> None:
    def handle(socket: Socket, event: str = "") -> None: ...

    io = server.io
    assert io.fallback(handle) is handle
    assert io.fallback(namespace="/chat", thread=True)(handle) is handle
    assert io.of("/chat").fallback(concurrent=True)(handle) is handle
    assert io.event(handle) is handle
    assert io.event("name", thread=True)(handle) is handle


@pytest.mark.parametrize(
    ("call", "way"),
    [
        (lambda io: io.on("connection", concurrent=True), "@io.event(name, concurrent=True)"),
        (lambda io: io.on("connection", print, thread=True), "@io.event(name, thread=True)"),
        (lambda io: io.of("/a").on("connection", namespace="/b"), "io.of(namespace).on(...)"),
        (lambda io: io.server_side_emit("event", room="a"), "io.to(room).emit(...)"),
        (lambda io: io.server_side_emit("event", callback=print), "server_side_emit(..., ack=fn)"),
        (lambda io: io.server_side_emit_with_ack("event", to="a"), "io.to(room).emit(...)"),
    ],
)
def test_a_keyword_of_another_method_is_explained(server: ServerWorld, call: Any, way: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument") as caught:
        call(server.io)
    assert way in str(caught.value)


def test_sleeping_lets_others_run() -> None:
    io, seen = Server(), list[int]()
    gevent.spawn(seen.append, 1)
    io.sleep()
    assert seen == [1]
    io.sleep(0.001)
