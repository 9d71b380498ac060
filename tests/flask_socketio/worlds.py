"""A Flask application with the extension, and what its handlers have noted."""

from __future__ import annotations

from typing import Any

from flask import Flask, session

from flask_realtime.flask_socketio import SocketIO, SocketIOTestClient

__all__ = ["World", "events_of"]


class World:
    """An application, its extension, and a list that handlers write to."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask(__name__)
        self.app.secret_key = "a secret of the tests"
        self.io = SocketIO(self.app, **options)
        self.seen: list[Any] = []
        self.app.add_url_rule("/login/<name>", view_func=self.login)

    @staticmethod
    def login(name: str) -> str:
        session["name"] = name
        return "welcome"

    def client(self, namespace: str | None = None, **options: Any) -> SocketIOTestClient:
        """Connect a client."""
        client: SocketIOTestClient = self.io.test_client(self.app, namespace, **options)
        return client


def events_of(client: SocketIOTestClient, namespace: str | None = None) -> list[Any]:
    """Return name and arguments of the events that a client has got."""
    return [(event["name"], event["args"]) for event in client.get_received(namespace)]
