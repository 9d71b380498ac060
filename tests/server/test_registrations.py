"""What is registered at a namespace is kept in order, counted, and copied to children."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.server.registrations import Registrations


def one(*args: Any) -> None: ...


def two(*args: Any) -> None: ...


def test_connect_and_connection_are_one_event() -> None:
    registrations = Registrations()
    registrations.listen("connect", one)
    registrations.handle("connection", two)
    listeners = registrations.listeners
    assert listeners.functions("connect") == listeners.functions("connection") == [one, two]
    listeners.remove("connect", two)
    assert listeners.functions("connection") == [one]


def test_a_listener_is_concurrent_on_its_own_account() -> None:
    registrations = Registrations()
    registrations.handle("connect", one, concurrent=True)
    registrations.handle("connect", one)
    taken = registrations.listeners.take("connection")
    assert [entry.concurrent for entry in taken] == [True, False]


def test_each_registration_counts() -> None:
    registrations = Registrations()
    assert not registrations
    registrations.guard(one)
    registrations.listen("event", one, once=True)
    registrations.handle("event", two)
    registrations.handle_others(two)
    assert registrations
    assert registrations.count == 4


def test_a_fallback_alone_is_something() -> None:
    registrations = Registrations()
    registrations.handle_others(one)
    assert registrations


def test_all_of_it_is_copied_in_its_order() -> None:
    parent, child = Registrations(), Registrations()
    parent.guard(one)
    parent.listen("event", one, once=True)
    parent.listen("event", two, first=True)
    parent.handle("ask", two, concurrent=True)
    parent.copy_to(child)
    assert child.middlewares == [one]
    assert child.count == parent.count
    assert child.listeners.functions("event") == [two, one]
    child.listeners.take("event")
    assert child.listeners.functions("event") == [two]
    assert parent.listeners.functions("event") == [two, one]
    assert child.handlers.has_apart


@pytest.mark.parametrize("register", ["guard", "listen", "handle"])
def test_what_cannot_be_called_is_not_registered(register: str) -> None:
    registrations = Registrations()
    args = () if register == "guard" else ("event",)
    with pytest.raises(TypeError):
        getattr(registrations, register)(*args, "a string")
    assert not registrations
