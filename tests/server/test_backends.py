"""Each namespace gets the adapter and the recovery that the options say."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_realtime import MemoryAdapter, Namespace, Server
from flask_realtime.adapters.values import SavedSocket
from flask_realtime.loop.scheduler import Scheduler
from flask_realtime.options import Options
from flask_realtime.server.backends import Backends
from flask_realtime.server.namespace_core import NamespaceCore
from flask_realtime.testing import ManualTime


class Forgetful(MemoryAdapter):
    """An adapter without recovery."""

    def enable_recovery(self, options: Any, clock: Any) -> bool:
        return False


class World:
    """Backends with a clock that stands still."""

    def __init__(self, **options: Any) -> None:
        self.time = ManualTime()
        self.swept: list[str] = []
        self.backends = Backends(lambda: self.swept.append("swept"))
        self.configure(**options)

    def configure(self, **options: Any) -> bool:
        scheduler = Scheduler(self.time, self.time)
        return self.backends.configure(Options.build(options), scheduler)


def core() -> NamespaceCore:
    return NamespaceCore("/", Namespace("/"))


def test_an_adapter_is_made_in_memory_or_by_the_option() -> None:
    assert type(World().backends.adapter_of(core())) is MemoryAdapter
    assert type(World(adapter=Forgetful).backends.adapter_of(core())) is Forgetful


def test_namespaces_need_new_adapters_when_the_option_has_changed() -> None:
    world = World()
    assert not world.configure(ping_interval=5)
    assert world.configure(adapter=Forgetful)
    assert not world.configure(adapter=Forgetful)
    assert world.configure()


def test_a_host_may_bring_other_adapters_and_the_listeners_of_those_before_go_on() -> None:
    server = Server(connection_state_recovery=True)
    chat, made = server.of("/chat"), list[str]()
    joined: list[tuple[str, str]] = []
    chat.adapter.on("join-room", lambda *args: joined.append(args))

    def make(namespace: Any) -> MemoryAdapter:
        made.append(namespace.name)
        return MemoryAdapter(namespace)

    before = chat.adapter
    server.use_adapters(make)
    assert server.of("/later").adapter is not before
    assert made == ["/", "/chat", "/later"]
    assert chat.adapter is not before
    chat.adapter.add_all("sid", ["red"])
    assert joined == [("red", "sid")]
    assert chat.adapter.current_offset()


def test_recovery_is_off_unless_the_option_and_the_adapter_have_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain, recovering = World().backends, World(connection_state_recovery=True).backends
    assert plain.recovery_of(plain.adapter_of(core())) is None
    assert recovering.recovery_of(recovering.adapter_of(core())) is not None
    with caplog.at_level(logging.WARNING):
        assert recovering.recovery_of(Forgetful(core())) is None
    assert "! Forgetful cannot recover connections" in caplog.text


def test_what_is_too_old_is_dropped_until_the_recovery_ends() -> None:
    world = World(connection_state_recovery={"max_disconnection_duration": 60})
    backends = world.backends
    recovery = backends.recovery_of(backends.adapter_of(core()))
    assert recovery is not None
    for _ in range(2):
        backends.end_recovery(recovery)
        recovery.keep(saved_socket())
        world.time.advance(59)
        recovery.keep(saved_socket())
        assert world.swept == []
        world.time.advance(2)
        assert world.swept == ["swept"]
        world.swept.clear()


def saved_socket() -> Any:
    return SavedSocket("pid", "sid", frozenset({"sid"}), {}, "")
