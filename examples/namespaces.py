"""Handlers without closures: a class for one namespace, plain functions for the others."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # blocking calls in handlers let other handlers run

import argparse
import os
import re
from collections import Counter

from flask import Flask, current_app

from flask_realtime import ConnectError, Namespace, Realtime, Socket

app = Flask(__name__)
app.config["ADMIN_TOKEN"] = os.environ.get("ADMIN_TOKEN", "open sesame")
io = Realtime(app, cleanup_empty_child_namespaces=True)


class Poll(Namespace):
    """Clients vote in "/poll"; all clients there see the count."""

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


# Clients choose names such as "/table-7"; the namespace is removed after its last client.
TABLE = re.compile(r"^/table-[0-9]{1,3}\Z")


@io.event(namespace=TABLE)
def connection(socket: Socket) -> None:
    socket.nsp.emit("guests", len(socket.nsp.sockets))


@io.event(namespace=TABLE)
def disconnect(socket: Socket, reason: str) -> None:
    socket.nsp.emit("guests", len(socket.nsp.sockets))


@io.event("last call", namespace="/admin")
def last_call(socket: Socket) -> None:
    io.of(TABLE).emit("last call")  # at every table


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    io.run(app, port=options.parse_args().port)
