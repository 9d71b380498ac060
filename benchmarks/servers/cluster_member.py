"""The bare `Server` as one of a cluster: what is asked for in "/ask" goes to all clients of "/"."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from typing import Any  # noqa: E402

import common  # noqa: E402


def main() -> None:
    """Serve the events of the load generator's modes "relay" and "ask"."""
    options = common.parse_options("--adapter", "--redis")
    with common.imports("pip install -e '.[speed,redis]'"):
        import msgpack  # noqa: F401  # what the adapters import when they are made
        import redis  # noqa: F401

        from flask_realtime import (
            RedisAdapter,
            RedisStreamsAdapter,
            Server,
            ShardedRedisAdapter,
            Socket,
        )
    if options.versions:
        common.print_versions("gevent", "redis", "msgpack", json=common.json_module())
        return

    kinds: dict[str, Any] = {
        "classic": RedisAdapter,
        "sharded": ShardedRedisAdapter,
        "streams": RedisStreamsAdapter,
    }
    kind = kinds.get(options.adapter)
    io = Server(serve_client=False, adapter=None if kind is None else kind(options.redis))

    @io.of("/ask").on("connection")
    def asked(socket: Socket) -> None:
        @socket.on("bcast")
        def bcast(payload: str) -> None:
            io.emit("b", payload)

    common.announce(options.port)
    io.run(host=common.HOST, port=options.port, log=None)


if __name__ == "__main__":
    main()
