"""Listeners: in order, many for each event, and forgotten when they should be."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.events import EventEmitter, Listener, ListenerTable


@pytest.fixture
def emitter() -> EventEmitter:
    return EventEmitter()


class Journal:
    """Makes listeners that note their name and what they got."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []

    def listener(self, name: str) -> Any:
        return lambda *args: self.entries.append((name, *args))


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_listeners_are_called_in_the_order_of_their_registration(
    emitter: EventEmitter, journal: Journal
) -> None:
    for name in ("first", "second", "third"):
        emitter.on("event", journal.listener(name))
    assert emitter.trigger("event", 1, "two")
    assert journal.entries == [("first", 1, "two"), ("second", 1, "two"), ("third", 1, "two")]


def test_an_event_reaches_only_its_own_listeners(emitter: EventEmitter, journal: Journal) -> None:
    emitter.on("one", journal.listener("one"))
    emitter.on("two", journal.listener("two"))
    emitter.trigger("two")
    assert journal.entries == [("two",)]


@pytest.mark.parametrize(
    "name", ["error", "close", "newListener", "__init__", "_listeners", "", "on"]
)
def test_an_event_without_a_listener_is_nothing(emitter: EventEmitter, name: str) -> None:
    """CVE-2024-38355: an event called "error" that nobody listened to ended the process."""
    assert emitter.trigger(name, "from a client") is False
    assert emitter.listeners(name) == []


def test_a_listener_may_be_registered_by_a_decorator(emitter: EventEmitter) -> None:
    seen: list[int] = []

    @emitter.on("event")
    def every(value: int) -> None:
        seen.append(value)

    @emitter.once("event")
    def first(value: int) -> None:
        seen.append(-value)

    emitter.trigger("event", 1)
    emitter.trigger("event", 2)
    assert seen == [1, -1, 2]
    every(3)
    first(3)
    assert seen[-2:] == [3, -3]


def test_registration_returns_the_listener(emitter: EventEmitter) -> None:
    assert emitter.on("event", print) is print
    assert emitter.once("event", print) is print


@pytest.mark.parametrize("listener", ["text", 1, [], {}], ids=repr)
def test_what_cannot_be_called_is_no_listener(emitter: EventEmitter, listener: Any) -> None:
    with pytest.raises(TypeError, match=type(listener).__name__):
        emitter.on("event", listener)
    with pytest.raises(TypeError, match=type(listener).__name__):
        emitter.once("event", listener)
    assert emitter.listeners("event") == []


def test_once_is_once_even_when_the_listener_triggers_the_event(emitter: EventEmitter) -> None:
    seen: list[int] = []

    def again(depth: int) -> None:
        seen.append(depth)
        emitter.trigger("event", depth + 1)

    emitter.once("event", again)
    emitter.trigger("event", 0)
    assert seen == [0]
    assert emitter.trigger("event", 9) is False


def test_once_does_not_take_the_others_with_it(emitter: EventEmitter, journal: Journal) -> None:
    emitter.on("event", journal.listener("before"))
    emitter.once("event", journal.listener("once"))
    emitter.on("event", journal.listener("after"))
    for _ in range(2):
        emitter.trigger("event")
    assert [name for (name,) in journal.entries] == ["before", "once", "after", "before", "after"]


def test_off_removes_one_listener(emitter: EventEmitter, journal: Journal) -> None:
    kept, removed = journal.listener("kept"), journal.listener("removed")
    emitter.on("event", removed)
    emitter.on("event", kept)
    emitter.off("event", removed)
    assert emitter.listeners("event") == [kept]


def test_off_removes_a_listener_that_waits_for_the_next_time(
    emitter: EventEmitter, journal: Journal
) -> None:
    listener = journal.listener("once")
    emitter.once("event", listener)
    emitter.off("event", listener)
    assert emitter.trigger("event") is False


def test_off_removes_a_bound_method(emitter: EventEmitter) -> None:
    seen: list[int] = []
    emitter.on("event", seen.append)
    emitter.off("event", seen.append)
    emitter.trigger("event", 1)
    assert seen == []


def test_off_without_a_listener_removes_all_of_the_event(
    emitter: EventEmitter, journal: Journal
) -> None:
    for event in ("event", "event", "other"):
        emitter.on(event, journal.listener(event))
    emitter.off("event")
    assert emitter.trigger("event") is False
    assert emitter.trigger("other") is True


def test_off_is_silent_about_what_it_does_not_know(emitter: EventEmitter) -> None:
    emitter.off("event")
    emitter.off("event", print)
    emitter.on("event", len)
    emitter.off("event", print)
    assert emitter.listeners("event") == [len]


def test_all_listeners_of_one_event_or_of_all_can_be_removed(emitter: EventEmitter) -> None:
    for event in ("one", "two", "three"):
        emitter.on(event, print)
    emitter.remove_all_listeners("one")
    emitter.remove_all_listeners("unknown")
    assert [len(emitter.listeners(event)) for event in ("one", "two", "three")] == [0, 1, 1]
    emitter.remove_all_listeners()
    assert [len(emitter.listeners(event)) for event in ("one", "two", "three")] == [0, 0, 0]


def test_the_list_of_listeners_is_a_copy(emitter: EventEmitter) -> None:
    emitter.on("event", print)
    emitter.listeners("event").clear()
    assert emitter.listeners("event") == [print]


def test_who_joins_or_leaves_meanwhile_counts_from_the_next_time(
    emitter: EventEmitter, journal: Journal
) -> None:
    late, last = journal.listener("late"), journal.listener("last")

    def change() -> None:
        emitter.off("event", change)
        emitter.off("event", last)
        emitter.on("event", late)

    emitter.on("event", change)
    emitter.on("event", last)
    emitter.trigger("event")
    assert journal.entries == [("last",)]
    emitter.trigger("event")
    assert journal.entries == [("last",), ("late",)]


def test_taking_listeners_forgets_those_registered_for_once() -> None:
    table: ListenerTable[Listener] = ListenerTable()
    table.add("event", Listener(len, once=True))
    table.add("event", Listener(print))
    assert [entry.function for entry in table.take("event")] == [len, print]
    assert [entry.function for entry in table.take("event")] == [print]
    assert table.take("other") == ()


def test_a_listener_that_fails_is_logged_and_keeps_nobody_from_the_event(
    emitter: EventEmitter, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []
    emitter.on("event", lambda: 1 / 0)
    emitter.on("event", lambda: heard.append("heard"))
    assert emitter.trigger("event")
    assert heard == ["heard"]
    assert "ZeroDivisionError" in caplog.text


def test_emitters_share_nothing(emitter: EventEmitter) -> None:
    emitter.on("event", print)
    assert EventEmitter().listeners("event") == []


def test_a_listener_may_be_put_in_front(emitter: EventEmitter, journal: Journal) -> None:
    emitter.on("event", journal.listener("second"))
    emitter.prepend_listener("event", journal.listener("first"))
    emitter.prepend_once_listener("event")(journal.listener("once"))
    emitter.trigger("event")
    emitter.trigger("event")
    assert journal.entries == [("once",), ("first",), ("second",), ("first",), ("second",)]


def test_the_names_of_events_with_listeners_are_told(
    emitter: EventEmitter, journal: Journal
) -> None:
    assert emitter.event_names() == []
    emitter.on("b", journal.listener("b"))
    emitter.once("a", journal.listener("a"))
    assert emitter.event_names() == ["b", "a"]
    emitter.trigger("a")
    emitter.off("b")
    assert emitter.event_names() == []
