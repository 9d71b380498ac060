"""What servers do together, whatever bus joins them.

A new bus joins with a class in its own test file::

    class TestMyBus(BusContract):
        @pytest.fixture
        def make_cluster(self) -> Iterator[MakeCluster]: ...

``make_cluster(count, timeout=5)`` returns the namespaces of so many servers, whose adapters
listen and hear each other; ``timeout`` is how many seconds servers have to answer. Where that
takes its time, a fixture ``servers`` with the scope of the class gives the tests three servers
to share; those that close, mute or otherwise change one take servers of their own.

Nothing here is measured by a clock but deadlines. That something does *not* arrive is seen
by what the same server sends after it: the messages of one sender keep their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from logging import WARNING
from typing import Any
from uuid import UUID

import gevent
import pytest
from gevent.event import Event

from flask_realtime.adapters.values import Flags, RemoteState, Target
from flask_realtime.errors import ClusterTimeout
from tests.adapters.contract import EVERYONE, event
from tests.adapters.fakes import FakeNamespace, FakeSocket
from tests.adapters.together import (
    LOCAL,
    SHORT,
    TARGETS,
    A,
    B,
    C,
    Crowd,
    D,
    MakeCluster,
    Question,
    ask,
    asked,
    blind,
    hear_each_other,
    mute,
    names,
    to,
)
from tests.clients import Later
from tests.fakes import DEADLINE, wait_until

__all__ = ["BusContract", "MakeCluster"]

#: What JavaScript makes of `"👍".slice(0, 1)`, and of `.slice(1)`.
HALF, OTHER_HALF = "\ud83d", "\udc4d"


class Day(Enum):
    FIRST = "1st"


class BusContract:
    """Tests that servers on a bus have to pass; see the head of the file."""

    #: Whether servers listen to single rooms, and only from some time after a socket joined.
    rooms_have_channels = False

    @pytest.fixture
    def make_cluster(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def servers(self, make_cluster: MakeCluster) -> list[FakeNamespace]:
        return make_cluster(3)

    @pytest.fixture
    def crowd(self, servers: list[FakeNamespace]) -> Iterator[Crowd]:
        crowd = Crowd(servers)
        yield crowd
        crowd.leave()

    @pytest.fixture
    def own_crowd(self, make_cluster: MakeCluster) -> Crowd:
        """Sockets on servers that no other test uses."""
        return Crowd(make_cluster(3))

    # --- broadcasts ----------------------------------------------------------

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_a_broadcast_reaches_each_socket_of_its_target_once_on_all_servers(
        self, crowd: Crowd, target: Target, sids: str
    ) -> None:
        crowd.adapter.broadcast(event("hello"), target)
        heard = crowd.heard()
        assert heard == [["hello"] if socket.id[0] in sids else [] for socket in crowd.sockets]

    @pytest.mark.parametrize("target", [EVERYONE, to("red"), to("red", "blue", but=("c",))])
    def test_a_local_broadcast_stays_where_it_is(self, crowd: Crowd, target: Target) -> None:
        crowd.adapter.broadcast(event("hello"), target._replace(flags=LOCAL))
        assert crowd.heard() == [["hello"], [], [], []]

    @pytest.mark.parametrize("volatile", [True, False])
    @pytest.mark.parametrize("compress", [True, False])
    def test_the_modifiers_arrive(self, crowd: Crowd, volatile: bool, compress: bool) -> None:
        flags = Flags(volatile=volatile, compress=compress)
        crowd.adapter.broadcast(event("hello"), to("b", flags=flags))
        assert crowd.heard()[1] == ["hello"]
        _, message, was_volatile = crowd.sockets[1].delivered[0]
        assert (was_volatile, message.compress) == (volatile, compress)

    @pytest.mark.parametrize(
        "value",
        [None, True, 1, -1, 2**53, 1.5, "", "é 日本 😀", [], {}, {"a": [1, {"b": None}]},
         HALF, {HALF: ["é" + HALF, b""]}],
        ids=ascii,
    )  # fmt: skip
    def test_values_arrive_as_they_were_sent(self, crowd: Crowd, value: Any) -> None:
        crowd.adapter.broadcast(event("hello", value), EVERYONE)
        crowd.heard()
        texts = [socket.delivered[0][1].text for socket in crowd.sockets]
        assert [texts[0]] * 4 == texts
        assert all(s.delivered[0][0].data == ["hello", value] for s in crowd.sockets)

    def test_half_an_emoji_may_be_the_name_of_an_event_and_of_rooms(self, crowd: Crowd) -> None:
        """Clients choose names: JavaScript cuts characters in two."""
        other = OTHER_HALF
        _, two, three = crowd.servers
        two.adapter.add_all(B, [HALF, other])
        three.adapter.add_all(C, [HALF])
        hear_each_other(crowd.servers)
        crowd.adapter.broadcast(event(HALF), to(HALF))
        crowd.adapter.broadcast(event(other), to(other))
        assert crowd.heard() == [[], [HALF, other], [HALF], []]
        # Redis has one name for both.
        two.adapter.remove(B, other)
        crowd.adapter.broadcast(event("still here"), to(HALF))
        wait_until(lambda: "still here" in crowd.sockets[1].events)
        crowd.adapter.del_sockets(EVERYONE, [HALF])
        wait_until(lambda: crowd.ids_in(HALF) == "")

    def test_bytes_arrive_as_bytes_wherever_they_are(self, crowd: Crowd) -> None:
        crowd.adapter.broadcast(event("hello", b"\x00\xff", {"deep": [bytearray(b"x")]}), EVERYONE)
        crowd.heard()
        for socket in crowd.sockets:
            _, message, _ = socket.delivered[0]
            assert message.attachments == [b"\x00\xff", b"x"]
            assert message.text == (
                b'52-["hello",{"_placeholder":true,"num":0},'
                b'{"deep":[{"_placeholder":true,"num":1}]}]'
            )

    def test_a_server_encodes_for_its_own_sockets_once(self, crowd: Crowd) -> None:
        crowd.adapter.broadcast(event("hello"), EVERYONE)
        crowd.heard()
        assert crowd.sockets[2].delivered[0][1] is crowd.sockets[3].delivered[0][1]

    def test_packets_of_one_server_arrive_in_order_whatever_their_rooms(self, crowd: Crowd) -> None:
        targets = [EVERYONE, to("blue"), to("red", "blue"), to("b")]
        for number in range(60):
            crowd.adapter.broadcast(event(str(number)), targets[number % 4])
        assert crowd.heard()[1] == [str(number) for number in range(60)]

    def test_every_server_can_send(self, crowd: Crowd) -> None:
        for number, server in enumerate(crowd.servers):
            server.adapter.broadcast(event(str(number)), EVERYONE)
        for socket in crowd.sockets:
            wait_until(lambda: len(socket.events) == 3)  # noqa: B023
            assert sorted(socket.events) == ["0", "1", "2"]

    @pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), [float("inf")]], ids=str)
    def test_what_cannot_be_carried_raises_and_reaches_no_server(
        self, crowd: Crowd, value: Any
    ) -> None:
        with pytest.raises((TypeError, ValueError)):
            crowd.adapter.broadcast(event("hello", value), EVERYONE)
        assert crowd.heard() == [[], [], [], []]

    def test_what_happens_to_sockets_and_what_is_sent_to_them_keeps_its_order(
        self, crowd: Crowd
    ) -> None:
        new = to("new", "newer") if self.rooms_have_channels else to("new")
        crowd.adapter.add_sockets(to("blue"), ["new"])
        crowd.adapter.broadcast(event("joined"), new)
        crowd.adapter.del_sockets(to("c"), ["new"])
        crowd.adapter.broadcast(event("left"), new)
        assert crowd.heard() == [[], ["joined", "left"], ["joined"], []]

    def test_a_listener_that_asks_the_cluster_in_the_middle_of_a_request_gets_its_answer(
        self, own_crowd: Crowd
    ) -> None:
        two, found = own_crowd.servers[1].adapter, list[str]()

        def look(room: str, sid: str) -> None:
            found.extend(sorted(socket.id for socket in two.fetch_sockets(to("blue"))))

        two.on("join-room", look)
        own_crowd.adapter.add_sockets(to("b"), ["new"])
        own_crowd.adapter.broadcast(event("next"), to("b"))
        wait_until(lambda: "next" in own_crowd.sockets[1].events)
        # What comes next waited for it: it was not passed over.
        assert found == [B, C]

    def test_a_listener_that_blocks_keeps_no_answer_from_being_heard(
        self, own_crowd: Crowd
    ) -> None:
        two, blocked, gate = own_crowd.servers[1].adapter, Event(), Event()

        def block(room: str, sid: str) -> None:
            blocked.set()
            gate.wait(10 * DEADLINE)

        two.on("join-room", block)
        # The bus of one process has no reader to hold up: it is the other server that waits.
        joining = gevent.spawn(own_crowd.adapter.add_sockets, to("b"), ["new"])
        assert blocked.wait(DEADLINE)
        assert [socket.id for socket in two.fetch_sockets(to("d"))] == [D]
        gate.set()
        joining.join(DEADLINE)
        assert own_crowd.heard() == [[], [], [], []]

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
        question = Question(crowd.servers[0], timeout=SHORT)
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
        question = Question(crowd.servers[0], to("blue"), timeout=SHORT)
        asked(*crowd.sockets[1:3])
        crowd.sockets[1].vanish()
        crowd.sockets[2].answer("c")
        assert question.partial() == ["c"]

    def test_a_server_that_hangs_costs_the_deadline(self, own_crowd: Crowd) -> None:
        mute(own_crowd.servers[2])
        question = Question(own_crowd.servers[0], timeout=SHORT)
        asked(*own_crowd.sockets[:2])
        for socket in own_crowd.sockets[:2]:
            socket.answer(socket.id[0])
        assert question.partial() == ["a", "b"]

    def test_answers_are_collected_though_servers_cannot_be_counted(self, own_crowd: Crowd) -> None:
        blind(own_crowd.servers[0])
        question = Question(own_crowd.servers[0], to("red"), timeout=SHORT)
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
            Later(server.adapter.fetch_sockets, to(room))
            for server in crowd.servers
            for room in rooms
        ]
        found = [names(item.id for item in later.wait()) for later in asking]
        assert found == ["ab", "bc", "d"] * 9

    def test_a_server_that_hangs_is_told_with_the_answers_of_the_others(
        self, make_cluster: MakeCluster
    ) -> None:
        crowd = Crowd(make_cluster(3, timeout=SHORT))
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

    # --- what servers do to sockets ------------------------------------------

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_all_servers_join_rooms(
        self, crowd: Crowd, target: Target, sids: str
    ) -> None:
        crowd.adapter.add_sockets(target, ["new", "newer"])
        crowd.heard()
        assert (crowd.ids_in("new"), crowd.ids_in("newer")) == (sids, sids)

    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_all_servers_leave_rooms(
        self, crowd: Crowd, target: Target, sids: str
    ) -> None:
        crowd.adapter.del_sockets(target, ["red", "blue"])
        crowd.heard()
        assert set(crowd.ids_in("red")) == {"a", "b"} - set(sids)
        assert set(crowd.ids_in("blue")) == {"b", "c"} - set(sids)

    @pytest.mark.parametrize("close", [True, False])
    @pytest.mark.parametrize(("target", "sids"), TARGETS)
    def test_the_sockets_of_all_servers_are_disconnected(
        self, crowd: Crowd, target: Target, sids: str, close: bool
    ) -> None:
        crowd.adapter.disconnect_sockets(target, close)
        expected = [close if socket.id[0] in sids else None for socket in crowd.sockets]
        wait_until(lambda: [socket.closed for socket in crowd.sockets] == expected)
        crowd.adapter.broadcast(event("after"), EVERYONE)
        left = [socket for socket in crowd.sockets if socket.id[0] not in sids]
        wait_until(lambda: all("after" in socket.events for socket in left))
        assert [socket.closed for socket in crowd.sockets] == expected

    def test_locally_it_happens_to_the_sockets_of_this_server_only(self, crowd: Crowd) -> None:
        target = EVERYONE._replace(flags=LOCAL)
        crowd.adapter.add_sockets(target, ["new"])
        crowd.adapter.del_sockets(target, ["red", "blue"])
        crowd.heard()
        assert (crowd.ids_in("new"), crowd.ids_in("red"), crowd.ids_in("blue")) == ("a", "b", "bc")
        crowd.adapter.disconnect_sockets(target, False)
        crowd.adapter.broadcast(event("after"), EVERYONE)
        for socket in crowd.sockets[1:]:
            wait_until(lambda: "after" in socket.events)  # noqa: B023
        assert [socket.closed for socket in crowd.sockets] == [False, None, None, None]

    # --- servers among themselves --------------------------------------------

    def test_an_event_for_servers_reaches_the_others_and_no_client(self, crowd: Crowd) -> None:
        crowd.adapter.server_side_emit(["hello", 1, {"a": ["é" + HALF, None]}])
        one, *others = crowd.servers
        for server in others:
            wait_until(lambda: server.server_side)  # noqa: B023
            assert server.server_side == [["hello", 1, {"a": ["é" + HALF, None]}]]
        assert one.server_side == []
        assert crowd.heard() == [[], [], [], []]

    def test_events_for_servers_keep_their_order(self, crowd: Crowd) -> None:
        for number in range(20):
            crowd.adapter.server_side_emit(["hello", number])
        for server in crowd.servers[1:]:
            wait_until(lambda: len(server.server_side) == 20)  # noqa: B023
            assert [args[1] for args in server.server_side] == list(range(20))

    def test_every_other_server_answers(self, crowd: Crowd) -> None:
        for number, server in enumerate(crowd.servers):
            server.answer = {"number": number}
        assert sorted(ask(crowd.servers[0]), key=str) == [{"number": 1}, {"number": 2}]
        assert sorted(ask(crowd.servers[2]), key=str) == [{"number": 0}, {"number": 1}]

    def test_a_server_that_does_not_answer_is_told_with_the_answers_of_the_others(
        self, crowd: Crowd
    ) -> None:
        crowd.servers[1].answer = "here"
        with pytest.raises(ClusterTimeout) as caught:
            ask(crowd.servers[0], SHORT)
        assert (caught.value.responses, caught.value.missing) == (["here"], 1)
        assert len(caught.value.servers) <= 1

    def test_servers_that_cannot_be_counted_are_not_asked(self, own_crowd: Crowd) -> None:
        blind(own_crowd.servers[0])
        with pytest.raises(ClusterTimeout, match="out of reach"):
            ask(own_crowd.servers[0])
        own_crowd.adapter.server_side_emit(["after"])
        wait_until(lambda: own_crowd.servers[1].server_side)
        assert own_crowd.servers[1].server_side == [["after"]]

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_every_server_is_counted(self, make_cluster: MakeCluster, count: int) -> None:
        servers = make_cluster(count)
        assert [server.adapter.server_count() for server in servers] == [count] * count

    def test_a_server_that_is_closed_is_neither_counted_nor_asked_nor_told(
        self, own_crowd: Crowd
    ) -> None:
        gone = own_crowd.servers[2]
        gone.adapter.close()
        gone.adapter.close()
        wait_until(lambda: own_crowd.adapter.server_count() == 2)
        assert own_crowd.servers[1].adapter.server_count() == 2
        assert names(item.id for item in own_crowd.adapter.fetch_sockets(EVERYONE)) == "ab"
        own_crowd.adapter.broadcast(event("after"), EVERYONE)
        wait_until(lambda: "after" in own_crowd.sockets[1].events)
        assert [socket.events for socket in own_crowd.sockets[2:]] == [[], []]
