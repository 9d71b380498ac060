"""A Flask application with handlers of every kind, for the tests of the test client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask import Flask, request, session

from flask_realtime import ConnectError, Realtime

TRANSPORTS = ["polling", "websocket"]


class App:
    """An application, its server, and what its handlers have seen."""

    def __init__(self, **options: Any) -> None:
        self.flask = Flask(__name__)
        self.flask.secret_key = "a secret of the tests"
        self.io = Realtime(self.flask, **options)
        self.sockets: list[Any] = []
        self.ends: list[str] = []
        self.seen: list[Any] = []
        self.io.on("connection", self.connected)
        self.io.of("/private").use(self.guard)
        self.flask.add_url_rule("/login/<name>", view_func=self.login)
        names = ("add", "several", "nothing", "boom", "echo", "who")
        for name in (*names, "news", "slow", "question", "leave"):
            self.io.event(name)(getattr(self, name))

    def connected(self, socket: Any) -> None:
        self.sockets.append(socket)
        socket.on("disconnect", self.ends.append)

    def guard(self, socket: Any) -> None:
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectError("a token is missing", {"retry": False})

    def login(self, name: str) -> str:
        session["name"] = name
        return "welcome"

    def add(self, socket: Any, one: int, two: int) -> int:
        return one + two

    def several(self, socket: Any) -> tuple[int, bytes]:
        return 1, b"two"

    def nothing(self, socket: Any) -> None:
        """It answers with no arguments."""

    def boom(self, socket: Any) -> None:
        raise KeyError("a defect")

    def echo(self, socket: Any, *args: Any) -> None:
        socket.emit("echo", *args)

    def who(self, socket: Any) -> Any:
        return session.get("name"), request.remote_addr

    def news(self, socket: Any, text: str) -> None:
        self.io.emit("news", text)

    def slow(self, socket: Any, seconds: float) -> str:
        gevent.sleep(seconds)
        socket.emit("slept")
        return "slept"

    def question(self, socket: Any, *args: Any) -> Any:
        return socket.emit_with_ack("question", *args)

    def leave(self, socket: Any) -> None:
        socket.disconnect()


@pytest.fixture
def world(quiet_hub: Any) -> Iterator[App]:
    app = App()
    yield app
    assert app.io.engine.clients_count == 0, "a client was left behind"


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)
