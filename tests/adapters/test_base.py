"""The interface of adapters: its defaults, and that nothing of it is silently missing."""

from __future__ import annotations

import inspect
from time import monotonic

import pytest

from flask_realtime.adapters.base import Adapter
from flask_realtime.adapters.memory import MemoryAdapter
from flask_realtime.options import RecoveryOptions
from flask_realtime.testing.fakes import FakeNamespace

METHODS = [
    name
    for name, method in inspect.getmembers(Adapter, inspect.isfunction)
    if method.__qualname__ == f"Adapter.{name}" and name not in {"__init__", "close"}
]

#: What an adapter may do without.
OPTIONAL = {"enable_recovery", "prune", "start", "stats"}


def test_the_interface_is_not_empty() -> None:
    assert len(METHODS) > 10


def test_recovery_is_something_that_an_adapter_may_lack() -> None:
    adapter = Adapter(FakeNamespace())
    assert not adapter.enable_recovery(RecoveryOptions(), monotonic)
    assert not adapter.prune()
    assert not adapter.awaits_clients()
    adapter.disable_recovery()


# What has an answer of its own.
ANSWERED = {
    "enable_recovery", "disable_recovery", "prune", "readmit", "awaits_clients"
} | OPTIONAL  # fmt: skip


@pytest.mark.parametrize("name", sorted({*METHODS} - ANSWERED))
def test_the_interface_itself_can_do_nothing(name: str) -> None:
    adapter = Adapter(FakeNamespace())
    method = getattr(adapter, name)
    with pytest.raises(NotImplementedError):
        method(*[None for _ in inspect.signature(method).parameters])


@pytest.mark.parametrize("name", sorted({*METHODS} - {"start", "stats"}))
def test_the_default_adapter_has_all_of_it(name: str) -> None:
    wanted = inspect.signature(getattr(Adapter, name))
    assert getattr(MemoryAdapter, name) is not getattr(Adapter, name)
    assert inspect.signature(getattr(MemoryAdapter, name)) == wanted
