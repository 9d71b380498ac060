"""What the comparisons share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from comparison import kept


def test_what_is_kept_begins_once_and_ends_with_all_others() -> None:
    events: list[str] = []

    @contextmanager
    def start(name: str) -> Iterator[str]:
        events.append(f"{name} begins")
        yield f"server {name}"
        events.append(f"{name} ends")

    with ExitStack() as stack:
        lend = kept(stack, start)
        for name in ("a", "b", "a"):
            with lend(name) as server:
                events.append(server)
    assert events == [
        "a begins",
        "server a",
        "b begins",
        "server b",
        "server a",
        "b ends",
        "a ends",
    ]
