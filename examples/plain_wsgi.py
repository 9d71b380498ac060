"""Socket.IO beside a plain WSGI function, without a framework.

Start it with `python plain_wsgi.py --port 5000` or `gunicorn -k gevent plain_wsgi:app`.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # blocking calls in handlers let other handlers run

import argparse
import os
from typing import TYPE_CHECKING

from flask_realtime import Middleware, Server, Socket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PAGE = b"""<!doctype html>
<title>Plain WSGI</title>
<pre id="out"></pre>
<script src="/socket.io/socket.io.js"></script>
<script>
  const show = (text) => (document.getElementById("out").textContent += `${text}\\n`);
  const socket = io();
  socket.on("echo", (text) => show(`echo: ${text}`));
  socket.on("connect", async () => {
    socket.emit("echo", "Hello!");
    show(`2 + 3 = ${await socket.emitWithAck("add", 2, 3)}`);
  });
</script>
"""

server = Server()


@server.on("connection")
def connected(socket: Socket) -> None:
    @socket.on("echo")
    def echo(*values: object) -> None:
        socket.emit("echo", *values)

    @socket.on("add")
    def add(left: float, right: float) -> float:
        return left + right  # answers the acknowledgement


def page(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE]


app = Middleware(server, page)

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    server.run(app, port=options.parse_args().port)
