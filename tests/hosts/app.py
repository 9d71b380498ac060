"""The applications that every host serves: a Flask app, and a plain WSGI function."""

from __future__ import annotations

from flask_realtime import Middleware, Realtime, Server
from tests.interop.handlers import install
from tests.interop.journal import Journal
from tests.interop.server import control, flask_app, plain_app

journal = Journal()
io = Realtime(per_message_deflate=True)
app = flask_app(control(io, journal))
io.init_app(app)
install(io, journal)


def plain() -> Middleware:
    """The middleware around a WSGI function, without Flask."""
    server = Server(per_message_deflate=True)
    notes = Journal()
    install(server, notes)
    return Middleware(server, plain_app(control(server, notes)))
