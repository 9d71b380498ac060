"""The events of the bare server, for gunicorn: `gunicorn -k gevent gunicorn_app:app`."""

from __future__ import annotations

import json
import os
from typing import Any

import common
from flask_realtime import Middleware, Server

io = Server(serve_client=False, adapter=os.environ.get("BENCH_ADAPTER") or None)


def stats(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The counters of this worker."""
    body = json.dumps({**io.engine.stats(), "pid": os.getpid()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


app = Middleware(io, stats)
common.answer_load(io)
