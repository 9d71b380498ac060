"""The test client of the module."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request

from flask_realtime.flask_socketio import SocketIO
from tests.flask_socketio.worlds import World, events_of


def test_handlers_see_the_query_and_the_headers_of_the_test_alone(world: World) -> None:
    @world.io.on("connect")
    def connected() -> None:
        names = set(request.headers.keys()) - {"Host", "Content-Type", "Content-Length"}
        world.seen.append((request.args.to_dict(flat=False), sorted(names)))

    world.client()
    world.client(query_string="?a=1&a=2", headers={"X-Test": "1"})
    world.client(query_string="b=3")
    assert world.seen == [({}, []), ({"a": ["1", "2"]}, ["X-Test"]), ({"b": ["3"]}, [])]


def test_one_connection_has_several_namespaces(world: World) -> None:
    world.io.on_event("x", print, namespace="/chat")
    client, other = world.client(), world.client()
    first = client.eio_sid
    client.connect("/chat")
    assert client.eio_sid == first != other.eio_sid
    assert client.connected == {"/": True, "/chat": True}
    client.disconnect("/chat")
    assert client.is_connected()
    assert not client.is_connected("/chat")


def test_a_client_connects_again(world: World) -> None:
    client = world.client()
    client.disconnect()
    with pytest.raises(RuntimeError, match="not connected"):
        client.emit("x")
    with pytest.raises(RuntimeError, match="not connected"):
        client.get_received()
    client.connect()
    assert client.is_connected()


def test_answers_are_a_value_or_a_list(world: World) -> None:
    answers: dict[str, Any] = {"one": 1, "two": (1, 2), "none": None, "list": [1]}
    world.io.on_event("ask", answers.get)
    client = world.client()
    asked = {name: client.emit("ask", name, callback=True) for name in answers}
    assert asked == {"one": 1, "two": [1, 2], "none": [], "list": [1]}
    assert client.emit("ask", "one") is None


def test_values_are_encoded_when_they_are_sent(world: World) -> None:
    @world.io.on("change")
    def change() -> dict[str, int]:
        data = {"a": 1}
        world.io.emit("first", data)
        data["a"] = 2
        return data

    client = world.client()
    assert client.emit("change", callback=True) == {"a": 2}
    assert events_of(client) == [("first", [{"a": 1}])]
    with pytest.raises(TypeError):
        client.emit("x", object())


@pytest.mark.parametrize("callback", [False, True])
def test_what_a_handler_cannot_send_comes_out_of_the_test(world: World, callback: bool) -> None:
    @world.io.on("bad")
    def bad() -> object:
        if not callback:
            world.io.emit("x", {"a": object()})
        return object()

    with pytest.raises(TypeError):
        world.client().emit("bad", callback=callback)


def test_a_client_needs_an_application() -> None:
    with pytest.raises(RuntimeError, match="init_app"):
        SocketIO().test_client(Flask(__name__))
