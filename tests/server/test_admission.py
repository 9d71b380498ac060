"""Middlewares let a client in or refuse it, and it is told why."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime import ConnectError, Socket
from tests.fakes import settle, wait_until
from tests.worlds import ServerWorld


def answer_to(server: ServerWorld, transport: str = "websocket") -> str:
    """What a client that wants to join gets."""
    client = server.network.client(transport)
    client.send("0")
    return str(client.receive())


def refusal(packet: str) -> Any:
    assert packet.startswith("4{"), packet
    return json.loads(packet[1:])


def test_middlewares_run_in_order_before_the_client_is_in(server: ServerWorld) -> None:
    seen: list[Any] = []

    @server.io.use
    def first(socket: Socket) -> None:
        seen.append(("first", socket.connected, dict(server.io.sockets.sockets)))
        socket.data["user"] = "ann"
        socket.join("vip")
        socket.emit("early")

    server.io.use(lambda socket: seen.append(("second", socket.data["user"])))
    server.io.on("connection", lambda socket: seen.append(("in", sorted(socket.rooms))))
    client = server.network.client()
    client.send("0")
    assert client.receive() == '2["early"]'
    sid = json.loads(client.receive()[1:])["sid"]
    settle()
    assert seen == [("first", False, {}), ("second", "ann"), ("in", sorted(["vip", sid]))]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    ("error", "payload"),
    [
        (ConnectError("not allowed"), {"message": "not allowed"}),
        (ConnectError("no", {"code": 7}), {"message": "no", "data": {"code": 7}}),
        (ConnectError("no", data=[]), {"message": "no", "data": []}),
    ],
)
def test_a_middleware_refuses_with_a_message_and_data(
    server: ServerWorld, transport: str, error: ConnectError, payload: Any
) -> None:
    seen: list[str] = []

    @server.io.use
    def refuse(socket: Socket) -> None:
        socket.join("vip")
        socket.on("disconnect", lambda reason: seen.append(reason))
        raise error

    server.io.use(lambda socket: seen.append("second"))
    server.io.on("connection", lambda socket: seen.append("connection"))
    assert refusal(answer_to(server, transport)) == payload
    settle()
    assert seen == []
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}
    assert server.io.engine.clients_count == 1  # it may try again


UNCARRIED = {
    "bytes": b"data",
    "bytes inside": {"a": [bytearray(b"data")]},
    "an object": object(),
    "no number": math.nan,
}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("kind", UNCARRIED)
def test_a_client_is_refused_also_with_data_that_cannot_be_carried(
    server: ServerWorld, transport: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[Any] = []
    server.io.on_error(lambda error, socket, event: reported.append((type(error), event)))

    @server.io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("no", UNCARRIED[kind])

    assert refusal(answer_to(server, transport)) == {"message": "no"}
    assert [event for _, event in reported] == ["middleware"]
    assert issubclass(reported[0][0], (TypeError, ValueError))
    assert "cannot carry" in caplog.text or kind == "no number"
    assert not server.io.sockets.sockets


def test_a_refusal_with_half_an_emoji_arrives_as_it_is(server: ServerWorld) -> None:
    @server.io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("no \ud800")

    assert refusal(answer_to(server, "websocket")) == {"message": "no \ud800"}


def test_a_refused_client_may_try_again(server: ServerWorld) -> None:
    @server.io.use
    def check(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "right":
            raise ConnectError("wrong token")

    client = server.network.client()
    client.send('0{"token":"wrong"}')
    assert refusal(client.receive()) == {"message": "wrong token"}
    assert client.connect(auth={"token": "right"})


def test_the_text_of_an_unexpected_error_is_not_for_the_client(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    server.io.on_error(lambda error, socket, event: told.append((repr(error), event)))

    @server.io.use
    def broken(socket: Socket) -> None:
        raise KeyError("password of the database")

    with caplog.at_level(logging.ERROR):
        payload = refusal(answer_to(server))
    assert "password" not in json.dumps(payload)
    assert set(payload) == {"message"}
    assert told == [("KeyError('password of the database')", "middleware")]
    assert "password of the database" in caplog.text


def test_a_context_that_cannot_be_entered_does_not_open_the_door(server: ServerWorld) -> None:
    class Broken:
        def call(self, socket: Any, event: str, function: Any, args: Any) -> None:
            raise ConnectionError("the session store is down")

        def call_apart(self, event: str, function: Any, args: Any) -> None:
            raise ConnectionError

        def for_task(self) -> Any:
            raise ConnectionError

        def failed(self, error: BaseException) -> None: ...

    @server.io.use
    def check(socket: Socket) -> None:
        raise ConnectError("nobody comes in")

    server.io.runner.context = Broken()
    packet = answer_to(server)
    assert packet.startswith("4{"), packet
    assert "session store" not in packet


def test_a_middleware_may_block(server: ServerWorld) -> None:
    release = Event()
    server.io.use(lambda socket: release.wait())
    client = server.network.client()
    client.send("0")
    settle()
    assert server.io.sockets.sockets == {}
    release.set()
    assert client.receive().startswith("0{")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_that_leaves_during_a_middleware_was_never_there(
    server: ServerWorld, transport: str
) -> None:
    release, seen = Event(), []

    @server.io.use
    def wait(socket: Socket) -> None:
        socket.join("vip")
        socket.on("disconnect", lambda reason: seen.append("disconnect"))
        release.wait()
        seen.append("asked")

    server.io.on("connection", lambda socket: seen.append("connection"))
    client = server.network.client(transport)
    client.send("0")
    settle()
    client.line.leave()
    settle()
    release.set()
    wait_until(lambda: seen)
    settle()
    assert seen == ["asked"]
    assert server.io.sockets.sockets == {}
    assert server.io.sockets.adapter.rooms == {}
    assert server.io.engine.clients_count == 0


def test_middlewares_are_for_one_namespace_only(server: ServerWorld) -> None:
    @server.io.of("/closed").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("no")

    client = server.network.joined()
    client.send("0/closed,")
    assert client.receive() == '4/closed,{"message":"no"}'


def test_a_middleware_has_to_be_callable(server: ServerWorld) -> None:
    with pytest.raises(TypeError):
        server.io.use("not a function")  # type: ignore[type-var]


def test_false_refuses_no_client_and_says_so(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    server.io.use(lambda socket: False)
    assert answer_to(server).startswith("0")
    (line,) = (item.getMessage() for item in caplog.records if item.levelno >= logging.ERROR)
    assert "False" in line
    assert "ConnectError" in line
