"""An application whose events tell which worker serves a client."""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Flask

from flask_realtime import Realtime, Socket

if os.environ.get("TEST_LOG"):
    form = "%(process)d %(message)s"
    logging.basicConfig(level=os.environ["TEST_LOG"], format=form)

app = Flask(__name__)
io = Realtime(app, max_http_buffer_size=2_000_000)


@app.get("/")
def index() -> str:
    return f"{os.getpid()}"


@app.get("/stats")
def stats() -> dict[str, float]:
    return io.engine.stats() | {"pid": os.getpid()}


@io.event
def connection(socket: Socket) -> None:
    socket.emit("pid", os.getpid())


@io.event
def echo(socket: Socket, *args: Any) -> Any:
    return [*args]


@io.event
def pid(socket: Socket) -> int:
    return os.getpid()


@io.event
def join(socket: Socket, room: str) -> bool:
    socket.join(room)
    return True


@io.event
def say(socket: Socket, room: str | None, *args: Any) -> None:
    (io.to(room) if room else io).emit("said", *args)


@io.event
def count(socket: Socket) -> list[int]:
    return [io.sockets.adapter.server_count(), len(io.fetch_sockets())]


@io.event
def ask(socket: Socket) -> list[Any]:
    return io.timeout(3).emit_with_ack("question")
