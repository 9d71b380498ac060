"""The events of the bare server, for gunicorn: `gunicorn -k gevent gunicorn_app:app`."""

from __future__ import annotations

import json
import os
from typing import Any

from flask_realtime import Middleware, Server, Socket

io = Server(serve_client=False, adapter=os.environ.get("BENCH_ADAPTER") or None)


def stats(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The counters of this worker."""
    body = json.dumps({**io.engine.stats(), "pid": os.getpid()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


app = Middleware(io, stats)


@io.on("connection")
def connected(socket: Socket) -> None:
    """Answer what the load generator sends."""

    @socket.on("echo")
    def echo(payload: str) -> None:
        socket.emit("echo", payload)

    @socket.on("ack")
    def ack(payload: str) -> str:
        return payload

    @socket.on("bcast")
    def bcast(payload: str) -> None:
        io.emit("b", payload)
