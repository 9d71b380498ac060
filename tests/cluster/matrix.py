"""Which servers and which adapters the cluster tests put together.

Node's own servers prove the tests; in the suite each pair has at least one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The servers of every cluster; the first is the one whose behaviour is judged alone.
MEMBERS: tuple[str, ...] = ("python", "python", "node")
#: The processes without a server that speak to a cluster.
EMITTERS: tuple[str, ...] = ("node", "python")


@dataclass(frozen=True)
class Family:
    """An adapter with its options.

    Attributes:
        adapter: ``classic``, ``sharded`` or ``streams``.
        options: For both languages, in the words of this package.
        node_options: For Node's adapter alone.
        room_channels: Which rooms have a channel of their own that servers subscribe to while
            they have members: ``no``, ``public`` ones, or ``all``.
        waits: Whether Node's adapter delivers locally only after Redis has answered.
    """

    name: str
    adapter: str
    options: Mapping[str, Any] = field(default_factory=dict)
    node_options: Mapping[str, Any] = field(default_factory=dict)
    room_channels: str = "no"
    waits: bool = True

    @property
    def prefix(self) -> str:
        name = "key" if self.adapter == "classic" else "channel_prefix"
        return str(self.options.get(name, "socket.io"))

    @property
    def has_recovery(self) -> bool:
        return self.adapter == "streams"

    def options_for(self, kind: str) -> dict[str, Any]:
        return {**self.options, **(self.node_options if kind == "node" else {})}

    def __str__(self) -> str:
        return self.name


CLASSIC = Family("classic", "classic", waits=False)
SHARDED = Family("sharded", "sharded", room_channels="public")
STREAMS = Family("streams", "streams")
FAMILIES = (CLASSIC, SHARDED, STREAMS)

#: Settings that change what is on the wire.
VARIANTS = (
    Family(
        "classic-own-channel",
        "classic",
        {"key": "mine", "requests_timeout": 2},
        {"publish_on_specific_response_channel": True},
        waits=False,
    ),
    Family("sharded-static", "sharded", {"subscription_mode": "static", "channel_prefix": "mine"}),
    Family(
        "sharded-private", "sharded", {"subscription_mode": "dynamic-private"}, room_channels="all"
    ),
    Family(
        "streams-sharded-pubsub",
        "streams",
        {
            "use_sharded_pubsub": True,
            "channel_prefix": "mine",
            "stream_name": "mine",
            "max_len": 1000,
            "read_count": 10,
            "block_time": 0.2,
        },
    ),
    Family("streams-plaintext", "streams", {"only_plaintext": True}),
    Family("streams-three", "streams", {"stream_count": 3}),
)


def ordered_pairs(members: tuple[str, ...]) -> list[tuple[int, int]]:
    """One pair of indices, acting and observing, for each ordered pair of kinds."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for acting, first in enumerate(members):
        for observing, second in enumerate(members):
            if acting != observing:
                found.setdefault((first, second), (acting, observing))
    return list(found.values())


def pair_name(pair: tuple[int, int]) -> str:
    return f"{MEMBERS[pair[0]]}-{MEMBERS[pair[1]]}"


PAIRS = ordered_pairs(MEMBERS)


def emitters(family: Family) -> list[str]:
    """The emitters that speak the format of an adapter."""
    kinds = {"classic": ("node", "python"), "sharded": ("python",), "streams": ("python",)}.get(
        family.adapter, ()
    )
    return [kind for kind in kinds if kind in EMITTERS]
