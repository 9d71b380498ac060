"""Which handler an event has."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.flask_socketio.namespace import Namespace
from flask_realtime.flask_socketio.table import Found, HandlerTable, takes


def function_of(table: HandlerTable, namespace: str, event: str) -> Any:
    found = table.find(namespace, event)
    return found.entry.function if found is not None and found.entry is not None else None


def one() -> None:
    """A handler."""


def two() -> None:
    """Another."""


def test_the_last_handler_of_a_name_counts() -> None:
    table = HandlerTable()
    table.add("/", "x", one)
    table.add("/", "x", two)
    assert function_of(table, "/", "x") is two
    assert [entry.function for _, entry in table.entries()] == [two]


def test_an_event_comes_before_the_catch_all_of_its_namespace() -> None:
    table = HandlerTable()
    table.add("/", "*", one)
    table.add("/", "x", two)
    assert function_of(table, "/", "x") is two
    found = table.find("/", "y")
    assert found is not None
    assert found.is_catch_all


def test_its_own_namespace_comes_before_all_namespaces_and_these_before_a_class() -> None:
    table = HandlerTable()
    chat = Namespace("/chat")
    table.add_class(chat)
    assert table.find("/chat", "x") == Found(namespace=chat)
    table.add("*", "x", one)
    assert function_of(table, "/chat", "x") is one
    table.add("/chat", "*", two)
    assert function_of(table, "/chat", "x") is two


@pytest.mark.parametrize("event", ["connect", "disconnect"])
def test_a_catch_all_handler_does_not_get_the_ends_of_a_connection(event: str) -> None:
    table = HandlerTable()
    table.add("/", "*", one)
    table.add("*", "*", one)
    assert table.find("/", event) is None


def test_namespaces_are_those_with_handlers_and_all_is_not_one() -> None:
    table = HandlerTable()
    table.add("*", "x", one)
    table.add("/chat", "x", one)
    table.add_class(Namespace("/news"))
    assert table.namespaces() == ["/chat", "/news"]


def test_a_coroutine_function_is_refused() -> None:
    async def handler() -> None:
        """It would never run."""

    with pytest.raises(TypeError, match="plain function"):
        HandlerTable().add("/", "x", handler)


def test_a_signature_says_what_a_function_takes() -> None:
    assert takes(lambda: None) == 0
    assert takes(lambda one, two: None) == 2
    assert takes(lambda *args: None) > 100
