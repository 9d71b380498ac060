"""Which function handles which event, and where it is."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_realtime import Namespace, Server
from flask_realtime.flask_socketio import Namespace as PortedNamespace
from flask_realtime.flask_socketio import SocketIO
from flask_realtime.routes import Route, routes_of, table
from flask_realtime.server.parent import ParentNamespace


def handler(socket: Any, *args: Any) -> None:
    """It handles whatever it is registered for."""


def every_name(name: str, auth: Any) -> bool:
    return True


def line_of(function: Any) -> str:
    path = Path(__file__).relative_to(Path.cwd())
    return f"{path}:{function.__code__.co_firstlineno}"


class Admin(Namespace):
    def on_connection(self, socket: Any) -> None:
        """A client has come."""

    def on_ban(self, socket: Any, name: str) -> None:
        """A client has said so."""


class Rooms(ParentNamespace):
    def on_say(self, socket: Any, text: str) -> None:
        """A client has said something."""


class Ported(PortedNamespace):
    def on_ban(self, name: str) -> None:
        """A client has said so."""


class Callable:
    def __call__(self, socket: Any) -> None:
        """It is called."""


def found(io: Server) -> set[tuple[str, str, str]]:
    return {(route.namespace, route.event, route.function) for route in routes_of(io)}


def test_a_handler_is_shown_with_file_and_line() -> None:
    io = Server()
    io.event("say", namespace="/chat")(handler)
    assert routes_of(io) == [Route("/chat", "say", "handler", line_of(handler))]


def test_everything_that_is_registered_is_shown() -> None:
    io = Server()
    io.event("connection")(handler)
    io.on("connection", handler)
    io.on("restart", handler)
    io.on("new_namespace", handler)
    io.use(handler)
    io.register(Admin("/admin"))
    io.of(re.compile("^/room-")).use(handler)
    io.event("say", namespace=re.compile("^/room-"))(handler)
    io.register(Rooms(every_name))
    assert [route.event for route in routes_of(io) if route.event == "connection"] == [
        "connection"
    ] * 3
    assert found(io) == {
        ("/", "(middleware)", "handler"),
        ("/", "connection", "handler"),
        ("/", "new_namespace", "handler"),
        ("/", "restart (from other servers)", "handler"),
        ("/admin", "ban", "Admin.on_ban"),
        ("/admin", "connection", "Admin.on_connection"),
        ("[^/room-]", "(middleware)", "handler"),
        ("[^/room-]", "say", "handler"),
        ("[every_name]", "say", "Rooms.on_say"),
    }


def test_functions_of_the_other_interface_are_shown_without_its_own() -> None:
    socketio = SocketIO(Flask(__name__), namespaces="*")
    socketio.on_event("say", handler, namespace="/chat")
    socketio.on_namespace(Ported("/admin"))
    socketio.realtime.event("native")(handler)
    routes = routes_of(socketio.realtime, socketio)
    assert [route[:3] for route in routes] == [
        ("/", "native", "handler"),
        ("/admin", "ban", "Ported.on_ban"),
        ("/chat", "say", "handler"),
    ]


@pytest.mark.parametrize(
    ("function", "name", "place"),
    [
        (functools.partial(handler, None), "handler", line_of(handler)),
        (functools.lru_cache(handler), "handler", line_of(handler)),
        (Callable(), "Callable", line_of(Callable.__call__)),
        (print, "print", ""),
    ],
)
def test_what_stands_around_a_function_is_looked_through(
    function: Any, name: str, place: str
) -> None:
    io = Server()
    io.on("event", function)
    ((_, _, shown, at),) = routes_of(io)
    assert (shown, at) == (name, place)


def test_a_table_has_columns() -> None:
    lines = table([Route("/", "a long event", "handler", "app.py:1"), Route("/chat", "b", "f", "")])
    assert lines == [
        "Namespace  Event         Function  Place",
        "---------  ------------  --------  --------",
        "/          a long event  handler   app.py:1",
        "/chat      b             f",
    ]
