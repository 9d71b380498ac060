"""One client with modifiers."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime import AckTimeout, BroadcastOperator
from flask_realtime.server.emitter import SocketEmitter
from flask_realtime.server.socket import Socket
from tests.clients import Later, PollingLine
from tests.fakes import wait_until
from tests.worlds import ServerWorld


def joined(server: ServerWorld, transport: str = "polling") -> tuple[Any, Socket]:
    client = server.network.client(transport)
    return client, server.io.sockets.sockets[client.connect()]


@pytest.mark.parametrize(
    "modify",
    [
        lambda source: source.volatile,
        lambda source: source.compress(False),
        lambda source: source.timeout(5),
    ],
)
def test_every_modifier_returns_another_emitter(server: ServerWorld, modify: Any) -> None:
    _, socket = joined(server)
    emitter = modify(socket)
    assert isinstance(emitter, SocketEmitter)
    assert modify(emitter) is not emitter


def test_modifiers_add_up_and_do_not_stick(server: ServerWorld) -> None:
    client, socket = joined(server)
    emitter = socket.timeout(0.01)
    emitter.volatile.emit("dropped")  # no GET is under way
    emitter.emit("kept", ack=lambda *args: None)
    socket.emit("kept too")
    assert client.question()[1] == ["kept"]
    assert client.event() == ["kept too"]


def test_an_emitter_can_be_kept(server: ServerWorld) -> None:
    client, socket = joined(server)
    emitter = socket.compress(True)
    for number in range(3):
        emitter.emit("event", number)
        assert client.event() == ["event", number]


@pytest.mark.parametrize(("compress", "compressed"), [(True, True), (False, False)])
def test_an_event_may_be_kept_from_compression(
    server: ServerWorld, compress: bool, compressed: bool
) -> None:
    client, socket = joined(server)
    socket.compress(compress).emit("event", "x" * 3000)
    line: PollingLine = client.line
    answer = line.request("GET", headers={"Accept-Encoding": "gzip"})
    assert ("Content-Encoding" in answer.headers) is compressed
    server.io.compress(compress).emit("event", "x" * 3000)
    answer = line.request("GET", headers={"Accept-Encoding": "gzip"})
    assert ("Content-Encoding" in answer.headers) is compressed


def test_messages_are_sent_with_modifiers(server: ServerWorld) -> None:
    client, socket = joined(server)
    socket.timeout(1).send("a", 1)
    socket.timeout(1).write("b")
    assert client.event() == ["message", "a", 1]
    assert client.event() == ["message", "b"]


def test_the_time_for_an_answer_is_the_callers(server: ServerWorld) -> None:
    client, socket = joined(server)
    with pytest.raises(AckTimeout):
        socket.timeout(0.01).emit_with_ack("question")
    client.question()
    asking = Later(socket.timeout(5).emit_with_ack, "question")
    client.answer(client.question()[0], "yes")
    assert asking.wait() == "yes"


def test_a_deadline_of_a_callback_forgets_its_entry(server: ServerWorld) -> None:
    client, socket = joined(server)
    heard: list[Any] = []
    socket.timeout(0.01).emit("question", ack=lambda *args: heard.append(args))
    wait_until(lambda: heard)
    client.answer(client.question()[0], "late")
    client.emit("nothing")
    assert len(heard) == 1


@pytest.mark.parametrize(
    "chain",
    [
        lambda emitter: emitter.broadcast,
        lambda emitter: emitter.local,
        lambda emitter: emitter.to("room"),
        lambda emitter: emitter.in_("room"),
        lambda emitter: emitter.except_("nobody"),
    ],
)
def test_modifiers_go_with_a_broadcast(server: ServerWorld, chain: Any) -> None:
    client, socket = joined(server, "websocket")
    slow, other = joined(server)
    other.join("room")
    operator = chain(socket.volatile)
    assert isinstance(operator, BroadcastOperator)
    operator.emit("dropped")  # the other one has no GET under way
    chain(socket.timeout(1)).emit("kept")
    assert slow.event() == ["kept"]
    server.io.emit("last")
    assert client.event() == ["last"]  # and nothing before it: the sender is left out
