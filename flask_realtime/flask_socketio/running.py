"""``run()``: keywords of Flask-SocketIO's as those of the embedded server."""

from __future__ import annotations

from typing import Any

from flask import Flask

from ..extension import Realtime
from .options import note_meaningless

__all__ = ["run"]

_DEFAULT_PORT = 5000
#: Keywords of other servers, which change nothing here.
_FOREIGN = ("allow_unsafe_werkzeug", "server_side", "threaded", "use_evalex", "passthrough_errors")


def run(realtime: Realtime, app: Flask, host: Any, port: Any, keywords: dict[str, Any]) -> None:
    """Serve an application with the embedded server.

    Args:
        realtime: The server.
        app: The application.
        host: As given; ``None`` is 127.0.0.1.
        port: As given; ``None`` is that of ``SERVER_NAME``, or 5000.
        keywords: All others.
    """
    given = dict(keywords)
    note_meaningless("run()", {name: given.pop(name) for name in _FOREIGN if name in given})
    debug = given.pop("debug", None)
    app.debug = app.debug if debug is None else bool(debug)
    log_output = given.pop("log_output", app.debug)
    given.setdefault("log", bool(log_output))
    given["debug"] = app.debug
    realtime.run(app, host or "127.0.0.1", _port_of(app) if port is None else port, **given)


def _port_of(app: Flask) -> int:
    name = app.config.get("SERVER_NAME") or ""
    port = name.rpartition(":")[2] if ":" in name else ""
    return int(port) if port.isdigit() else _DEFAULT_PORT
