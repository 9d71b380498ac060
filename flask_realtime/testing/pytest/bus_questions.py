"""What servers ask each other and their clients, whatever bus joins them.

A part of :class:`~flask_realtime.testing.pytest.bus_contract.BusContract`.
"""

from __future__ import annotations

from enum import Enum
from logging import WARNING
from typing import Any
from uuid import UUID

import gevent
import pytest

from ...adapters.values import Flags, RemoteState, Target
from ...errors import ClusterTimeout
from ..fakes import FakeSocket
from ..waiting import DEADLINE, wait_until
from .adapter_contract import EVERYONE
from .crowd import (
    AMPLE,
    LOCAL,
    SHORT,
    TARGETS,
    A,
    B,
    C,
    Crowd,
    MakeCluster,
    Question,
    asked,
    blind,
    hear_each_other,
    mute,
    names,
    to,
)

__all__ = ["HALF", "BusQuestions"]

#: What JavaScript makes of `"👍".slice(0, 1)`.
HALF = "\ud83d"


class Day(Enum):
    """A key that is not text."""

    FIRST = "1st"


class BusQuestions:
    """Tests of broadcasts with acknowledgements and of fetching sockets."""

    # --- acknowledgements ----------------------------------------------------

    def test_the_clients_of_all_servers_are_asked(self, crowd: Crowd) -> None:
        question = Question(crowd.servers[0], to("red", "blue"))
        asked(*crowd.sockets[:3])
        for socket in crowd.sockets[:3]:
            socket.answer(socket.id[0], "ignored")
        assert question.wait() == ["a", "b", "c"]
        assert crowd.heard()[3] == []

    @pytest.mark.parametrize(
        "answer",
        [None, 0, "text", {"a": [1]}, b"bytes", [b"x", 1.5], HALF],
        ids=ascii,
    )
    def test_an_answer_arrives_as_it_was_given(self, crowd: Crowd, answer: Any) -> None:
        question = Question(crowd.servers[0], to("b"))
        asked(crowd.sockets[1])
        crowd.sockets[1].answer(answer)
        assert question.wait() == [answer]

    @pytest.mark.parametrize(
        "number", [float("inf"), float("nan"), 10**400], ids=["inf", "NaN", "int"]
    )
    def test_a_number_that_no_server_can_carry_does_not_keep_an_answer_back(
        self, crowd: Crowd, number: Any
    ) -> None:
        """A client may answer `1e400`: it would have cost the deadline."""
        question = Question(crowd.servers[0], to("b"))
        asked(crowd.sockets[1])
        crowd.sockets[1].answer({"a": [1, number]})
        assert question.wait() == [{"a": [1, None]}]

    def test_an_answer_without_arguments_is_none(self, crowd: Crowd) -> None:
        question = Question(crowd.servers[0], to("b"))
        asked(crowd.sockets[1])
        crowd.sockets[1].answer()
        assert question.wait() == [None]

    def test_servers_without_clients_are_not_waited_for(self, make_cluster: MakeCluster) -> None:
        one, _, three = servers = make_cluster(3)
        socket = three.connect(C)
        hear_each_other(servers)
        question = Question(one)
        asked(socket)
        socket.answer("yes")
        assert question.wait() == ["yes"]

    @pytest.mark.parametrize("count", [1, 3])
    def test_without_other_servers_the_answer_is_empty(
        self, make_cluster: MakeCluster, count: int
    ) -> None:
        assert Question(make_cluster(count)[0]).wait() == []

    def test_a_deadline_brings_what_has_arrived(self, crowd: Crowd) -> None:
        question = Question(crowd.servers[0], timeout=AMPLE)
        asked(*crowd.sockets)
        crowd.sockets[0].answer("here")
        crowd.sockets[2].answer("there")
        assert question.partial() == ["here", "there"]

    def test_answers_after_the_deadline_are_ignored(self, crowd: Crowd) -> None:
        late = crowd.sockets[1]
        question = Question(crowd.servers[0], to("b"), timeout=SHORT)
        asked(late)
        ((_, collector),) = late.collectors.items()
        assert question.partial() == []
        wait_until(lambda: not late.collectors, "the question forgotten on the other server")
        collector.respond("late")
        again = Question(crowd.servers[0], to("b"))
        asked(late)
        late.answer("in time")
        assert again.wait() == ["in time"]

    def test_two_questions_at_a_time_keep_their_answers_apart(self, crowd: Crowd) -> None:
        questions = [Question(server, to("d")) for server in crowd.servers]
        socket = crowd.sockets[3]
        wait_until(lambda: len(socket.collectors) == 3)
        for number, (packet, _, _) in enumerate(socket.delivered):
            assert packet.id is not None
            socket.collectors.pop(packet.id).respond(number)
        assert sorted(answer for question in questions for answer in question.wait()) == [0, 1, 2]

    def test_only_the_clients_of_this_server_are_asked_locally(self, crowd: Crowd) -> None:
        question = Question(crowd.servers[0], EVERYONE._replace(flags=LOCAL))
        crowd.sockets[0].answer("here")
        assert question.wait() == ["here"]
        assert crowd.heard()[1:] == [[], [], []]

    def test_a_client_that_leaves_this_server_is_not_waited_for(self, crowd: Crowd) -> None:
        question = Question(crowd.servers[0], to("red"))
        asked(*crowd.sockets[:2])
        crowd.sockets[0].vanish()
        crowd.sockets[1].answer("b")
        assert question.wait() == ["b"]

    def test_a_client_that_leaves_another_server_costs_the_deadline(self, crowd: Crowd) -> None:
        """No format has a word for it."""
        question = Question(crowd.servers[0], to("blue"), timeout=AMPLE)
        asked(*crowd.sockets[1:3])
        crowd.sockets[1].vanish()
        crowd.sockets[2].answer("c")
        assert question.partial() == ["c"]

    def test_a_server_that_hangs_costs_the_deadline(self, own_crowd: Crowd) -> None:
        mute(own_crowd.servers[2])
        question = Question(own_crowd.servers[0], timeout=AMPLE)
        asked(*own_crowd.sockets[:2])
        for socket in own_crowd.sockets[:2]:
            socket.answer(socket.id[0])
        assert question.partial() == ["a", "b"]

    def test_answers_are_collected_though_servers_cannot_be_counted(self, own_crowd: Crowd) -> None:
        blind(own_crowd.servers[0])
        question = Question(own_crowd.servers[0], to("red"), timeout=AMPLE)
        asked(*own_crowd.sockets[:2])
        for socket in own_crowd.sockets[:2]:
            socket.answer(socket.id[0])
        assert question.partial() == ["a", "b"]

    # --- fetching ------------------------------------------------------------

    @pytest.mark.parametrize("asking", range(3))
    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_all_servers_are_found_from_each(
        self, crowd: Crowd, target: Target, sids: str, asking: int
    ) -> None:
        own = crowd.servers[asking].sockets
        found = crowd.servers[asking].adapter.fetch_sockets(target)
        assert names(item.id for item in found) == sids
        kinds = [FakeSocket if item.id in own else RemoteState for item in found]
        assert [type(item) for item in found] == kinds
        assert kinds == sorted(kinds, key=[FakeSocket, RemoteState].index)  # own ones first

    def test_a_socket_of_another_server_tells_about_itself(self, crowd: Crowd) -> None:
        crowd.sockets[1].data = {"name": "Bé", "tags": [1, None]}
        (found,) = crowd.adapter.fetch_sockets(to("b"))
        assert found == RemoteState(
            B, {"url": "/"}, [B, "blue", "red"], {"name": "Bé", "tags": [1, None]}
        )

    def test_data_that_cannot_be_carried_keeps_no_socket_from_being_found(
        self, crowd: Crowd, caplog: pytest.LogCaptureFixture
    ) -> None:
        crowd.sockets[1].data = {"user": {"row": object(), "id": 7}, "name": "b" + HALF}
        crowd.sockets[2].data = {"name": "c", "ratio": float("nan"), Day.FIRST: 10**400}
        found = {item.id: item.data for item in crowd.adapter.fetch_sockets(to("blue"))}
        assert found == {B: {"user": {"id": 7}, "name": "b" + HALF}, C: {"name": "c"}}
        warnings = [record.getMessage() for record in caplog.records if record.levelno == WARNING]
        assert len(warnings) == 2
        assert all("is not sent to other servers" in line for line in warnings)
        assert any('data["user"]["row"]' in line and B in line for line in warnings)
        assert any('data["ratio"]' in line and C in line for line in warnings)

    def test_keys_of_data_become_text(self, crowd: Crowd) -> None:
        crowd.sockets[1].data = {Day.FIRST: 1, "days": {UUID(int=1): 2}}
        (found,) = crowd.adapter.fetch_sockets(to("b"))
        assert found.data == {"1st": 1, "days": {str(UUID(int=1)): 2}}

    def test_only_the_sockets_of_this_server_are_found_locally(self, crowd: Crowd) -> None:
        found = crowd.adapter.fetch_sockets(EVERYONE._replace(flags=LOCAL))
        assert [item.id for item in found] == [A]

    def test_servers_that_ask_each_other_at_a_time_all_get_their_answers(
        self, crowd: Crowd
    ) -> None:
        rooms = ["red", "blue", "d"] * 3
        asking = [
            gevent.spawn(server.adapter.fetch_sockets, to(room))
            for server in crowd.servers
            for room in rooms
        ]
        found = [names(item.id for item in later.get(timeout=DEADLINE)) for later in asking]
        assert found == ["ab", "bc", "d"] * 9

    def test_a_server_that_hangs_is_told_with_the_answers_of_the_others(
        self, make_cluster: MakeCluster
    ) -> None:
        crowd = Crowd(make_cluster(3, timeout=AMPLE))
        mute(crowd.servers[2])
        with pytest.raises(ClusterTimeout) as caught:
            crowd.adapter.fetch_sockets(EVERYONE)
        assert names(item.id for item in caught.value.responses) == "ab"
        assert caught.value.missing == 1
        assert len(caught.value.servers) <= 1  # not every format tells who answers

    def test_the_time_for_an_answer_can_be_given(self, own_crowd: Crowd) -> None:
        mute(own_crowd.servers[1])
        mute(own_crowd.servers[2])
        with pytest.raises(ClusterTimeout) as caught:
            own_crowd.adapter.fetch_sockets(EVERYONE._replace(flags=Flags(timeout=SHORT)))
        assert caught.value.missing == 2

    def test_servers_that_cannot_be_counted_are_out_of_reach(self, own_crowd: Crowd) -> None:
        blind(own_crowd.servers[0])
        with pytest.raises(ClusterTimeout, match="out of reach") as caught:
            own_crowd.adapter.fetch_sockets(EVERYONE)
        assert [item.id for item in caught.value.responses] == [A]
