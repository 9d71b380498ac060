"""An application in production: options from the environment, probes, clients that come back.

`gunicorn -k gevent -w 4 web:app` serves it; the other files of this folder do so under systemd, in
containers and behind nginx. docs/deployment.md explains them.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # blocking calls in handlers let other handlers run

import argparse
import os
from typing import Any

from flask import Flask

from flask_realtime import Realtime, Socket

PAGE = """<!doctype html>
<title>Deployed</title>
<form><input autofocus autocomplete="off"> <button>Send</button></form>
<pre></pre>
<script src="/socket.io/socket.io.js"></script>
<script>
  const socket = io();
  const show = (text) => document.querySelector("pre").append(text, "\\n");
  socket.on("connect", () => show(socket.recovered ? "(back again)" : "(connected)"));
  socket.on("message", show);
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    socket.send(event.target[0].value);
    event.target.reset();
  };
</script>
"""

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_REALTIME_ADAPTER sets the option `adapter`, and so on
io = Realtime(app)


@app.get("/")
def page() -> str:
    return PAGE


@app.get("/livez")
def livez() -> str:
    return "ok"  # any answer says that the process runs and nothing blocks it


@app.get("/readyz")
def readyz() -> tuple[Any, int]:
    health = io.health()
    return health, 200 if health["ready"] else 503


@io.event
def message(socket: Socket, text: object) -> None:
    io.send(text)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    io.run(app, port=options.parse_args().port)
