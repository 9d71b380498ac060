"""Tests of the chat: `pytest` in this folder runs them.

Events that connection state recovery may send again end with their offset.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from app import RUN, app, rooms
from names import BadName, characters, clean_name, look

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
    assert ann.wait_for("notice")[0] == "Bob joined"
    assert ann.call("message", " hello ") == {"delivered": True}
    message = bob.wait_for("message")[0]
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
    assert [event[:2] for event in ann.received[-3:-1]] == [
        ("notice", "Bob left"),
        ("people", ["Ann"]),
    ]


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


def test_a_message_that_is_sent_again_appears_once(visit: Visit) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    for client in (ann, bob):
        client.call("join", "lobby")
    for _ in range(2):
        assert ann.call("message", "hello", "key 1") == {"delivered": True}
    assert [event for event, *_ in bob.received].count("message") == 1


def test_other_rooms_are_told_that_there_is_something_to_read(visit: Visit) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    ann.call("join", "lobby")
    bob.call("join", "music")
    ann.call("message", "hello")
    assert bob.wait_for("unread")[0] == "#lobby"
    assert "unread" not in [event for event, *_ in ann.received]


def test_the_page_can_tell_a_restart_and_measure_a_round_trip(visit: Visit) -> None:
    ann = visit("Ann")
    assert ann.call("join", "lobby")["run"] == RUN
    assert ann.call("echo") is True


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Ada", 3),
        ("👩‍👩‍👧‍👦👩🏽‍🚀❤️‍🔥", 3),
        ("🇳🇴🇸🇪🇳", 3),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 1),
        ("e\u0301", 1),
        ("क्षि", 1),
        ("", 0),
    ],
)
def test_characters_are_counted_as_a_reader_does(text: str, count: int) -> None:
    assert characters(text) == count


@pytest.mark.parametrize("name", ["👩‍👩‍👧‍👦" * 20, "  # Ada \n Lovelace", "محمد", "می‌خواهم"])
def test_names_of_all_scripts_and_joined_emoji_are_accepted(name: str) -> None:
    assert clean_name(name, "It", least=2) == " ".join(name.replace("#", " ").split())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("A", "It has 2 to 20 characters."),
        ("👩‍👩‍👧‍👦", "It has 2 to 20 characters."),
        ("x" * 21, "It has 2 to 20 characters."),
        ("a" + "\u0301" * 300, "It has 2 to 20 characters."),
        ("\u200d\u200d", "It has 2 to 20 characters."),
        (None, "It has 2 to 20 characters."),
        ("\u202eadA", "It consists of characters that can be seen."),
        ("A\x00b", "It consists of characters that can be seen."),
    ],
)
def test_other_names_are_refused_with_the_reason(name: object, why: str) -> None:
    with pytest.raises(BadName) as refused:
        clean_name(name, "It", least=2)
    assert str(refused.value) == why


def test_names_that_look_the_same_are_the_same(visit: Visit, realtime_client: MakeClient) -> None:
    assert look("ADA") == look("a\u200dda") != look("Ada 2")
    visit("Ada")
    with pytest.raises(ConnectError, match="already taken"):
        realtime_client(app, auth={"nickname": "A\u200dda", "key": "another"})
