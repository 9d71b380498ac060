"""What many clients answer, and broadcasts from other threads."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flask_realtime import AckTimeout
from tests.clients import Later
from tests.fakes import settle, wait_until
from tests.loop.test_hub import Outcome
from tests.server.crowd import Crowd, answer

RESERVED = [
    "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
]  # fmt: skip


def test_the_first_argument_of_each_answer_is_returned(crowd: Crowd) -> None:
    asking = Later(crowd.io.to("r1", "r2").emit_with_ack, "question", 1)
    answer(crowd.clients["a"], "from a", "ignored")
    answer(crowd.clients["b"], {"from": "b"})
    assert not asking.is_done
    answer(crowd.clients["c"])
    assert asking.wait() == ["from a", {"from": "b"}, None]


def test_nobody_answers_for_an_empty_room(crowd: Crowd) -> None:
    assert crowd.io.to("nobody").emit_with_ack("question") == []


def test_all_recipients_share_one_id(crowd: Crowd) -> None:
    asking = Later(crowd.io.emit_with_ack, "question")
    questions = [client.question() for client in crowd.clients.values()]
    assert len({ack_id for ack_id, _ in questions}) == 1
    for client in crowd.clients.values():
        client.answer(questions[0][0], "yes")
    assert asking.wait() == ["yes"] * 4


def test_a_deadline_brings_what_has_arrived(crowd: Crowd) -> None:
    asking = Later(crowd.io.to("r1").timeout(0.05).emit_with_ack, "question")
    answer(crowd.clients["b"], "in time")
    with pytest.raises(AckTimeout) as caught:
        asking.wait()
    assert caught.value.responses == ["in time"]


def test_a_late_answer_is_ignored(crowd: Crowd) -> None:
    with pytest.raises(AckTimeout):
        crowd.io.to("r1").timeout(0.01).emit_with_ack("question")
    answer(crowd.clients["b"], "late")
    assert crowd.io.to("nobody").emit_with_ack("question") == []


def test_a_second_answer_of_one_client_does_not_stand_for_another(crowd: Crowd) -> None:
    asking = Later(crowd.io.to("r1").emit_with_ack, "question")
    ack_id, _ = crowd.clients["b"].question()
    for _ in range(3):
        crowd.clients["b"].answer(ack_id, "b")
    settle()
    assert not asking.is_done
    answer(crowd.clients["a"], "a")
    assert sorted(asking.wait()) == ["a", "b"]


@pytest.mark.parametrize("how", ["leave", "disconnect", "kick"])
def test_a_client_that_leaves_is_not_waited_for(crowd: Crowd, how: str) -> None:
    asking = Later(crowd.io.to("r1").emit_with_ack, "question")
    answer(crowd.clients["a"], "a")
    if how == "leave":
        crowd.clients["b"].line.leave()
    elif how == "disconnect":
        crowd.clients["b"].disconnect()
    else:
        crowd.io.sockets.sockets[crowd.sids["b"]].disconnect()
    assert asking.wait() == ["a"]


def test_a_callback_gets_error_and_responses(crowd: Crowd) -> None:
    heard: list[Any] = []
    crowd.io.to("r1").emit("question", ack=lambda *args: heard.append(args))
    answer(crowd.clients["a"], "a")
    answer(crowd.clients["b"], "b")
    wait_until(lambda: heard)
    assert heard == [(None, ["a", "b"])]


def test_a_callback_hears_of_the_deadline(crowd: Crowd) -> None:
    heard: list[Any] = []
    crowd.io.to("r1").timeout(0.02).emit("question", ack=lambda *args: heard.append(args))
    answer(crowd.clients["a"], "a")
    wait_until(lambda: heard)
    ((error, responses),) = heard
    assert isinstance(error, AckTimeout)
    assert responses == ["a"]


def test_a_callback_may_block(crowd: Crowd) -> None:
    heard: list[Any] = []

    def follow_up(error: Any, responses: list[Any]) -> None:
        heard.append(crowd.io.to("r2").emit_with_ack("second"))

    crowd.io.to(crowd.sids["a"]).emit("first", ack=follow_up)
    answer(crowd.clients["a"], "a")
    answer(crowd.clients["b"], "b")
    answer(crowd.clients["c"], "c")
    wait_until(lambda: heard)
    assert sorted(heard[0]) == ["b", "c"]


# --- other threads


def test_another_thread_may_broadcast(crowd: Crowd) -> None:
    data = ["before"]

    def emit() -> None:
        crowd.io.to("r1").emit("first", data)
        data[0] = "after"  # what is sent is what was there at the call
        crowd.io.to("r1").emit("second")

    Outcome(emit).wait()
    for name in "ab":
        assert crowd.clients[name].event() == ["first", ["before"]]
        assert crowd.clients[name].event() == ["second"]


def test_another_thread_hears_of_its_mistakes(crowd: Crowd) -> None:
    with pytest.raises(ValueError, match="reserved"):
        Outcome(lambda: crowd.io.emit("connect")).wait()
    with pytest.raises(TypeError):
        Outcome(lambda: crowd.io.emit("news", object())).wait()
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the JSON library's
        Outcome(lambda: crowd.io.emit("news", math.nan)).wait()


def test_another_thread_may_wait_for_answers(crowd: Crowd) -> None:
    asking = Outcome(lambda: crowd.io.to("r1").emit_with_ack("question"))
    answer(crowd.clients["a"], "a")
    answer(crowd.clients["b"], "b")
    assert asking.wait() == ["a", "b"]


def test_another_thread_hears_of_the_deadline(crowd: Crowd) -> None:
    with pytest.raises(AckTimeout) as caught:
        Outcome(lambda: crowd.io.to("r1").timeout(0.01).emit_with_ack("question")).wait()
    assert caught.value.responses == []


def test_another_thread_may_act_on_sockets(crowd: Crowd) -> None:
    def act() -> list[str]:
        crowd.io.in_("r1").sockets_join("r3")
        crowd.io.in_("r2").sockets_leave("r3")
        return [socket.id for socket in crowd.io.in_("r3").fetch_sockets()]

    assert Outcome(act).wait() == [crowd.sids["a"]]
    Outcome(crowd.io.in_("r3").disconnect_sockets).wait()
    assert crowd.clients["a"].receive() == "1"
