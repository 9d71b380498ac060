"""Serve the app in one process, the way the first argument says.

python -m tests.hosts.serve HOST [CERTIFICATE KEY]
"""

from __future__ import annotations

import sys
from typing import Any

import gevent
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from tests.hosts.app import app, io, plain
from tests.interop.server import announce
from tests.processes import free_port

LOCAL = "127.0.0.1"


def run(**options: Any) -> None:
    port = free_port()
    gevent.spawn(announce, port, options.get("certfile"))
    io.run(app, host=LOCAL, port=port, **options)


def pywsgi(application: Any, **options: Any) -> None:
    server = WSGIServer((LOCAL, 0), application, **options)
    server.start()
    print("listening", server.server_port, flush=True)
    server.serve_forever()


def main(host: str, certificate: str = "", key: str = "") -> None:
    tls = {"certfile": certificate, "keyfile": key} if certificate else {}
    if host == "run":
        run(**tls)
    elif host == "pywsgi":
        pywsgi(app, **tls)
    elif host == "gevent-websocket":
        pywsgi(app, handler_class=WebSocketHandler, **tls)
    elif host == "middleware":
        pywsgi(plain(), **tls)
    else:
        raise SystemExit(f"no host {host!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
