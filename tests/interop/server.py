"""The scenario server of the end-to-end tests.

    python -m tests.interop.server bare|flask [OPTIONS AS JSON] [PORT]

The first line it prints is ``listening PORT``. Besides Socket.IO it answers
GET /log (see journal.py; ``?kind=…&tag=…`` filter), GET /clients and POST /close.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from flask import Flask, Response, request
from gevent.socket import create_connection
from gevent.ssl import PROTOCOL_TLS_CLIENT, SSLContext
from greenlet import greenlet

from flask_realtime import Realtime, Server
from flask_realtime.parsers import DefaultParser, MsgpackParser
from tests.interop.handlers import install
from tests.interop.journal import Journal
from tests.processes import free_port


def indented_json() -> DefaultParser:
    """The default parser with JSON functions of the application."""
    return DefaultParser(dumps=lambda value: json.dumps(value, indent=1), loads=json.loads)


PARSERS: dict[str, Callable[[], Any]] = {
    "default": DefaultParser,
    "msgpack": MsgpackParser,
    "own json": indented_json,
}
Control = Callable[[str, dict[str, str]], Any]


def control(io: Server, journal: Journal) -> Control:
    """The answers to the plain HTTP requests, as values for JSON."""

    def answer(path: str, query: dict[str, str]) -> Any:
        if path == "/log":
            return journal.find(**query)
        if path == "/clients":
            return io.engine.clients_count
        if path == "/namespaces":
            return sorted(io.namespaces)
        if path == "/pid":
            return os.getpid()
        if path == "/greenlets":
            gc.collect()
            return sum(isinstance(found, greenlet) for found in gc.get_objects())
        if path == "/close":
            gevent.spawn(io.close)
            return "closing"
        return None

    return answer


def flask_app(answer: Control) -> Flask:
    app = Flask(__name__)
    app.secret_key = "for tests only"

    @app.route("/<path:path>", methods=["GET", "POST"])
    def view(path: str) -> Response:
        found = answer(f"/{path}", request.args.to_dict())
        if found is None:
            return Response("nothing here", 404)
        return Response(json.dumps(found), mimetype="application/json")

    return app


def plain_app(answer: Control) -> Callable[..., Iterable[bytes]]:
    """The same as a WSGI function, for the server without Flask."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        pairs = (pair.partition("=") for pair in environ["QUERY_STRING"].split("&") if pair)
        found = answer(environ["PATH_INFO"], {name: value for name, _, value in pairs})
        status = "404 Not Found" if found is None else "200 OK"
        body = json.dumps(found).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    return application


def announce(port: int, certificate: str | None = None) -> None:
    """Print the port as soon as something accepts connections on it."""
    with gevent.Timeout(20):
        while True:
            try:
                connection = create_connection(("127.0.0.1", port))
                if certificate:
                    context = SSLContext(PROTOCOL_TLS_CLIENT)
                    context.load_verify_locations(certificate)
                    connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
                connection.close()
                break
            except ConnectionRefusedError:
                gevent.sleep(0.01)
    print("listening", port, flush=True)


def main(kind: str, options: str = "{}", port: str = "0") -> None:
    settings = json.loads(options)
    if settings.get("allow_request") == "without X-Refuse":
        settings["allow_request"] = lambda environ: "HTTP_X_REFUSE" not in environ
    settings["parser"] = PARSERS[settings.get("parser", "default")]()
    journal = Journal()
    number = int(port) or free_port()
    if kind == "flask":
        extension = Realtime(**settings)
        app = flask_app(control(extension, journal))
        extension.init_app(app)
        install(extension, journal)
        gevent.spawn(announce, number)
        extension.run(app, host="127.0.0.1", port=number)
    else:
        server = Server(**settings)
        install(server, journal)
        gevent.spawn(announce, number)
        server.run(plain_app(control(server, journal)), host="127.0.0.1", port=number)


if __name__ == "__main__":
    main(*sys.argv[1:])
