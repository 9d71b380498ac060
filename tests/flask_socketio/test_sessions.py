"""``session`` in handlers."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, session
from flask.sessions import SessionInterface, SessionMixin

from tests.flask_socketio.worlds import World


class Store(dict[str, Any], SessionMixin):
    """A session on the server, which says whether it was changed."""

    modified = False

    def __setitem__(self, key: str, value: Any) -> None:
        self.modified = True
        super().__setitem__(key, value)


class OnServer(SessionInterface):
    """One session for everyone, in memory."""

    def __init__(self) -> None:
        self.saved: dict[str, Any] = {}
        self.saves = 0

    def open_session(self, app: Flask, request: Any) -> Store:
        store = Store()
        dict.update(store, self.saved)
        return store

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        if session.modified:
            self.saved = dict(session)
            self.saves += 1


def notes(world: World) -> None:
    @world.io.on("put")
    def put(name: str, value: Any) -> None:
        session[name] = value

    @world.io.on("look")
    @world.io.on("look", namespace="/chat")
    def look() -> dict[str, Any]:
        return dict(session)


def test_a_connection_has_a_copy_of_the_browsers_session_in_all_its_namespaces(
    world: World,
) -> None:
    notes(world)
    browser = world.app.test_client()
    browser.get("/login/ada")
    client = world.client(flask_test_client=browser)
    client.connect("/chat")
    client.emit("put", "a", 1)
    assert client.emit("look", namespace="/chat", callback=True) == {"name": "ada", "a": 1}
    assert world.io.server is not None
    environ = world.io.server.environ[client.eio_sid]
    assert environ["saved_session"] == {"name": "ada", "a": 1}
    other = world.client(flask_test_client=browser)
    assert other.emit("look", callback=True) == {"name": "ada"}


def test_without_a_secret_key_a_handler_still_has_a_session(world: World) -> None:
    notes(world)
    world.app.secret_key = None
    client = world.client()
    client.emit("put", "a", 1)
    assert client.emit("look", callback=True) == {"a": 1}


def test_sessions_of_flask_are_opened_and_saved_for_each_event() -> None:
    world = World(manage_session=False)
    interface = world.app.session_interface = OnServer()
    notes(world)
    client = world.client()
    client.emit("put", "a", 1)
    assert interface.saved == {"a": 1}
    interface.saved["from a request"] = True
    assert client.emit("look", callback=True) == {"a": 1, "from a request": True}
    assert interface.saves == 1


def test_the_switch_can_be_thrown_while_clients_are_connected(world: World) -> None:
    notes(world)
    client = world.client()
    client.emit("put", "a", 1)
    world.io.manage_session = False
    assert client.emit("look", callback=True) == {}
    world.io.manage_session = True
    assert client.emit("look", callback=True) == {"a": 1}
