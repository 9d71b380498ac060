"""Tests of the chat: `pytest` in this folder runs them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from app import app, rooms

from flask_realtime import ConnectError
from flask_realtime.testing import TestClient
from flask_realtime.testing.pytest import MakeClient

pytest_plugins = ["flask_realtime.testing.pytest"]

Visit = Callable[[str], TestClient]


@pytest.fixture(params=["polling", "websocket"])
def visit(realtime_client: MakeClient, request: pytest.FixtureRequest) -> Visit:
    for history in rooms.values():
        history.clear()

    def visit(nickname: str) -> TestClient:
        auth = {"nickname": nickname, "key": f"the key of {nickname}"}
        return realtime_client(app, transport=request.param, auth=auth)

    return visit


def test_a_message_reaches_the_others_in_the_room(visit: Visit) -> None:
    ann, bob, eve = visit("Ann"), visit("Bob"), visit("Eve")
    for client, room in ((ann, "lobby"), (bob, "lobby"), (eve, "music")):
        assert client.call("join", room)["room"] == f"#{room}"
    assert ann.wait_for("notice") == ("Bob joined",)
    assert ann.call("message", " hello ") == {"delivered": True}
    (message,) = bob.wait_for("message")
    assert (message["nickname"], message["text"]) == ("Ann", "hello")
    assert "message" not in [event for event, *_ in ann.received + eve.received]


def test_the_history_greets_who_joins(visit: Visit) -> None:
    ann = visit("Ann")
    ann.call("join", "lobby")
    ann.emit("message", "is anybody here?")
    (message,) = visit("Bob").call("join", "lobby")["history"]
    assert message["text"] == "is anybody here?"


def test_who_leaves_is_missed(visit: Visit) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    for client in (ann, bob):
        client.call("join", "lobby")
    bob.drop()
    assert ann.received[-3:-1] == [("notice", "Bob left"), ("people", ["Ann"])]


@pytest.mark.parametrize("text", ["", "  ", "x" * 1001, 5])
def test_what_is_no_message_is_refused(visit: Visit, text: object) -> None:
    ann = visit("Ann")
    ann.call("join", "lobby")
    assert ann.call("message", text) == {"error": "That message cannot be sent."}


def test_a_nickname_is_had_once(visit: Visit, realtime_client: MakeClient) -> None:
    visit("Ann")
    with pytest.raises(ConnectError, match="“ann” is already taken"):
        realtime_client(app, auth={"nickname": "ann", "key": "another"})
    with pytest.raises(ConnectError, match="A nickname has 2 to 20 characters"):
        visit("A")


def test_the_same_page_takes_its_nickname_over(visit: Visit) -> None:
    before, after = visit("Ann"), visit("Ann")
    assert not before.connected
    assert after.connected
