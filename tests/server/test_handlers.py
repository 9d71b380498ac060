"""What signatures say, which handlers are called, and what becomes of their exceptions."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.server.handlers import FAILED, HandlerTable, Runner, Visitor, describe
from flask_realtime.server.observer import Observer
from tests.ids import case


class Named:
    id = "abc"


SOCKET = Named()
CLIENT = object()


class Methods:
    def two(self, reason: str, description: object) -> None: ...

    def many(self, *args: Any) -> None: ...

    def answers(self, text: str, *, ack: Any) -> None: ...

    def __call__(self, one: str) -> None: ...

    @staticmethod
    def static(one: str, two: str, three: str) -> None: ...

    @classmethod
    def of_class(cls, one: str) -> None: ...


def no_arguments() -> None: ...


def defaults(one: str, two: int = 2) -> None: ...


def keyword_ack(one: str, *, ack: Callable[..., None]) -> None: ...


def positional_ack(ack: Any) -> None: ...


@functools.wraps(defaults)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


MANY = 900


@pytest.mark.parametrize(
    ("function", "arguments", "wants_ack"),
    [
        (no_arguments, 0, False),
        (defaults, 2, False),
        (keyword_ack, 1, True),
        (positional_ack, 1, False),
        (wrapped, 2, False),
        (lambda *args: None, MANY, False),
        (lambda one, *args, ack: None, MANY, True),
        (Methods().two, 2, False),
        (Methods().many, MANY, False),
        (Methods().answers, 1, True),
        (Methods(), 1, False),
        (Methods.static, 3, False),
        (Methods.of_class, 1, False),
        (functools.partial(defaults, "x"), 1, False),
        (functools.partial(keyword_ack, "x"), 0, True),
        (print, MANY, False),
    ],
    ids=case,
)
def test_a_signature_is_read_at_registration(
    function: Any, arguments: int, wants_ack: bool
) -> None:
    handler = describe(function)
    assert min(handler.max_args, MANY) == arguments
    assert handler.wants_ack is wants_ack
    assert handler.function == function


@pytest.mark.parametrize("wrong", [None, "text", 5, object()])
def test_what_cannot_be_called_is_no_handler(wrong: Any) -> None:
    with pytest.raises(TypeError, match="callable"):
        describe(wrong)


def test_a_coroutine_function_is_no_handler() -> None:
    async def handler() -> None: ...

    with pytest.raises(TypeError, match="coroutine"):
        describe(handler)


# --- the table


def one() -> None: ...


def two() -> None: ...


def test_handlers_are_kept_in_the_order_of_registration() -> None:
    table = HandlerTable()
    assert not table
    for function in (one, two, one):
        table.add("event", describe(function))
    assert table.functions("event") == [one, two, one]
    assert table.functions("other") == []
    assert table


def test_one_handler_or_all_are_removed() -> None:
    table = HandlerTable()
    for function in (one, two):
        table.add("event", describe(function))
    table.remove("event", one)
    table.remove("other", one)
    assert table.functions("event") == [two]
    table.remove("event", None)
    assert not table


def test_bound_methods_are_found_again() -> None:
    table, owner = HandlerTable(), Methods()
    table.add("event", describe(owner.two))
    table.remove("event", owner.two)
    assert table.functions("event") == []


def test_a_handler_registered_for_once_is_taken_once() -> None:
    table = HandlerTable()
    table.add("event", describe(one, once=True))
    table.add("event", describe(two))
    assert [handler.function for handler in table.take("event")] == [one, two]
    assert [handler.function for handler in table.take("event")] == [two]


@pytest.mark.parametrize("how", [{"concurrent": True}, {"thread": True}], ids=str)
def test_the_table_knows_of_handlers_apart(how: dict[str, bool]) -> None:
    table, other = HandlerTable(), HandlerTable()
    table.add("event", describe(one))
    other.add_fallback(describe(one, concurrent=False))
    assert not table.has_apart
    assert not other.has_apart
    table.add("event", describe(two, **how))
    other.add_fallback(describe(two, **how))
    assert table.has_apart
    assert other.has_apart


def test_all_handlers_of_all_events_are_cleared() -> None:
    table = HandlerTable()
    table.add("a", describe(one))
    table.add("b", describe(two))
    table.clear()
    assert not table


# --- the runner


def fail() -> None:
    raise KeyError("the cause")


def test_a_result_is_returned_and_a_failure_is_marked() -> None:
    runner = Runner()
    assert runner.call(SOCKET, "event", lambda value: value + 1, 1) == 2
    assert runner.call(SOCKET, "event", fail) is FAILED
    assert runner.errors == 1


def test_a_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        Runner().call(SOCKET, "chat message", fail)
    assert "'chat message'" in caplog.text
    assert "socket abc" in caplog.text
    assert "KeyError: 'the cause'" in caplog.text


def test_observers_are_told_before_the_error_handler() -> None:
    runner, told = Runner(), list[tuple[str, str]]()

    class Watch(Observer):
        def failed(self, error: BaseException, socket: Any, event: str) -> None:
            told.append(("observer", event))

    runner.observers.append(Watch())
    runner.on_error = lambda error, socket, event: told.append(("handler", event))
    runner.report(KeyError("a defect"), SOCKET, "greet")
    assert told == [("observer", "greet"), ("handler", "greet")]


def test_the_error_handler_is_told_everything() -> None:
    runner, told = Runner(), []
    runner.on_error = lambda error, socket, event: told.append((repr(error), socket, event))
    runner.call(SOCKET, "event", fail)
    assert told == [("KeyError('the cause')", SOCKET, "event")]


def test_an_error_handler_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    runner = Runner()
    runner.on_error = lambda error, socket, event: 1 // 0
    assert runner.call(SOCKET, "event", fail) is FAILED
    assert "ZeroDivisionError" in caplog.text


class Context:
    """Notes what is called in it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.steps: list[Any] = []
        self._failure = failure

    def call(
        self, socket: Any, event: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        assert event == "event"
        self.steps.append(("in", socket))
        result = function(*args)
        if self._failure is not None:
            raise self._failure
        self.steps.append(("out", socket))
        return result

    def call_apart(self, event: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return self.call("no client", event, function, args)

    def for_task(self) -> Callable[..., Any]:
        return lambda function, args: self.call("no client", "event", function, args)

    def failed(self, error: BaseException) -> None:
        self.steps.append(("failed", repr(error)))


def test_the_result_of_what_runs_inside_the_context_is_returned() -> None:
    for context in (None, Context()):
        runner = Runner()
        runner.context = context
        assert runner.within(SOCKET, "event", len, "abc") == 3
        assert runner.visit(CLIENT, "event", len, "abc") == 3
        assert runner.apart("event", len, "abc") == 3
    runner.context = Context(KeyError("teardown"))
    assert runner.within(SOCKET, "event", len, "abc") is FAILED
    assert runner.visit(CLIENT, "event", len, "abc") is FAILED
    assert runner.apart("event", len, "abc") is FAILED


def test_the_context_is_told_of_a_handler_that_fails_inside_it() -> None:
    runner, context = Runner(), Context()
    runner.context = context
    assert runner.within(SOCKET, "event", runner.call, SOCKET, "event", fail) is FAILED
    raised = repr(KeyError("the cause"))
    assert context.steps == [("in", SOCKET), ("failed", raised), ("out", SOCKET)]


def test_functions_run_inside_the_context() -> None:
    runner, context = Runner(), Context()
    runner.within(SOCKET, "event", context.steps.append, ("without", None))
    runner.context = context
    runner.within(SOCKET, "event", context.steps.append, ("run", None))
    assert context.steps == [("without", None), ("in", SOCKET), ("run", None), ("out", SOCKET)]


def test_a_context_that_fails_is_reported() -> None:
    runner, told = Runner(), []
    runner.context = Context(KeyError("teardown"))
    runner.on_error = lambda error, socket, event: told.append(str(error))
    runner.within(SOCKET, "event", lambda: None)
    assert told == ["'teardown'"]


def test_a_client_without_a_socket_has_a_context_as_well() -> None:
    runner, context = Runner(), Context()
    runner.visit(CLIENT, "event", context.steps.append, ("without", None))
    runner.context = context
    runner.visit(CLIENT, "event", context.steps.append, ("run", None))
    visitor = Visitor(CLIENT)
    assert context.steps == [("without", None), ("in", visitor), ("run", None), ("out", visitor)]


def test_a_context_that_fails_for_a_client_is_reported_without_a_socket() -> None:
    runner, told = Runner(), []
    runner.context = Context(KeyError("teardown"))
    runner.on_error = lambda error, socket, event: told.append((str(error), socket, event))
    runner.visit(CLIENT, "event", lambda: None)
    assert told == [("'teardown'", None, "event")]


def test_what_no_client_has_caused_has_a_context_as_well() -> None:
    runner, context, told = Runner(), Context(), []
    runner.apart("event", context.steps.append, ("without", None))
    runner.context = context
    runner.apart("event", context.steps.append, ("run", None))
    apart = "no client"
    assert context.steps == [("without", None), ("in", apart), ("run", None), ("out", apart)]
    runner.context = Context(KeyError("teardown"))
    runner.on_error = lambda error, socket, event: told.append((str(error), socket, event))
    runner.apart("event", lambda: None)
    assert told == [("'teardown'", None, "event")]


def test_handlers_are_copied_to_another_table() -> None:
    one, other = HandlerTable(), HandlerTable()
    first, second = describe(len, once=True), describe(fail, concurrent=True)
    other.add("event", second)
    one.add("event", first)
    one.add("other", second)
    one.add_fallback(first)
    one.copy_to(other)
    assert other.fallbacks == (first,)
    assert other.get("event") == (second, first)
    assert other.has_apart
    assert other.take("event") == (second, first)
    assert other.get("event") == (second,)
    assert one.get("event") == (first,)
