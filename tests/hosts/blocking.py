"""Handlers that take two seconds, for every host; ``patched`` as argument patches the process."""

from __future__ import annotations

import sys

from gevent import monkey

if "patched" in sys.argv:
    monkey.patch_all()

import time

from flask import Flask

from flask_realtime import Realtime, Socket

app = Flask(__name__)
io = Realtime(app)


@io.event
def wait(socket: Socket) -> None:
    time.sleep(2)  # the line of `wait`


@io.event
def compute(socket: Socket) -> None:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass  # the line of `compute`


if __name__ == "__main__":
    io.run(port=0)
