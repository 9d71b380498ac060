"""Observers are told what happens, and change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime import Observer, Server, Socket
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld


class Journal(Observer):
    """Notes which of its methods is called, and with what."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []

    def connected(self, client: Any) -> None:
        self.entries.append(("connected", len(client.sockets)))

    def joined(self, socket: Any) -> None:
        self.entries.append(("joined", socket.nsp.name))

    def event_received(self, socket: Any, event: str, args: Any, is_known: bool) -> None:
        self.entries.append(("received", event, args, is_known))

    def event_handled(self, socket: Any, event: str, seconds: float) -> None:
        assert 0 <= seconds < 5
        self.entries.append(("handled", event))

    def emitted(self, namespace: Any, target: Any, event: str, args: Any) -> None:
        self.entries.append(("emitted", namespace.name, event, args))

    def left(self, socket: Any, reason: str) -> None:
        self.entries.append(("left", reason, socket.connected))

    def closed(self, client: Any) -> None:
        self.entries.append(("closed", client.sockets))

    def failed(self, error: BaseException, socket: Any, event: str) -> None:
        self.entries.append(("failed", str(error), event))


class Broken(Observer):
    """Raises."""

    def joined(self, socket: Any) -> None:
        raise RuntimeError("a defect of the observer")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_observer_is_told_of_everything_in_its_order(
    server: ServerWorld, transport: str
) -> None:
    journal = Journal()
    server.io.runner.observers.append(journal)

    @server.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("ask", lambda what: f"{what}!")
        socket.on("disconnect", lambda reason: 1 // 0)

    client = server.network.joined(transport)
    assert client.call("ask", "who") == ["who!"]
    server.io.emit("news", 1)
    client.disconnect()
    wait_until(lambda: len(journal.entries) == 7)
    assert journal.entries == [
        ("connected", 0),
        ("joined", "/"),
        ("received", "ask", ["who"], True),
        ("handled", "ask"),
        ("emitted", "/", "news", (1,)),
        ("left", "client namespace disconnect", False),
        ("failed", "integer division or modulo by zero", "disconnect"),
    ]


def test_an_observer_is_told_when_a_session_is_over(server: ServerWorld) -> None:
    journal = Journal()
    server.io.runner.observers.append(journal)
    server.network.joined()
    (session,) = server.io.engine.clients.values()
    session.close()
    wait_until(lambda: journal.entries[-1][0] == "left")
    assert [entry[0] for entry in journal.entries] == ["connected", "joined", "closed", "left"]


def test_each_way_to_emit_is_observed_once(server: ServerWorld) -> None:
    journal, sockets = Journal(), list[Socket]()
    server.io.on("connection", sockets.append)
    server.network.joined()
    settle()
    server.io.runner.observers.append(journal)
    (socket,) = sockets
    socket.emit("one")
    socket.volatile.emit("two")
    socket.emit("three", ack=print)
    socket.broadcast.emit("four")
    server.io.to("room").emit("five")
    server.io.to("room").emit_with_ack("six")
    assert [entry[2] for entry in journal.entries] == ["one", "two", "three", "four", "five", "six"]


def test_an_observer_that_fails_is_logged_and_changes_nothing(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    server.io.runner.observers += [Broken(), journal]
    server.io.event("ask", namespace="/")(lambda socket: "yes")
    assert server.network.joined().call("ask") == ["yes"]
    assert ("joined", "/") in journal.entries
    assert "! an observer failed at joined" in caplog.text


def test_an_observer_is_told_whether_a_name_has_a_handler(server: ServerWorld) -> None:
    journal = Journal()
    server.io.runner.observers.append(journal)
    server.io.on("connection", lambda socket: socket.once("own", lambda: None))
    server.io.event("shared", namespace="/")(lambda socket: None)
    client = server.network.joined()
    for event in ("own", "shared", "made up", "own"):
        client.emit(event)
    wait_until(lambda: len(journal.entries) == 10)
    received = [entry for entry in journal.entries if entry[0] == "received"]
    known = [(event, is_known) for _, event, _, is_known in received]
    assert known == [("own", True), ("shared", True), ("made up", False), ("own", False)]


def test_only_observers_are_told() -> None:
    server = Server()
    other: Any = print
    with pytest.raises(TypeError, match=r"observe\(\) takes an Observer, not <built-in"):
        server.observe(other)
    journal = Journal()
    server.observe(journal)
    server.emit("news")
    assert [entry[0] for entry in journal.entries] == ["emitted"]
