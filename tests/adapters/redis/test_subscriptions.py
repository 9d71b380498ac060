"""What is wanted and what was asked for become one, by as few commands as possible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.redis.subscriptions import Subscriptions, Topic

A, B = ("SUBSCRIBE", b"a"), ("SUBSCRIBE", b"b")


@pytest.fixture
def subscriptions() -> Subscriptions:
    made = Subscriptions()
    made.restart()
    return made


def test_without_a_wish_it_is_complete_and_says_nothing(subscriptions: Subscriptions) -> None:
    assert subscriptions.is_complete
    assert subscriptions.commands() == []


def test_what_is_awaited_has_to_be_confirmed(subscriptions: Subscriptions) -> None:
    subscriptions.want(A, True)
    subscriptions.want(B, False)
    assert not subscriptions.is_complete
    assert subscriptions.commands() == [("SUBSCRIBE", b"a", b"b")]
    assert subscriptions.commands() == []
    subscriptions.confirm(B)
    assert not subscriptions.is_complete
    subscriptions.confirm(A)
    assert subscriptions.is_complete


def test_what_is_wanted_no_more_is_not_awaited_either(subscriptions: Subscriptions) -> None:
    subscriptions.want(A, True)
    subscriptions.unwant(A)
    subscriptions.unwant(B)
    assert subscriptions.is_complete
    assert subscriptions.commands() == []


def test_what_was_left_and_joined_again_in_one_turn_costs_nothing(
    subscriptions: Subscriptions,
) -> None:
    subscriptions.want(A, True)
    subscriptions.commands()
    subscriptions.confirm(A)
    subscriptions.unwant(A)
    subscriptions.want(A, True)
    assert not subscriptions.is_complete
    assert subscriptions.commands() == []
    assert subscriptions.is_complete


def test_sharded_channels_have_a_command_each(subscriptions: Subscriptions) -> None:
    for name in (b"a", b"b"):
        subscriptions.want(("SSUBSCRIBE", name), False)
        subscriptions.want(("PSUBSCRIBE", name), False)
    asked = [("SSUBSCRIBE", b"a"), ("SSUBSCRIBE", b"b"), ("PSUBSCRIBE", b"a", b"b")]
    assert subscriptions.commands() == asked
    assert subscriptions.is_asked(("SSUBSCRIBE", b"a"))
    for name in (b"a", b"b"):
        subscriptions.unwant(("SSUBSCRIBE", name))
        subscriptions.unwant(("PSUBSCRIBE", name))
    undone = [("SUNSUBSCRIBE", b"a"), ("SUNSUBSCRIBE", b"b"), ("PUNSUBSCRIBE", b"a", b"b")]
    assert subscriptions.commands() == undone
    assert not subscriptions.is_asked(("SSUBSCRIBE", b"a"))


def test_a_new_connection_is_asked_for_all_of_it(subscriptions: Subscriptions) -> None:
    subscriptions.want(A, True)
    subscriptions.want(B, False)
    subscriptions.commands()
    subscriptions.confirm(A)
    subscriptions.unwant(B)
    subscriptions.restart()
    assert not subscriptions.is_complete
    assert not subscriptions.is_asked(A)
    assert subscriptions.commands() == [("SUBSCRIBE", b"a")]


class Redis:
    """Executes subscriptions."""

    def __init__(self) -> None:
        self.topics: set[Topic] = set()

    def execute(self, command: tuple[Any, ...]) -> list[Topic]:
        """Return what is confirmed."""
        word, *channels = command
        if "UN" in word:
            self.topics -= {(word.replace("UN", ""), channel) for channel in channels}
            return []
        topics = [(word, channel) for channel in channels]
        self.topics |= set(topics)
        return topics


TOPICS = st.tuples(
    st.sampled_from(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"]), st.binary(max_size=1)
)
STEPS = st.one_of(
    st.tuples(st.just("want"), TOPICS, st.booleans()),
    st.tuples(st.just("unwant"), TOPICS),
    st.tuples(st.sampled_from(["write", "break"])),
)


@given(st.lists(STEPS, max_size=40))
def test_any_order_of_wishes_and_losses_ends_in_what_is_wanted(steps: list[Any]) -> None:
    subscriptions, redis, wanted = Subscriptions(), Redis(), set[Topic]()
    subscriptions.restart()
    for name, *rest in [*steps, ("write",)]:
        if name == "want":
            subscriptions.want(*rest)
            wanted.add(rest[0])
        elif name == "unwant":
            subscriptions.unwant(*rest)
            wanted.discard(rest[0])
        elif name == "write":
            for command in subscriptions.commands():
                for topic in redis.execute(command):
                    subscriptions.confirm(topic)
        else:
            redis = Redis()
            subscriptions.restart()
    assert redis.topics == wanted
    assert subscriptions.is_complete
