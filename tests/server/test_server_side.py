"""Events between servers, without a cluster around them."""

from __future__ import annotations

import math
from typing import Any

import gevent
import pytest

from flask_realtime.adapters.base import ServerAck
from flask_realtime.adapters.memory import MemoryAdapter
from flask_realtime.errors import ClusterTimeout
from flask_realtime.server.handlers import Runner, describe
from flask_realtime.server.server_side import ask_servers, call_listeners
from flask_realtime.testing.fakes import FakeNamespace
from tests.worlds import ServerWorld


class Answering(MemoryAdapter):
    """Other servers that answer with an error or with responses, or not at all."""

    def __init__(self, error: Exception | None = None, responses: list[Any] | None = None) -> None:
        super().__init__(FakeNamespace())
        self.error, self.responses = error, responses
        self.asked: list[tuple[list[Any], float]] = []

    def server_side_emit(
        self, args: list[Any], ack: ServerAck | None = None, timeout: float = 5
    ) -> None:
        self.asked.append((args, timeout))
        if ack is not None and (self.error is not None or self.responses is not None):
            ack(self.error, self.responses or [])


@pytest.mark.parametrize("event", ["connection", "connect", "new_namespace"])
def test_names_of_the_server_are_not_for_others(server: ServerWorld, event: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        server.io.server_side_emit(event)


@pytest.mark.parametrize(
    ("event", "args", "error"),
    [(7, (), TypeError), ("e", (object(),), TypeError), ("e", (math.nan,), ValueError)],
)
def test_what_cannot_be_carried_raises_where_it_is_sent(
    server: ServerWorld, event: Any, args: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        server.io.server_side_emit(event, *args)


def test_the_answers_are_returned() -> None:
    adapter = Answering(responses=[1, None])
    assert ask_servers(adapter, ["event", 2], 0.5) == [1, None]
    assert adapter.asked == [(["event", 2], 0.5)]


def test_a_timeout_says_who_has_answered_and_how_many_have_not() -> None:
    adapter = Answering(ClusterTimeout("late", [1], missing=2, servers=["b", "c"]))
    with pytest.raises(ClusterTimeout, match="late") as caught:
        ask_servers(adapter, ["event"], 0.5)
    error = caught.value
    assert (error.responses, error.missing, error.servers) == ([1], 2, ["b", "c"])
    assert error is not adapter.error


def test_an_adapter_that_never_calls_back_is_not_waited_for_for_ever() -> None:
    with pytest.raises(ClusterTimeout, match=r"no answer within 0\.01 s"):
        ask_servers(Answering(), ["event"], 0.01)


def test_all_listeners_are_called_and_the_first_answers() -> None:
    seen: list[Any] = []
    answers: list[Any] = []

    def first(*args: Any) -> str:
        seen.append(args)
        return "first"

    call_listeners(
        Runner(),
        "event",
        [describe(first), describe(lambda *args: seen.append(args))],
        [1, 2],
        answers.append,
    )
    gevent.wait(timeout=1, objects=[gevent.spawn(lambda: None)])
    assert seen == [(1, 2), (1, 2)]
    assert answers == ["first"]


def test_a_listener_that_raises_answers_nothing_and_is_reported() -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("a defect")

    runner = Runner()
    answers: list[Any] = []
    reported: list[Any] = []
    runner.on_error = lambda error, socket, event: reported.append((str(error), socket, event))
    call_listeners(runner, "event", [describe(broken)], [], answers.append)
    gevent.wait(timeout=1, objects=[gevent.spawn(lambda: None)])
    assert answers == []
    assert reported == [("a defect", None, "event")]
