"""One of the Python servers of the cluster; run.py starts it beside the Node server.

Start it alone with `python server.py --port 5001 --redis redis://127.0.0.1:6379`.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # blocking calls in handlers let other handlers run

import argparse
from pathlib import Path

from flask import Flask, Response, send_file, send_from_directory

from flask_realtime import Realtime, RedisAdapter, Socket

PAGE = Path(__file__).with_name("page.html")
LOOKS = PAGE.parent.parent / "chat" / "static"  # the same as the chat's
ROOM = "everyone"

app = Flask(__name__)
io = Realtime()


@app.get("/")
def index() -> Response:
    return send_file(PAGE)


@app.get("/<path:name>")
def looks(name: str) -> Response:
    return send_from_directory(LOOKS, name)


@io.on("connection")
def connected(socket: Socket) -> None:
    socket.join(ROOM)
    socket.emit("welcome", app.config["NAME"])
    count_people()

    @socket.on("say")
    def say(text: object) -> str | None:
        if not isinstance(text, str) or not 0 < len(text) <= 500:
            return None
        # To the clients of all servers, Python and Node.
        io.to(ROOM).emit("said", app.config["NAME"], text)
        return "delivered"

    @socket.on("disconnect")
    def disconnected(reason: str) -> None:
        count_people()


def count_people() -> None:
    """Send all clients their number, over all servers."""
    io.to(ROOM).emit("people", len(io.in_(ROOM).fetch_sockets()))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=5001)
    options.add_argument("--redis", default="redis://127.0.0.1:6379")
    given = options.parse_args()
    app.config["NAME"] = f"Python on port {given.port}"
    io.init_app(app, adapter=RedisAdapter(given.redis))
    io.run(app, port=given.port)
