"""Where new sessions go, and what an id says of its owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.hosts.workers.placement import State, TaggedIds, lightest, new_tag, tag_of


def test_an_id_ends_with_the_tag_of_its_worker() -> None:
    tag = new_tag()
    ids = {TaggedIds(tag)() for _ in range(100)}
    assert len(ids) == 100
    assert {(len(sid), tag_of(sid)) for sid in ids} == {(20, tag)}


@pytest.mark.parametrize(
    ("own", "others", "chosen"),
    [
        (State(9), {}, None),
        (State(2), {"a": State(0)}, None),
        (State(3), {"a": State(0)}, "a"),
        (State(3), {"a": State(1), "b": State(0)}, "b"),
        (State(9), {"a": State(0, is_leaving=True)}, None),
        (State(0, is_leaving=True), {"a": State(50)}, "a"),
        (State(0, is_leaving=True), {"a": State(0, is_leaving=True)}, None),
    ],
)
def test_a_session_goes_where_there_is_room(
    own: State, others: dict[str, State], chosen: str | None
) -> None:
    assert lightest(own, others) == chosen


@given(st.lists(st.integers(0, 3), min_size=200, max_size=200))
def test_workers_end_up_even_whichever_is_asked(asked: list[int]) -> None:
    counts = {str(number): 0 for number in range(4)}
    for number in asked:
        tag = str(number)
        others = {name: State(count) for name, count in counts.items() if name != tag}
        counts[lightest(State(counts[tag]), others) or tag] += 1
    assert max(counts.values()) - min(counts.values()) <= 3
