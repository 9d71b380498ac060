"""What an application hands over is checked where it hands it over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime import Server
from flask_realtime.functions import require_function
from flask_realtime.server.listening import Listening


async def coroutine(*args: Any) -> bool:
    return True


#: Every place where a coroutine function would pass for a decision that is true.
PLACES: dict[str, Callable[[Any], Any]] = {
    "connection": lambda function: Server().on("connection", function),
    "middleware": lambda function: Server().use(function),
    "event": lambda function: Server().event(function),
    "error handler": lambda function: Server().on_error(function),
    "engine middleware": lambda function: Server().engine.use(function),
    "engine event": lambda function: Server().engine.on("headers", function),
    "allow_request": lambda function: Server(allow_request=function),
    "generate_id": lambda function: Server(generate_id=function),
    "cors": lambda function: Server(cors=function),
    "handler": lambda function: Listening().on("event", function),
    "packet middleware": lambda function: Listening().use(function),
    "catch-all": lambda function: Listening().on_any(function),
    "outgoing catch-all": lambda function: Listening().on_any_outgoing(function),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_coroutine_function_is_refused_everywhere(place: str) -> None:
    with pytest.raises(TypeError, match="plain function"):
        PLACES[place](coroutine)


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_called_is_refused_everywhere(place: str) -> None:
    with pytest.raises(TypeError):
        PLACES[place](5)


def test_the_message_names_the_role() -> None:
    with pytest.raises(TypeError, match="a door must be callable, not int"):
        require_function(5, "a door")
