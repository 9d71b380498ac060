"""A server of this package that does what the tests order; peer.mjs is its twin.

python -m tests.cluster.ours '{"adapter": "classic", "redis": ["redis://…"], "options": {…}}'
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.event import Event  # noqa: E402
from gevent.fileobject import FileObject  # noqa: E402

import flask_realtime  # noqa: E402
from flask_realtime import ClusterTimeout, Server, Socket  # noqa: E402
from tests.cluster.control import obey, report  # noqa: E402
from tests.interop.server import announce  # noqa: E402
from tests.processes import free_port  # noqa: E402

ADAPTERS = {
    "classic": "RedisAdapter",
    "sharded": "ShardedRedisAdapter",
    "streams": "RedisStreamsAdapter",
}
Order = dict[str, Any]


def redis_client(urls: list[str]) -> Any:
    """A URL where there is one server, a ready client of redis-py for a Redis Cluster."""
    if len(urls) == 1:
        return urls[0]
    from redis.cluster import RedisCluster

    return RedisCluster.from_url(urls[0])


class Ours:
    """The operations; each method named like its order."""

    def __init__(self, io: Server) -> None:
        self.io = io
        self._known: set[str] = set()

    def namespace(self, name: str = "/") -> Any:
        nsp = self.io.of(name)
        if name not in self._known:
            self._known.add(name)
            nsp.on("connection", lambda socket: self._welcome(socket, name))
        return nsp

    def _welcome(self, socket: Socket, name: str) -> None:
        seen = {"nsp": name, "sid": socket.id}
        recovered = bool(getattr(socket, "recovered", False))
        if not recovered:
            socket.join(socket.handshake.auth.get("rooms", []))
            socket.data.update(socket.handshake.auth.get("data", {}))
        report("connection", **seen, recovered=recovered)
        socket.on("disconnect", lambda reason: report("disconnect", **seen, reason=reason))
        socket.emit("ready")  # it is in its rooms

    def target(self, order: Order) -> Any:
        """What an order addresses: a namespace, or one of its local sockets, with modifiers."""
        nsp = self.namespace(order.get("nsp", "/"))
        chosen = nsp.except_([])
        if order.get("from"):
            chosen = nsp.sockets[order["from"]].broadcast
        flags = order.get("flags", {})
        if order.get("to"):
            chosen = chosen.to(order["to"])
        if order.get("except"):
            chosen = chosen.except_(order["except"])
        if flags.get("volatile"):
            chosen = chosen.volatile
        if flags.get("local"):
            chosen = chosen.local
        if "compress" in flags:
            chosen = chosen.compress(flags["compress"])
        return chosen.timeout(order["timeout"]) if order.get("timeout") else chosen

    def of(self, order: Order) -> None:
        self.namespace(order["nsp"])

    def emit(self, order: Order) -> None:
        self.target(order).emit(order["event"], *order["args"])

    def emit_ack(self, order: Order) -> Any:
        return self.target({"timeout": 5, **order}).emit_with_ack(order["event"], *order["args"])

    def fetch(self, order: Order) -> list[Order]:
        try:
            found = self.target(order).fetch_sockets()
        except ClusterTimeout as error:
            error.responses = [socket.id for socket in error.responses]
            raise
        return [
            {
                "id": socket.id,
                "rooms": sorted(socket.rooms),
                "data": socket.data,
                "handshake": as_dict(socket.handshake),
            }
            for socket in found
        ]

    def remote(self, order: Order) -> Any:
        nsp = self.namespace(order.get("nsp", "/"))
        (socket,) = nsp.in_(order["sid"]).fetch_sockets()
        action = order["action"]
        if action == "emit":
            socket.emit(order["event"], *order["args"])
        elif action == "join":
            socket.join(order["rooms"])
        elif action == "leave":
            socket.leave(order["room"])
        elif action == "disconnect":
            socket.disconnect(close=order["close"])
        else:
            waiting = socket.timeout(order["timeout"])
            return waiting.emit_with_ack(order["event"], *order["args"])
        return None

    def join(self, order: Order) -> None:
        self.target(order).sockets_join(order["rooms"])

    def leave(self, order: Order) -> None:
        self.target(order).sockets_leave(order["rooms"])

    def disconnect(self, order: Order) -> None:
        self.target(order).disconnect_sockets(order["close"])

    def server_side_emit(self, order: Order) -> None:
        nsp = self.namespace(order.get("nsp", "/"))
        nsp.server_side_emit(order["event"], *order["args"])

    def server_side_emit_ack(self, order: Order) -> Any:
        nsp = self.namespace(order.get("nsp", "/"))
        timeout = order.get("timeout", 5)
        return nsp.server_side_emit_with_ack(order["event"], *order["args"], timeout=timeout)

    def server_count(self, order: Order) -> int:
        found: int = self.namespace(order.get("nsp", "/")).adapter.server_count()
        return found

    def listen(self, order: Order) -> None:
        nsp, event = order.get("nsp", "/"), order["event"]

        def listener(*args: Any) -> Any:
            report("server_side", nsp=nsp, event=event, args=list(args))
            if order.get("silent"):
                Event().wait()  # for as long as the process lives
            return order.get("answer")

        self.namespace(nsp).on(event, listener)

    def rooms(self, order: Order) -> dict[str, list[str]]:
        sockets = self.namespace(order.get("nsp", "/")).sockets
        return {sid: sorted(socket.rooms) for sid, socket in list(sockets.items())}

    def stats(self, order: Order) -> Any:
        engine: Any = self.io.engine
        return engine.stats()

    def close(self, order: Order) -> None:
        self.io.close()


def as_dict(handshake: Any) -> Any:
    """A remote socket's handshake is a dictionary already."""
    return handshake if isinstance(handshake, dict) else handshake.to_dict()


def options_of(settings: Order) -> Order:
    adapter: Callable[..., Any] = getattr(flask_realtime, ADAPTERS[settings["adapter"]])
    client = redis_client(settings["redis"])
    options: Order = {"adapter": adapter(client, **settings.get("options", {}))}
    if settings.get("recovery"):
        window = {"max_disconnection_duration": settings["recovery"]}
        options["connection_state_recovery"] = window
    if settings.get("cookie"):
        options["cookie"] = settings["cookie"]
    return options


def main(settings: Order) -> None:
    io = Server(**options_of(settings))
    operations = Ours(io)
    operations.namespace()
    port = settings.get("port") or free_port()
    gevent.spawn(announce, port)
    gevent.spawn(obey, operations, FileObject(sys.stdin.fileno(), "rb", close=False), gevent.spawn)
    io.run(host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
