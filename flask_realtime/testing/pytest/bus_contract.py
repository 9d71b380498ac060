"""What servers do together, whatever bus joins them.

A new bus joins with a class in its own test file::

    from flask_realtime.testing.pytest.bus_contract import BusContract, MakeCluster

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
from typing import Any

import gevent
import pytest
from gevent.event import Event

from ...adapters.values import Flags, Target
from ...errors import ClusterTimeout
from ..fakes import FakeNamespace
from ..waiting import DEADLINE, wait_until
from .adapter_contract import EVERYONE, event
from .bus_questions import HALF, BusQuestions
from .crowd import (
    AMPLE,
    LOCAL,
    TARGETS,
    B,
    C,
    Crowd,
    D,
    MakeCluster,
    ask,
    blind,
    hear_each_other,
    names,
    to,
)

__all__ = ["BusContract", "MakeCluster"]

#: What JavaScript makes of `"👍".slice(1)`.
OTHER_HALF = "\udc4d"


class BusContract(BusQuestions):
    """Tests that servers on a bus have to pass; see the head of the file."""

    #: Whether servers listen to single rooms, and only from some time after a socket joined.
    rooms_have_channels = False

    @pytest.fixture
    def make_cluster(self) -> Any:
        """A :class:`MakeCluster` for the bus under test; to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def servers(self, make_cluster: MakeCluster) -> list[FakeNamespace]:
        """Three servers on the bus under test; a bus may keep them for a class of tests."""
        return make_cluster(3)

    @pytest.fixture
    def crowd(self, servers: list[FakeNamespace]) -> Iterator[Crowd]:
        """Sockets on the three servers."""
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

    @pytest.mark.parametrize(
        "value",
        [object(), {1, 2}, float("nan"), [float("inf")]],
        ids=["object", "set", "nan", "infinite"],
    )
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
            ask(crowd.servers[0], AMPLE)
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
        assert all(server.adapter.is_connected for server in servers)

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
