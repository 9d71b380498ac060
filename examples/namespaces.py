"""Handlers without closures: a class for one namespace, plain functions for another."""

from __future__ import annotations

import argparse
import os
from collections import Counter

from flask import Flask, current_app

from flask_realtime import ConnectError, Namespace, Realtime, Socket

app = Flask(__name__)
app.config["ADMIN_TOKEN"] = os.environ.get("ADMIN_TOKEN", "open sesame")
io = Realtime(app)


class Poll(Namespace):
    """Clients vote in "/poll"; everybody there sees the count."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.votes = Counter[str]()

    def on_connection(self, socket: Socket) -> None:
        socket.emit("votes", self.votes)

    def on_vote(self, socket: Socket, choice: str) -> int:
        if choice in {"tea", "coffee"}:
            self.votes[choice] += 1
            self.emit("votes", self.votes)
        return self.votes.total()  # answers the acknowledgement


poll = Poll("/poll")
io.register(poll)


@io.of("/admin").use
def check_token(socket: Socket) -> None:
    if socket.handshake.auth.get("token") != current_app.config["ADMIN_TOKEN"]:
        raise ConnectError("You are not an administrator")


@io.event(namespace="/admin")
def reset(socket: Socket) -> None:
    poll.votes.clear()
    poll.emit("votes", poll.votes)


@io.event("how many", namespace="/admin")
def how_many(socket: Socket) -> int:
    return len(poll.fetch_sockets())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    io.run(app, port=options.parse_args().port)
