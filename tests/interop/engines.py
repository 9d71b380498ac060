"""A server for what applications do with engines and sessions.

    python -m tests.interop.engines alone|bound|taken

``alone``: an engine without Socket.IO sends each message back. ``bound``: a server has an engine
with ids of its own. ``taken``: a server takes the sessions of an engine. Both of these tell
their clients what happened on their connections.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from flask_realtime import Middleware, Server, Socket
from flask_realtime.engine.engine import Engine
from flask_realtime.engine.session import Session
from flask_realtime.hosts.embedded import EmbeddedServer, QuietHandler
from flask_realtime.hosts.finder import SocketFinder
from flask_realtime.options import Options

EVENTS = ("packetCreate", "flush", "drain", "heartbeat", "upgrading", "upgrade")


class NamedEngine(Engine):
    def generate_id(self, environ: Mapping[str, Any]) -> str:
        return "named-" + str(super().generate_id(environ))


def alone() -> Any:
    engine = Engine()
    engine.bind(host=SocketFinder())
    engine.configure(Options.build({"ping_interval": 0.2}))

    @engine.on("connection")
    def opened(session: Session) -> None:
        heard: list[str] = []
        for event in EVENTS:
            session.on(event, lambda *args, event=event: heard.append(event))

        @session.on("message")
        def message(data: str | bytes) -> None:
            session.write(",".join(sorted(set(heard))) if data == "heard" else data)

    return engine.handle


def tell(io: Server) -> None:
    @io.on("connection")
    def connected(socket: Socket) -> None:
        conn = socket.conn
        socket.on("id", lambda: conn.id)
        socket.on("raw", lambda: conn.send('2["raw","é"]'))

        @socket.on("forget")
        def forget() -> list[Any]:
            conn.forget_request()
            return [conn.has_request, socket.handshake.query["transport"]]


def bound() -> Any:
    io = Server(serve_client=False)
    io.bind(NamedEngine())
    tell(io)
    return Middleware(io)


def taken() -> Any:
    io = Server()
    engine = NamedEngine()
    engine.bind(host=SocketFinder())
    engine.on("connection", io.onconnection)
    tell(io)
    return engine.handle


def main(kind: str) -> None:
    app = {"alone": alone, "bound": bound, "taken": taken}[kind]()
    server = EmbeddedServer(("127.0.0.1", 0), app, handler_class=QuietHandler, log=None)
    server.start()
    print("listening", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
