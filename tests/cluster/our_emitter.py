"""The emitter of this package, obeying the tests; emitter.mjs is its twin.

python -m tests.cluster.our_emitter '{"adapter": "classic", "redis": [...], "options": {...}}'
"""

from __future__ import annotations

import json
import sys
from typing import Any

import flask_realtime
from tests.cluster.control import obey

Order = dict[str, Any]


class OurEmitter:
    """The operations; each method named like its order."""

    def __init__(self, settings: Order) -> None:
        emitter: Any = flask_realtime.Emitter
        adapter = {"classic": "redis"}.get(settings["adapter"], settings["adapter"])
        self.emitter = emitter(settings["redis"][0], adapter=adapter, **settings["options"])

    def target(self, order: Order) -> Any:
        chosen = self.emitter.of(order["nsp"]) if order.get("nsp") else self.emitter
        flags = order.get("flags", {})
        if order.get("to"):
            chosen = chosen.to(order["to"])
        if order.get("except"):
            chosen = chosen.except_(order["except"])
        if flags.get("volatile"):
            chosen = chosen.volatile
        return chosen.compress(flags["compress"]) if "compress" in flags else chosen

    def emit(self, order: Order) -> None:
        self.target(order).emit(order["event"], *order["args"])

    def join(self, order: Order) -> None:
        self.target(order).sockets_join(order["rooms"])

    def leave(self, order: Order) -> None:
        self.target(order).sockets_leave(order["rooms"])

    def disconnect(self, order: Order) -> None:
        self.target(order).disconnect_sockets(order["close"])

    def server_side_emit(self, order: Order) -> None:
        self.target(order).server_side_emit(order["event"], *order["args"])


def main(settings: Order) -> None:
    obey(OurEmitter(settings), sys.stdin, lambda function, *args: function(*args))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
