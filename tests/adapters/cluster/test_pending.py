"""Questions to other servers: complete, late, doubled, unanswered."""

from __future__ import annotations

import pytest

from flask_realtime.adapters.cluster.pending import (
    BroadcastRequest,
    Peers,
    PendingResponses,
    RequestTable,
)
from flask_realtime.adapters.values import RemoteState
from flask_realtime.adapters.wire.messages import (
    ClientAnswer,
    ClientCount,
    IdsFound,
    Response,
    ServerAnswer,
    SocketsFound,
)
from flask_realtime.errors import ClusterTimeout
from flask_realtime.testing.fakes import FakeCollector
from tests.clients import Later
from tests.fakes import settle, wait_until

A, B = RemoteState("a", {}, [], {}), RemoteState("b", {}, [], {})


class Recording:
    def __init__(self) -> None:
        self.taken: list[tuple[Response, str]] = []

    def take(self, response: Response, origin: str) -> None:
        self.taken.append((response, origin))


# --- the table


def test_a_response_goes_to_its_request() -> None:
    table, one, two = RequestTable(), Recording(), Recording()
    first, second = table.add(one), table.add(two)
    assert first != second
    table.take(ServerAnswer(second, 1), "x")
    assert (one.taken, two.taken) == ([], [(ServerAnswer(second, 1), "x")])


def test_a_response_to_no_request_is_ignored() -> None:
    table, one = RequestTable(), Recording()
    request_id = table.add(one)
    assert len(table) == 1
    table.take(ServerAnswer("unknown", 1), "x")
    for _ in range(2):
        table.discard(request_id)
    table.take(ServerAnswer(request_id, 1), "x")
    assert one.taken == []
    assert len(table) == 0


def test_ids_cannot_be_guessed_and_are_as_long_as_nodes() -> None:
    table = RequestTable()
    ids = {table.add(Recording()) for _ in range(100)}
    assert len(ids) == 100
    assert {len(request_id) for request_id in ids} == {16}


# --- pending responses


def test_it_is_done_with_the_last_answer() -> None:
    pending = PendingResponses(2, Peers())
    waiting = Later(pending.wait, 60.0, ["own"])
    pending.take(SocketsFound("1", [A]), "x")
    settle()
    assert not waiting.is_done
    pending.take(SocketsFound("1", [B]), "y")
    assert waiting.wait() == ["own", A, B]


def test_answers_may_come_before_the_caller_waits() -> None:
    pending = PendingResponses(1, Peers())
    pending.take(ServerAnswer("1", None), "x")
    assert pending.wait(0.01, []) == [None]


def test_a_second_answer_of_a_server_does_not_stand_for_another() -> None:
    pending = PendingResponses(2, Peers())
    for _ in range(3):
        pending.take(ServerAnswer("1", "x"), "x")
    with pytest.raises(ClusterTimeout) as caught:
        pending.wait(0.01, [])
    assert (caught.value.responses, caught.value.missing) == (["x"], 1)


def test_answers_of_servers_that_give_no_id_all_count() -> None:
    pending = PendingResponses(2, Peers())
    for value in ("x", "y"):
        pending.take(ServerAnswer("1", value), "")
    assert pending.wait(0.01, []) == ["x", "y"]


def test_more_answers_than_servers_do_no_harm() -> None:
    """A server may have come between the count and the question."""
    pending = PendingResponses(1, Peers())
    for origin in ("x", "y"):
        pending.take(ServerAnswer("1", origin), origin)
    assert pending.wait(0.01, []) == ["x", "y"]


@pytest.mark.parametrize(
    "response", [ClientCount("1", 1), ClientAnswer("1", 1), IdsFound("1", ["a"])]
)
def test_another_kind_of_answer_is_none(response: Response) -> None:
    pending = PendingResponses(1, Peers())
    pending.take(response, "x")
    pending.take(ServerAnswer("1", "x"), "x")
    assert pending.wait(0.01, []) == ["x"]


