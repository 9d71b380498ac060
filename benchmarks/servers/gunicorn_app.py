"""The events of the bare server, for gunicorn: `gunicorn -k gevent gunicorn_app:app`."""

from __future__ import annotations

from flask_realtime import Middleware, Server, Socket

io = Server(serve_client=False)
app = Middleware(io)


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
