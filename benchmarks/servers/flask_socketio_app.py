"""One application for Flask-SocketIO and for the module that has its interface."""

from __future__ import annotations

import importlib

import common

PACKAGES = {
    "flask_socketio": ("Flask-SocketIO", "python-socketio", "gevent", "gevent-websocket"),
    "flask_realtime.flask_socketio": ("gevent",),
}


def main() -> None:
    """Serve the events of the load generator."""
    options = common.parse_options("--module")
    packages = PACKAGES[options.module]
    with common.imports(f"pip install {' '.join(packages)}"):
        from gevent import monkey

        monkey.patch_all()
        from flask import Flask, request

        module = importlib.import_module(options.module)
    if options.versions:
        common.print_versions(*packages)
        return

    app = Flask(__name__)
    io = module.SocketIO(app, async_mode="gevent")

    def ack(payload: str) -> str:
        assert request.path  # fails without a context
        return payload

    io.on_event("echo", lambda payload: module.emit("echo", payload))
    io.on_event("ack", ack)
    io.on_event("bcast", lambda payload: module.emit("b", payload, broadcast=True))

    common.announce(options.port)
    io.run(app, host=common.HOST, port=options.port)


if __name__ == "__main__":
    main()
