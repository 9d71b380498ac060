"""What a stranger may put on a channel: messages of the right shape with anything inside."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def message(*names: str, kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Maps with some of the names, mostly of the right types, and a type of their own."""
    likely = {
        "uid": st.just("abc"),
        "nsp": st.just("/"),
        "requestId": st.just("1"),
        "rooms": st.just(["red"]),
        "opts": st.just({"rooms": ["red"], "except": [], "flags": {}}),
        "packet": st.just({"type": 2, "data": ["hello"], "nsp": "/"}),
        "data": st.just(["hello"]),
        "clientCount": st.just(1),
        "sockets": st.just([{"id": "a", "rooms": []}]),
    }
    fields: dict[str, st.SearchStrategy[Any]] = {
        name: likely[name] | anything if name in likely else anything for name in names
    }
    return st.fixed_dictionaries({"type": kinds | anything}, optional=fields)
