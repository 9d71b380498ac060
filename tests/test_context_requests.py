"""Requests around events: those that handlers send, and the one that each event has."""

from __future__ import annotations

from typing import Any

import flask
import gevent
import pytest
from flask import (
    Flask,
    Request,
    copy_current_request_context,
    current_app,
    flash,
    g,
    request,
    session,
)
from flask import get_flashed_messages as flashed
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.test import Client as WerkzeugClient

from flask_realtime import Realtime, Socket
from tests.fakes import settle, wait_until
from tests.flasks import FlaskWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


def add_view(world: FlaskWorld) -> None:
    @world.app.get("/view")
    def view() -> str:
        world.io.emit("seen", request.path)
        session["seen"] = True
        return f"the view of {current_app.name}"


@BOTH
@pytest.mark.parametrize("kind", ["flask", "werkzeug"])
def test_a_handler_that_sends_a_request_keeps_its_contexts(
    flask_world: FlaskWorld, transport: str, kind: str
) -> None:
    add_view(flask_world)
    app = flask_world.app

    @flask_world.io.event
    def ask(socket: Socket) -> list[Any]:
        g.name, session["name"] = "ann", "ann"
        client: Any = app.test_client() if kind == "flask" else WerkzeugClient(app)
        text = client.get("/view").text
        return [text, g.name, session["name"], request.path, current_app.name, "seen" in session]

    client = flask_world.network.joined(transport)
    expected = [f"the view of {app.name}", "ann", "ann", "/socket.io/", app.name, False]
    for number in range(2):
        client.emit("ask", ack_id=number)
        assert client.event() == ["seen", "/view"]
        assert client.receive().startswith(f"3{number}")
    client.emit("ask", ack_id=2)
    assert client.event() == ["seen", "/view"]
    answer = client.receive()
    assert flask.json.loads(answer[2:]) == [expected]


@BOTH
def test_a_request_inside_a_handler_does_not_tear_the_event_down(
    flask_world: FlaskWorld, transport: str
) -> None:
    add_view(flask_world)
    steps: list[str] = []

    def note(error: Any) -> None:
        steps.append(f"teardown of {g.get('name')}")

    @flask_world.io.event
    def ask(socket: Socket) -> str:
        g.name = "event"
        flask_world.app.test_client().get("/view")
        steps.append("handler")
        return "done"

    client = flask_world.network.joined(transport)
    settle()
    flask_world.app.teardown_appcontext(note)
    client.emit("ask", ack_id=0)
    wait_until(lambda: "teardown of event" in steps, "the teardown")
    assert steps.index("handler") < steps.index("teardown of event")
    assert steps.count("teardown of event") == 1


def test_a_request_to_another_application_keeps_the_contexts(flask_world: FlaskWorld) -> None:
    other = Flask("other")
    Realtime(other)
    other.add_url_rule("/who", "who", lambda: current_app.name)

    @flask_world.io.event
    def ask(socket: Socket) -> list[str]:
        g.name = "ann"
        return [other.test_client().get("/who").text, g.name, current_app.name]

    expected = ["other", "ann", flask_world.app.name]
    assert flask_world.network.joined("websocket").call("ask") == [expected]


def test_a_request_inside_a_handler_of_a_disconnect_keeps_the_contexts(
    flask_world: FlaskWorld,
) -> None:
    add_view(flask_world)
    seen: list[str] = []

    @flask_world.io.event
    def disconnect(socket: Socket) -> None:
        flask_world.app.test_client().get("/view")
        seen.append(request.path)

    flask_world.network.joined("websocket").line.leave()
    wait_until(lambda: seen, "the handler")
    assert seen == ["/socket.io/"]


# --- the request object of an event


@BOTH
def test_each_event_has_a_request_object_of_its_own(
    flask_world: FlaskWorld, transport: str
) -> None:
    seen: list[Any] = []

    @flask_world.io.event
    def mark(socket: Socket) -> list[Any]:
        seen.append(request._get_current_object())  # type: ignore[attr-defined]
        found = [getattr(request, "mark", None), request.path, request.args["transport"]]
        request.mark = "marked"  # type: ignore[attr-defined]
        request.path = "/elsewhere"
        return found

    flask_world.io.event("mark", namespace="/chat")(mark)
    client = flask_world.network.joined(transport)
    client.connect("/chat")
    expected = [[None, "/socket.io/", transport]]
    assert [client.call("mark", ack_id=number) for number in range(3)] == [expected] * 3
    client.send('2/chat,3["mark"]')
    assert client.receive() == f'3/chat,3[[null,"/socket.io/","{transport}"]]'
    assert len({id(found) for found in seen}) == 4
    assert {found.mark for found in seen} == {"marked"}


@BOTH
def test_a_request_that_outlives_its_event_keeps_its_attributes(
    flask_world: FlaskWorld, transport: str
) -> None:
    seen: list[Any] = []

    @flask_world.io.event
    def event(socket: Socket, name: str) -> None:
        request.mark = name  # type: ignore[attr-defined]

        @copy_current_request_context
        def later() -> None:
            gevent.sleep(0.01)
            seen.append((request.mark, request.path))  # type: ignore[attr-defined]

        gevent.spawn(later)

    client = flask_world.network.joined(transport)
    for name in "abc":
        client.emit("event", name)
    wait_until(lambda: len(seen) == 3, "the greenlets")
    assert sorted(seen) == [(name, "/socket.io/") for name in "abc"]


@BOTH
def test_a_request_class_of_the_application_is_made_anew_for_each_event(
    flask_world: FlaskWorld, transport: str
) -> None:
    class Numbered(Request):
        made = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            Numbered.made += 1
            self.number = Numbered.made

    flask_world.app.request_class = Numbered
    flask_world.io.event("number")(lambda socket: request.number)  # type: ignore[attr-defined]
    client = flask_world.network.joined(transport)
    numbers = [client.call("number", ack_id=number)[0] for number in range(4)]
    assert len(set(numbers)) == 4


@BOTH
def test_json_of_the_application_reads_the_request_of_every_event(
    flask_world: FlaskWorld, transport: str
) -> None:
    flask_world.io.event("json")(lambda socket: request.json_module is flask_world.app.json)
    client = flask_world.network.joined(transport)
    assert [client.call("json", ack_id=number) for number in range(3)] == [[True]] * 3


@BOTH
def test_what_a_handler_puts_in_place_of_the_query_is_gone_in_the_next_event(
    flask_world: FlaskWorld, transport: str
) -> None:
    @flask_world.io.event
    def look(socket: Socket) -> list[Any]:
        found = [dict(request.args), dict(request.cookies)]
        request.args = MultiDict({"role": "admin"})
        request.cookies = ImmutableMultiDict({"role": "admin"})
        return found

    client = flask_world.network.joined(transport)
    expected = [[{"EIO": "4", "transport": transport}, {}]]
    assert [client.call("look", ack_id=number) for number in range(4)] == [expected] * 4


@BOTH
def test_flashed_messages_are_those_of_the_event(flask_world: FlaskWorld, transport: str) -> None:
    @flask_world.io.event
    def say(socket: Socket, text: str) -> list[Any]:
        flash(text)
        return list(flashed())

    client = flask_world.network.joined(transport)
    assert [client.call("say", text, ack_id=1) for text in "abc"] == [[["a"]], [["b"]], [["c"]]]