def test_the_timeout_tells_what_there_is_and_who_is_missing() -> None:
    peers = Peers()
    for uid in ("z", "y", "x"):
        peers.heard(uid)
    pending = PendingResponses(3, peers)
    pending.take(SocketsFound("1", [A]), "y")
    with pytest.raises(ClusterTimeout, match=r"2 of 3 servers did not answer within 0\.01 s") as c:
        pending.wait(0.01, [B])
    assert c.value.responses == [B, A]
    assert (c.value.missing, c.value.servers) == (2, ["x", "z"])


# --- peers


def test_no_more_servers_are_named_than_are_missing_and_those_last_heard_of() -> None:
    peers = Peers()
    for uid in ("old", "b", "a", "old", "b"):
        peers.heard(uid)
    assert peers.silent((), 2) == ["b", "old"]
    assert peers.silent(("old",), 2) == ["a", "b"]


def test_senders_that_do_not_listen_are_no_servers() -> None:
    peers = Peers()
    for uid in ("", "emitter"):
        peers.heard(uid)
    assert peers.silent((), 5) == []


def test_when_all_have_answered_the_others_are_gone() -> None:
    peers = Peers()
    for uid in ("here", "gone"):
        peers.heard(uid)
    pending = PendingResponses(1, peers)
    pending.take(ServerAnswer("1", 1), "here")
    pending.wait(0.01, [])
    assert peers.silent((), 5) == ["here"]


def test_answers_without_ids_say_nothing_about_who_is_gone() -> None:
    peers = Peers()
    peers.heard("here")
    pending = PendingResponses(1, peers)
    pending.take(ServerAnswer("1", 1), "")
    pending.wait(0.01, [])
    assert peers.silent((), 5) == ["here"]


def test_the_number_of_servers_that_are_remembered_is_bounded() -> None:
    peers = Peers()
    for number in range(1500):
        peers.heard(str(number))
    named = peers.silent((), 5000)
    assert len(named) == 1000
    assert "1499" in named
    assert "499" not in named


# --- broadcasts with acknowledgements


def test_a_broadcast_is_held_until_every_server_has_counted_its_clients() -> None:
    collector = FakeCollector()
    request = BroadcastRequest(collector)
    assert collector.held == 1
    request.take(ClientCount("1", 2), "x")
    request.expect(2)
    settle()
    assert (collector.held, collector.expected) == (1, 2)
    request.take(ClientCount("1", 0), "y")
    wait_until(lambda: collector.held == 0)
    assert collector.expected == 2


def test_counts_may_all_come_before_the_servers_are_counted() -> None:
    collector = FakeCollector()
    request = BroadcastRequest(collector)
    for origin in ("x", "y"):
        request.take(ClientCount("1", 1), origin)
    settle()
    assert collector.held == 1
    request.expect(2)
    wait_until(lambda: collector.held == 0)


def test_without_other_servers_it_is_not_held() -> None:
    collector = FakeCollector()
    BroadcastRequest(collector).expect(0)
    wait_until(lambda: collector.held == 0)


def test_it_is_released_once_and_not_where_responses_arrive() -> None:
    collector = FakeCollector()
    request = BroadcastRequest(collector)
    request.expect(1)
    for origin in ("x", "y", "z"):
        request.take(ClientCount("1", 1), origin)
    assert collector.held == 1
    settle()
    assert collector.held == 0
    assert collector.expected == 3


def test_a_server_counts_once() -> None:
    collector = FakeCollector()
    request = BroadcastRequest(collector)
    request.expect(2)
    for _ in range(3):
        request.take(ClientCount("1", 1), "x")
    settle()
    assert (collector.held, collector.expected) == (1, 1)


def test_counts_without_an_id_all_count() -> None:
    collector = FakeCollector()
    request = BroadcastRequest(collector)
    request.expect(2)
    for _ in range(2):
        request.take(ClientCount("1", 1), "")
    wait_until(lambda: collector.held == 0)
    assert collector.expected == 2


def test_answers_reach_the_collector_and_other_responses_do_not() -> None:
    collector = FakeCollector()
    request = BroadcastRequest(collector)
    request.take(ClientAnswer("1", "yes"), "x")
    request.take(ClientAnswer("1", "yes", ("and", "more")), "x")
    request.take(SocketsFound("1", [A]), "x")
    assert collector.answers == [("yes",), ("yes", "and", "more")]
