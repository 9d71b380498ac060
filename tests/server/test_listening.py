"""What an application registers on one socket."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime import Socket
from flask_realtime.server.listening import Listening, Registered
from tests.fakes import settle
from tests.worlds import ServerWorld


def first(*args: Any) -> None: ...


def second(*args: Any) -> None: ...


def test_on_and_once_work_as_calls_and_as_decorators() -> None:
    listening = Listening(Registered())
    assert listening.on("event", first) is first
    assert listening.once("event")(second) is second
    assert listening.listeners("event") == [first, second]


def test_off_removes_one_or_all() -> None:
    listening = Listening(Registered())
    for event in ("a", "b"):
        listening.on(event, first)
        listening.on(event, second)
    listening.off("a", first)
    assert listening.listeners("a") == [second]
    listening.remove_all_listeners("a")
    assert listening.listeners("a") == []
    assert listening.listeners("b") == [first, second]
    listening.remove_all_listeners()
    assert listening.listeners("b") == []


def test_catch_all_listeners_are_listed_in_their_order() -> None:
    listening = Listening(Registered())
    assert listening.on_any(first) is first
    listening.prepend_any(second)
    assert listening.listeners_any() == [second, first]
    listening.off_any(first)
    assert listening.listeners_any() == [second]
    listening.off_any()
    assert listening.listeners_any() == []


def test_outgoing_listeners_are_listed_in_their_order() -> None:
    listening = Listening(Registered())
    assert listening.on_any_outgoing(first) is first
    listening.prepend_any_outgoing(second)
    assert listening.listeners_any_outgoing() == [second, first]
    listening.off_any_outgoing(second)
    assert listening.listeners_any_outgoing() == [first]
    listening.off_any_outgoing()
    assert listening.listeners_any_outgoing() == []


def test_catch_all_listeners_run_before_middlewares_and_handlers(server: ServerWorld) -> None:
    steps: list[Any] = []

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("event", lambda *args: steps.append(("handler", *args)))
        socket.use(lambda event, args: steps.append(("middleware", event, list(args))))
        socket.on_any(lambda *args: steps.append(("any", *args)))
        socket.prepend_any(lambda *args: steps.append(("first", *args)))

    client = server.network.joined()
    client.emit("event", 1, "two")
    settle()
    assert steps == [
        ("first", "event", 1, "two"),
        ("any", "event", 1, "two"),
        ("middleware", "event", [1, "two"]),
        ("handler", 1, "two"),
    ]


def test_a_middleware_that_raises_drops_the_event(server: ServerWorld) -> None:
    steps: list[Any] = []

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        def refuse(event: str, args: list[Any]) -> None:
            if event == "forbidden":
                raise PermissionError("no")

        socket.use(refuse)
        socket.use(lambda event, args: steps.append(f"second {event}"))
        socket.on("error", lambda error: steps.append(str(error)))
        socket.on("forbidden", lambda: steps.append("handler"))

        @socket.on("allowed")
        def allowed() -> str:
            steps.append("handler")
            return "yes"

    client = server.network.joined()
    client.emit("forbidden", ack_id=1)
    assert client.call("allowed", ack_id=2) == ["yes"]
    assert steps == ["no", "second allowed", "handler"]


def test_an_error_handler_for_once_does_not_take_part_in_events(server: ServerWorld) -> None:
    seen: list[Any] = []

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("error", lambda *args: seen.append(args))

    client = server.network.joined()
    client.emit("error", "from the client")  # an allowed name, like any other
    settle()
    assert seen == [("from the client",)]


def test_a_catch_all_listener_that_fails_is_reported_and_the_event_goes_on(
    server: ServerWorld,
) -> None:
    told: list[str] = []
    server.io.on_error(lambda error, socket, event: told.append(f"{error!r} in {event}"))

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on_any(lambda *args: 1 // 0)
        socket.on("event", lambda: "done")

    assert server.network.joined().call("event") == ["done"]
    assert told == ["ZeroDivisionError('integer division or modulo by zero') in event"]


def test_outgoing_listeners_see_emits_and_broadcasts(server: ServerWorld) -> None:
    seen: list[Any] = []

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on_any_outgoing(lambda *args: seen.append(args))
        socket.emit("direct", 1)
        server.io.emit("broadcast", 2)

    client = server.network.joined()
    assert [client.event(), client.event()] == [["direct", 1], ["broadcast", 2]]
    assert seen == [("direct", 1), ("broadcast", 2)]


def test_an_outgoing_listener_that_fails_does_not_keep_a_broadcast_from_others(
    server: ServerWorld,
) -> None:
    def fail(*args: Any) -> None:
        raise KeyError("the application's mistake")

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        if len(server.io.sockets.sockets) == 1:
            socket.on_any_outgoing(fail)

    server.network.joined()
    other = server.network.joined()
    try:
        server.io.emit("news")
    except KeyError:
        pass  # who emits may hear of it
    assert other.event() == ["news"]


@pytest.mark.parametrize("name", ["on", "once"])
def test_a_coroutine_is_refused_at_registration(name: str) -> None:
    async def handler() -> None: ...

    with pytest.raises(TypeError):
        getattr(Listening(Registered()), name)("event", handler)


def test_a_handler_may_be_put_in_front() -> None:
    registered = Registered()
    listening = Listening(registered)
    listening.on("event", first)
    assert listening.prepend_listener("event", second) is second
    assert listening.prepend_once_listener("event")(len) is len
    assert listening.listeners("event") == [len, second, first]
    assert [handler.once for handler in registered.handlers.take("event")] == [True, False, False]
    assert listening.listeners("event") == [second, first]


def test_the_names_of_events_with_handlers_are_told() -> None:
    listening = Listening(Registered())
    assert listening.event_names() == []
    listening.on("b", first)
    listening.once("a", first)
    listening.on("b", second)
    assert listening.event_names() == ["b", "a"]
    listening.off("b")
    assert listening.event_names() == ["a"]


def test_handlers_in_front_run_first(server: ServerWorld) -> None:
    seen: list[str] = []

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("event", lambda: seen.append("second"))
        socket.prepend_listener("event", lambda: seen.append("first"))
        socket.prepend_listener("disconnect", lambda: seen.append("gone"))

    client = server.network.joined()
    client.emit("event")
    settle()
    client.disconnect()
    settle()
    assert seen == ["first", "second", "gone"]
