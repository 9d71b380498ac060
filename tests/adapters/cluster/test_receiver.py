"""What other servers ask for is done here, and answered."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from flask_realtime.adapters.values import Flags, Target
from flask_realtime.adapters.wire.messages import (
    AllRooms,
    AllSockets,
    Broadcast,
    ClientAnswer,
    ClientCount,
    DisconnectSockets,
    IdsFound,
    JoinRooms,
    LeaveRooms,
    RoomsFound,
    ServerAnswer,
    ServerSideEmit,
    SocketsFound,
)
from flask_realtime.testing.pytest.adapter_contract import EVERYONE, event, to
from tests.adapters.cluster.one_server import Server
from tests.fakes import wait_until


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_broadcast_from_elsewhere_costs_one_encoding_however_many_sockets(server: Server) -> None:
    for number in range(20):
        server.namespace.connect(f"s{number}", "red")
    server.receiver.on_request(Broadcast(event("hi"), to("red")), "other")
    assert server.parser.encoded == 1
    messages = {id(socket.delivered[0][1]) for socket in server.namespace.sockets.values()}
    assert len(messages) == 1
    assert not server.bus.published
    assert not server.bus.responses


@pytest.mark.parametrize("target", [EVERYONE, to("red"), to("red", "blue")])
def test_what_is_for_no_socket_here_is_not_even_encoded(server: Server, target: Target) -> None:
    if target.rooms:
        server.namespace.connect("a", "green")
    server.receiver.on_request(Broadcast(event("hi"), target), "other")
    assert server.parser.encoded == 0


def test_what_only_messagepack_can_say_reaches_clients_as_javascript_would_send_it(
    server: Server,
) -> None:
    socket = server.namespace.connect("a")
    date = datetime(2024, 5, 6, tzinfo=timezone.utc)
    data = {"ratio": float("nan"), 1: [float("-inf"), date]}
    server.receiver.on_request(Broadcast(event("hi", data), EVERYONE), "other")
    expected = b'2["hi",{"ratio":null,"1":[null,"2024-05-06T00:00:00+00:00"]}]'
    assert socket.delivered[0][1].text == expected
    server.receiver.on_request(Broadcast(event("hi", float("nan")), EVERYONE, "1"), "other")
    socket.answer("seen")
    assert socket.delivered[1][1].text == b'20["hi",null]'
    assert server.bus.responses[0] == ("other", ClientCount("1", 1))


@pytest.mark.parametrize("request_id", [None, "1"])
def test_what_no_client_can_be_told_is_malformed(server: Server, request_id: str | None) -> None:
    socket = server.namespace.connect("a")
    data = {b"key": 1}
    with pytest.raises(ValueError, match="a packet to clients cannot carry"):
        server.receiver.on_request(Broadcast(event("hi", data), EVERYONE, request_id), "other")
    assert socket.delivered == []


def test_the_answers_of_clients_are_passed_on_until_the_deadline(server: Server) -> None:
    socket, silent = server.namespace.connect("a"), server.namespace.connect("b")
    target = Target(flags=Flags(timeout=0.05))
    server.receiver.on_request(Broadcast(event("ready?"), target, "1"), "other")
    socket.answer("yes", "more")
    assert server.bus.responses == [
        ("other", ClientCount("1", 2)), ("other", ClientAnswer("1", "yes", ("more",)))
    ]  # fmt: skip
    wait_until(lambda: not silent.collectors, "the question forgotten")


def test_who_asks_is_told_what_the_namespace_answers(server: Server) -> None:
    server.receiver.on_request(ServerSideEmit(["hi", 1], "1"), "other")
    assert server.bus.responses == []
    server.namespace.answer = "yes"
    server.receiver.on_request(ServerSideEmit(["hi", 2], "2"), "other")
    server.receiver.on_request(ServerSideEmit(["hi", 3]), "other")
    assert server.bus.responses == [("other", ServerAnswer("2", "yes"))]
    assert server.namespace.server_side == [["hi", 1], ["hi", 2], ["hi", 3]]


def test_older_servers_may_ask_for_ids_and_rooms(server: Server) -> None:
    server.namespace.connect("b", "red")
    server.namespace.connect("a", "red")
    server.receiver.on_request(AllSockets(["red"], "1"), "other")
    server.receiver.on_request(AllRooms("2"), "other")
    (_, ids), (_, rooms) = server.bus.responses
    assert ids == IdsFound("1", ["a", "b"])
    assert isinstance(rooms, RoomsFound)
    assert sorted(rooms.rooms) == ["a", "b", "red"]


def test_an_answer_that_comes_too_late_is_ignored(server: Server) -> None:
    for response in (SocketsFound("1", []), ClientCount("1", 1), ServerAnswer("1", 1)):
        server.receiver.on_response(response, "other")


@pytest.mark.parametrize("asks", [False, True])
def test_a_broadcast_above_the_bound_of_this_server_is_one_line_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture, asks: bool
) -> None:
    server.namespace.max_message_size = 100
    socket = server.namespace.connect("a")
    request = Broadcast(event("big", "x" * 200), EVERYONE, "1" if asks else None)
    server.receiver.on_request(request, "other")
    assert socket.delivered == []
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "a message of 2" in line.getMessage()
    assert "max_buffered_bytes (100)" in line.getMessage()
    if asks:
        assert server.bus.responses == [("other", ClientCount("1", 0))]
    server.receiver.on_request(Broadcast(event("small"), EVERYONE), "other")
    assert [packet.data[0] for packet, *_ in socket.delivered] == ["small"]


@pytest.mark.parametrize("volatile", [True, False])
def test_the_offset_of_a_broadcast_from_elsewhere_goes_to_clients_when_it_is_kept(
    server: Server, volatile: bool
) -> None:
    server.receiver.keeps_offsets = True
    socket = server.namespace.connect("a")
    target = Target(flags=Flags(volatile=volatile))
    server.receiver.on_request(Broadcast(event("hi"), target), "other", "8-0")
    expected = b'2["hi"]' if volatile else b'2["hi","8-0"]'
    assert [message.text for _, message, _ in socket.delivered] == [expected]


def test_without_recovery_clients_get_no_offset(server: Server) -> None:
    socket = server.namespace.connect("a")
    server.receiver.on_request(Broadcast(event("hi"), EVERYONE), "other", "8-0")
    assert [message.text for _, message, _ in socket.delivered] == [b'2["hi"]']


def test_sockets_join_and_leave_and_are_disconnected(server: Server) -> None:
    socket, receiver = server.namespace.connect("a"), server.receiver
    receiver.on_request(JoinRooms(to("a"), ["red", "blue"]), "other")
    assert server.adapter.socket_rooms("a") == {"a", "red", "blue"}
    assert receiver.has_room("red")
    receiver.on_request(LeaveRooms(to("blue"), ["red"]), "other")
    assert server.adapter.socket_rooms("a") == {"a", "blue"}
    assert not receiver.has_room("red")
    receiver.on_request(DisconnectSockets(EVERYONE, True), "other")
    assert socket.closed is True
