"""What handlers return answers the acknowledgement."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.server.dispatch import ack_arguments
from flask_realtime.server.socket import Socket
from tests.clients import SocketClient
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld

Registrar = Callable[..., SocketClient]


@pytest.fixture
def client_of(server: ServerWorld) -> Registrar:
    """A client whose socket handles "event" with these functions, in their order."""

    def make(*handlers: Callable[..., Any], transport: str = "websocket") -> SocketClient:
        @server.io.on("connection")
        def connected(socket: Socket) -> None:
            for handler in handlers:
                socket.on("event", handler)
            socket.on("last", lambda: "last")

        return server.network.joined(transport)

    return make


def answer(client: SocketClient, *args: Any) -> str:
    """What comes first: the answer to an event, or to the one after it."""
    client.emit("event", *args, ack_id=1)
    client.emit("last", ack_id=2)
    first = str(client.receive())
    if first.startswith("31"):
        assert client.receive() == '32["last"]'
    return first


@pytest.mark.parametrize(
    ("result", "args"),
    [(None, ()), ("a", ("a",)), (("a", 2), ("a", 2)), ((), ()), ([1, 2], ([1, 2],)), (0, (0,))],
)
def test_a_result_becomes_arguments(result: Any, args: tuple[Any, ...]) -> None:
    assert ack_arguments(result) == args


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    ("result", "packet"),
    [
        (None, "31[]"),
        ("delivered", '31["delivered"]'),
        (("a", 2), '31["a",2]'),
        ([1, 2], "31[[1,2]]"),
        (False, "31[false]"),
    ],
)
def test_the_result_of_a_handler_answers(
    client_of: Registrar, transport: str, result: Any, packet: str
) -> None:
    assert answer(client_of(lambda: result, transport=transport)) == packet


def test_a_binary_result_answers(client_of: Registrar) -> None:
    client = client_of(lambda: b"\x00\xff")
    client.emit("event", ack_id=1)
    assert client.receive() == '61-1[{"_placeholder":true,"num":0}]'
    assert client.receive() == b"\x00\xff"


def test_the_first_result_that_is_something_answers(client_of: Registrar) -> None:
    assert answer(client_of(lambda: None, lambda: "second", lambda: "third")) == '31["second"]'


def test_a_false_result_is_something(client_of: Registrar) -> None:
    assert answer(client_of(lambda: 0, lambda: 1)) == "31[0]"


def test_an_event_that_nobody_handles_is_not_answered(client_of: Registrar) -> None:
    assert answer(client_of()) == '32["last"]'


def test_a_handler_that_fails_does_not_answer_but_another_may(client_of: Registrar) -> None:
    assert answer(client_of(lambda: 1 // 0)) == '32["last"]'
    assert answer(client_of(lambda: 1 // 0, lambda: "well")) == '31["well"]'


def test_a_handler_with_too_few_parameters_is_a_mistake_like_any_other(
    client_of: Registrar, server: ServerWorld
) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append(type(error)))
    assert answer(client_of(lambda: "never"), "one argument") == '32["last"]'
    assert told == [TypeError]


@pytest.mark.parametrize("result", [object(), math.nan, {1, 2}])
def test_a_result_that_cannot_be_carried_is_the_mistake_of_the_handler(
    client_of: Registrar, server: ServerWorld, result: Any
) -> None:
    told: list[str] = []
    server.io.on_error(lambda error, socket, event: told.append(event))
    assert answer(client_of(lambda: result)) == '32["last"]'
    assert told == ["event"]


# --- a handler that answers by itself


def test_a_handler_may_answer_when_it_likes_and_once(client_of: Registrar) -> None:
    given: list[Any] = []

    def handler(*, ack: Any) -> str:
        given.append(ack)
        return "not an answer"

    client = client_of(handler)
    assert answer(client) == '32["last"]'
    given[0]("a", 2)
    given[0]("again")
    assert client.receive() == '31["a",2]'
    client.emit("last", ack_id=3)
    assert client.receive() == '33["last"]'


def test_a_handler_that_can_answer_does_not_mind_when_nobody_asks(client_of: Registrar) -> None:
    seen: list[str] = []

    def handler(text: str, *, ack: Any) -> None:
        ack("unheard")
        seen.append(text)

    client = client_of(handler)
    client.emit("event", "hello")
    settle()
    assert seen == ["hello"]
    client.emit("last", ack_id=3)
    assert client.receive() == '33["last"]'


def test_a_result_does_not_answer_after_a_handler_that_has(client_of: Registrar) -> None:
    def first(*, ack: Any) -> None:
        ack("first")

    assert answer(client_of(first, lambda: "second")) == '31["first"]'


def test_a_result_answers_when_a_handler_with_an_ack_does_not(client_of: Registrar) -> None:
    def first(*, ack: Any) -> None:
        pass

    assert answer(client_of(first, lambda: "second")) == '31["second"]'


def test_an_answer_that_cannot_be_carried_may_be_given_again(client_of: Registrar) -> None:
    def handler(*, ack: Any) -> None:
        try:
            ack(object())
        except TypeError:
            ack("sorry")

    assert answer(client_of(handler)) == '31["sorry"]'


def test_an_answer_after_the_socket_has_left_still_arrives(
    client_of: Registrar, server: ServerWorld
) -> None:
    release = Event()

    def handler() -> str:
        release.wait()
        return "late"

    server.io.of("/other")
    client = client_of(handler)
    client.connect("/other")
    client.emit("event", ack_id=1)
    settle()
    client.disconnect()
    release.set()
    assert client.receive() == '31["late"]'


def test_an_answer_after_the_client_has_gone_is_dropped(
    client_of: Registrar, server: ServerWorld
) -> None:
    release, done = Event(), []

    def handler() -> str:
        release.wait()
        done.append("done")
        return "late"

    client = client_of(handler)
    client.emit("event", ack_id=1)
    settle()
    client.line.leave()
    settle()
    release.set()
    wait_until(lambda: done)
    assert server.io.engine.clients_count == 0


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handler_that_runs_into_a_timeout_of_its_own_costs_nobody_anything(
    server: ServerWorld, transport: str
) -> None:
    told: list[BaseException] = []
    server.io.on_error(lambda error, socket, event: told.append(error))

    @server.io.event
    def slow(socket: Any) -> None:
        with gevent.Timeout(0.001):
            gevent.sleep(5)

    @server.io.event("next")
    def after(socket: Any) -> str:
        return "well"

    client = server.network.joined(transport)
    client.emit("slow")
    assert client.call("next", ack_id=1) == ["well"]
    assert [type(error) for error in told] == [gevent.Timeout]
