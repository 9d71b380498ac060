"""Background tasks, and handlers in native threads; ``patched`` as argument patches the process."""

from __future__ import annotations

import sys

from gevent import monkey

if "patched" in sys.argv:
    monkey.patch_all()

import logging
import os
import time
from typing import Any

from flask import Flask, current_app, request
from gevent.monkey import get_original

from flask_realtime import Realtime, Socket

logging.basicConfig(format="%(message)s", level=logging.INFO)
app = Flask("background")
io = Realtime(app)
blocking_sleep: Any = get_original("time", "sleep")


def work(name: str) -> None:
    """Say something now, every now and then, and at the end."""
    try:
        while True:
            print(f"{name} works in {os.getpid()} for {current_app.name}")
            io.sleep(0.05)
    finally:
        print(f"{name} ends in {os.getpid()}")


@io.event
def start(socket: Socket, name: str) -> int:
    io.start_background_task(work, name)
    return os.getpid()


@io.event(thread=True)
def block(socket: Socket, seconds: float) -> str:
    """Block in C; the loop of the server goes on."""
    logging.info("a thread blocks for %s s", seconds)
    socket.emit("blocking")
    blocking_sleep(seconds)
    time.sleep(0.001)  # gevent's own after patching
    return request.path


@io.event
def ping(socket: Socket) -> str:
    return "pong"


task = io.start_background_task(work, "the first")

if __name__ == "__main__":
    io.run(port=0)
