"""An application that gunicorn serves with metrics."""

from __future__ import annotations

from flask import Flask
from prometheus_client import REGISTRY

from flask_realtime import Realtime, Socket
from flask_realtime.metrics import RealtimeCollector

app = Flask(__name__)
io = Realtime(app)
REGISTRY.register(RealtimeCollector(io))


@io.event
def add(socket: Socket, one: int, two: int) -> int:
    socket.emit("added")
    return one + two
