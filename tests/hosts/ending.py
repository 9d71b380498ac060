"""An application that says how it ends; ``python -m tests.hosts.ending`` serves it by itself."""

from __future__ import annotations

import os
import signal

import gevent

from flask_realtime import Middleware, Server, Socket

io = Server()
app = Middleware(io)


@io.event
def connection(socket: Socket) -> None:
    @socket.on("disconnect")
    def gone(reason: str) -> None:
        # Long enough for a host that does not wait to be gone before.
        gevent.sleep(0.3)
        print("gone:", reason, socket.conn.transport_name, flush=True)


@io.event("last words")
def last_words(socket: Socket) -> None:
    """Emit, and end in the same breath."""
    io.emit("last words")
    os.kill(os.getpid(), signal.SIGTERM)


@io.event
def block(socket: Socket, seconds: float) -> None:
    print("blocking", flush=True)
    gevent.sleep(seconds)


@io.event
def fork(socket: Socket) -> int:
    """Fork a child that waits in gevent's hub; returns its number."""
    child = os.fork()
    if child == 0:
        gevent.sleep(60)
        os._exit(0)
    return child


@io.event
def who(socket: Socket) -> int:
    return os.getpid()


if __name__ == "__main__":
    io.run(port=0)
