"""An application whose events tell which worker serves a client."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_realtime import Realtime, Socket

if os.environ.get("TEST_LOG"):
    form = "%(process)d %(message)s"
    logging.basicConfig(level=os.environ["TEST_LOG"], format=form)

options: dict[str, Any] = json.loads(os.environ.get("TEST_OPTIONS", "{}"))
if os.environ.get("TEST_OWN_IDS"):
    options["generate_id"] = lambda environ: uuid4().hex

app = Flask(__name__)
io = Realtime(app, max_http_buffer_size=2_000_000, **options)


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


@io.event
def block(socket: Socket) -> None:
    print("blocking", flush=True)
    time.sleep(600)


@io.event
def stop(socket: Socket) -> None:
    io.stop()


class Reporter:
    """Wraps the response and ``start_response``, as profilers and error reporters do."""

    def __init__(self, wsgi_app: Any) -> None:
        self.wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        def start(status: str, headers: Any, *exc_info: Any) -> Any:
            return start_response(status, headers, *exc_info)

        yield from self.wsgi_app(environ, start)


#: Behind what applications put in front of themselves.
wrapped = Reporter(ProxyFix(Reporter(app), x_for=1, x_proto=1, x_host=1))
