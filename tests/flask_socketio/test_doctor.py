"""What the doctor finds in an application."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_realtime.flask_socketio import Namespace
from flask_realtime.flask_socketio.doctor import (
    examine,
    look_at_handlers,
    look_at_options,
    look_at_source,
)
from tests.flask_socketio.worlds import World

SOURCE = """
import eventlet
from flask_socketio import SocketIO, emit
from flask_socketio.test_client import SocketIOTestClient
from socketio.exceptions import TimeoutError

emit("a", to=0)
socketio.emit("b", room="")
send("c", to=[])
emit("d", to="lobby", broadcast=False)
emit("e", to=room, include_self=0)
"""


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ({"message_queue": "amqp://"}, "message_queue: amqp has no adapter"),
        ({"message_queue": "redis://"}, "message_queue: servers of python-socketio"),
        ({"async_mode": "threading"}, "async_mode='threading': gevent is used"),
        ({"serializer": "pickle"}, "serializer"),
        ({"cors_allowed_origins": "*"}, 'cors_allowed_origins="*": without credentials'),
        ({"cors_allowed_origins": ["http://a.example/"]}, "cors_allowed_origins: cors: "),
    ],
)
def test_an_option_that_differs_is_told(options: dict[str, Any], begins: str) -> None:
    (line,) = look_at_options(options)
    assert line.startswith(begins)


def test_options_that_mean_the_same_are_not_told() -> None:
    same = {"async_mode": "gevent", "cors_allowed_origins": ["http://a.example"], "path": "x"}
    assert look_at_options(same) == []
    assert look_at_options({"cors_allowed_origins": "*", "cors_credentials": True}) == []


def test_handlers_that_never_ran_are_told() -> None:
    async def coroutine() -> None:
        """It was never awaited."""

    handlers: list[tuple[str, str, Any]] = [
        ("x", "/", coroutine),
        ("y", "chat", print),
        ("*", "*", print),
        ("z", "/", print),
    ]
    lines = look_at_handlers(handlers)
    assert [line.partition(":")[0] for line in lines] == [
        "handler of 'x' in '/'",
        "handler of 'y' in 'chat'",
        "handler of '*' in '*'",
    ]


def test_lines_of_the_source_are_told_with_their_numbers() -> None:
    lines = look_at_source("app.py", SOURCE)
    numbers = [line.partition(" ")[0] for line in lines]
    assert numbers == [f"app.py:{number}" for number in (2, 3, 4, 5, 7, 8, 9)]
    assert "flask_realtime.flask_socketio.test_client" in lines[2]


def test_a_file_that_cannot_be_read_is_told() -> None:
    assert look_at_source("app.py", "def")[0].startswith("app.py:1 cannot be read")


def test_an_application_is_examined_with_the_files_of_its_handlers(world: World) -> None:
    def handler() -> None:
        world.io.emit("x", to=0)

    class Chat(Namespace):
        def on_x(self) -> None:
            """A method."""

    world.io.on_event("x", handler)
    world.io.on_namespace(Chat("/chat"))
    lines = examine(world.app)
    assert any("test_doctor.py" in line and "to=0" in line for line in lines)


def test_an_application_without_the_extension_is_refused() -> None:
    with pytest.raises(LookupError, match="no SocketIO extension"):
        examine(Flask(__name__))
