"""`Realtime` on a Flask application: each handler runs in a Flask context, and uses it."""

from __future__ import annotations

import common


def main() -> None:
    """Serve the events of the load generator from Flask code."""
    options = common.parse_options()
    with common.imports("pip install -e '.[speed]'"):
        from flask import Flask, g, request

        from flask_realtime import Realtime, Socket  # --no-orjson must act first
    if options.versions:
        common.print_versions("gevent", "flask", json=common.json_module())
        return

    app = Flask(__name__)
    io = Realtime(app, serve_client=False)

    @io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("echo")
        def echo(payload: str) -> None:
            g.path = request.path  # fails without both contexts
            socket.emit("echo", payload)

        @socket.on("ack")
        def ack(payload: str) -> str:
            g.path = request.path
            return payload

    common.announce(options.port)
    io.run(app, host=common.HOST, port=options.port, log=None)


if __name__ == "__main__":
    main()
