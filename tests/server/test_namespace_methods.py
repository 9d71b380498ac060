"""The words of the main namespace, said to the server."""

from __future__ import annotations

import pytest

from tests.fakes import settle
from tests.worlds import ServerWorld


def listener(*args: object) -> None: ...


@pytest.mark.parametrize("word", ["on", "once", "prepend_listener", "prepend_once_listener"])
@pytest.mark.parametrize("event", ["connection", "connect"])
def test_listeners_are_those_of_the_main_namespace(
    server: ServerWorld, word: str, event: str
) -> None:
    register = getattr(server.io, word)
    assert register(event, listener) is listener
    assert register(event)(len) is len
    assert set(server.io.sockets.listeners("connection")) == {listener, len}
    assert server.io.listeners("connect") == server.io.listeners("connection")
    assert server.io.event_names() == ["connection"]
    server.io.off("connect", len)
    assert server.io.listeners(event) == [listener]
    server.io.remove_all_listeners("connect")
    assert server.io.event_names() == []


def test_all_listeners_can_be_removed(server: ServerWorld) -> None:
    server.io.on("a", listener)
    server.io.on("connection", listener)
    server.io.remove_all_listeners()
    assert server.io.event_names() == []


def test_listeners_in_front_are_called_first(server: ServerWorld) -> None:
    seen: list[str] = []
    server.io.on("connection", lambda socket: seen.append("second"))
    server.io.prepend_listener("connection", lambda socket: seen.append("first"))
    server.io.prepend_once_listener("connect", lambda socket: seen.append("once"))
    for _ in range(2):
        server.network.joined()
    settle()
    assert seen == ["once", "first", "second", "first", "second"]


def test_middlewares_are_those_of_the_main_namespace(server: ServerWorld) -> None:
    seen: list[str] = []

    @server.io.use
    def admit(socket: object) -> None:
        seen.append("asked")

    server.io.of("/other")
    server.network.joined()
    settle()
    assert seen == ["asked"]
