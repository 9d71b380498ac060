"""Engine.IO as the test client speaks it: order, payloads, heartbeats, the end."""

from __future__ import annotations

from typing import Any

import pytest

from flask_realtime.codec.message import Message
from flask_realtime.errors import PacketError
from flask_realtime.testing import ManualTime, TestClient, wait_until
from flask_realtime.testing.transports import payloads
from tests.testing.apps import App


def test_messages_keep_their_order(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        for number in range(50):
            client.emit("echo", number, b"x" * number, wait=False)
        wait_until(lambda: len(client.received) == 50)
        assert [item[1] for item in client.received] == list(range(50))


def test_payloads_stay_below_the_limit_of_the_server() -> None:
    packets: list[Message | str] = [Message(b"1234"), "3", Message(b"56", [b"789"]), "1"]
    assert list(payloads(packets, 100)) == [b"41234\x1e3\x1e456\x1ebNzg5\x1e1"]
    assert list(payloads(packets, 7)) == [b"41234\x1e3", b"456", b"bNzg5\x1e1"]
    assert list(payloads([Message(b"x" * 20), "1"], 7)) == [b"4" + b"x" * 20, b"1"]


def test_a_message_above_the_limit_ends_the_connection(transport: str) -> None:
    app = App(max_http_buffer_size=1000)
    with TestClient(app.flask, transport=transport) as client:
        client.emit("echo", "x" * 2000)
        assert not client.connected


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
def test_messages_of_any_size_come_through(world: App, transport: str, size: int) -> None:
    with TestClient(world.flask, transport=transport) as client:
        client.emit("echo", "x" * size, b"y" * size)
        assert client.wait_for("echo") == ("x" * size, b"y" * size)


def test_heartbeats_are_answered(transport: str) -> None:
    time = ManualTime()
    app = App(scheduler=time.scheduler(), ping_interval=25, ping_timeout=20)
    with TestClient(app.flask, transport=transport) as client:
        for _ in range(100):
            time.advance(30)
        assert client.connected
        assert client.call("add", 1, 2) == 3


def test_a_slow_reader_of_a_large_burst_gets_all(world: App, transport: str) -> None:
    with TestClient(world.flask, transport=transport) as client:
        for number in range(20):
            world.io.emit("large", number, b"z" * 200_000)
        assert [item[1] for item in client.received] == list(range(20))


def test_an_application_that_raises_is_heard(transport: str) -> None:
    app = App()

    def defect(environ: Any, start_response: Any) -> Any:
        raise KeyError("a middleware")

    app.flask.wsgi_app = defect  # type: ignore[method-assign]
    with pytest.raises(KeyError, match="a middleware"):
        TestClient(app.flask, transport=transport)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_responses_are_read(world: App, encoding: str) -> None:
    with TestClient(world.flask, headers={"Accept-Encoding": encoding}) as client:
        client.emit("echo", "x" * 10_000)
        assert client.wait_for("echo") == ("x" * 10_000,)
        assert world.io.engine.stats()["bytes_out"] < 5_000


def test_what_the_client_cannot_read_fails_the_test(transport: str) -> None:
    app = App(initial_packet="no packet of Socket.IO")
    with pytest.raises(PacketError, match="unknown packet type"):
        TestClient(app.flask, transport=transport)


def test_an_application_that_raises_later_fails_the_step(world: App) -> None:
    client = TestClient(world.flask)

    def defect(environ: Any, start_response: Any) -> Any:
        raise KeyError("a middleware")

    world.flask.wsgi_app = defect  # type: ignore[method-assign]
    with pytest.raises(KeyError, match="a middleware"):
        client.emit("add", 1, 2)
    assert not client.connected
