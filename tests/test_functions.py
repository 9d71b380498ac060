"""What an application hands over is checked where it hands it over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime import Server
from flask_realtime.functions import require_event, require_function
from flask_realtime.server.listening import Listening, Registered


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
    "handler": lambda function: Listening(Registered()).on("event", function),
    "packet middleware": lambda function: Listening(Registered()).use(function),
    "catch-all": lambda function: Listening(Registered()).on_any(function),
    "outgoing catch-all": lambda function: Listening(Registered()).on_any_outgoing(function),
    "acknowledgement": lambda function: Server().emit("event", ack=function),
    "server-side acknowledgement": lambda function: Server().server_side_emit("e", ack=function),
}

#: Every place where an event is named.
NAMED: dict[str, Callable[[Any], Any]] = {
    "listener": lambda name: Server().on(name, print),
    "listener for once": lambda name: Server().once(name, print),
    "listener, decorated": lambda name: Server().on(name),
    "engine listener": lambda name: Server().engine.on(name, print),
    "handler": lambda name: Listening(Registered()).on(name, print),
    "handler for once": lambda name: Listening(Registered()).once(name, print),
    "handler, decorated": lambda name: Listening(Registered()).on(name),
    "handler of a namespace": lambda name: Server().sockets.event(name, print),
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


@pytest.mark.parametrize("place", NAMED)
@pytest.mark.parametrize("name", [None, b"event", ["event"], {}])
def test_an_event_is_named_by_text_everywhere(place: str, name: Any) -> None:
    with pytest.raises(TypeError, match="an event name must be a string, not"):
        NAMED[place](name)


def test_a_decorator_without_its_event_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match=r'not function; as a decorator: @….on\("name"\)'):
        Listening(Registered()).on(lambda: None)  # type: ignore[call-overload]


def test_clients_may_send_numbers_in_place_of_names() -> None:
    require_event(5, number=True)
    assert Listening(Registered()).on(5, print) is print  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        require_event(5)
