"""Whatever a client and the server do in whatever order: nothing is lost, doubled or swapped."""

from __future__ import annotations

import io
from typing import Any

import gevent
from gevent import idle
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from flask_realtime.codec.message import Message
from tests.clients import Closed, WebSocketLine
from tests.fakes import deadline, wait_until
from tests.worlds import EngineWorld

STEPS = ("get", "post", "emit", "emit group", "dial", "probe", "finish", "hang up")


class UpgradingClient:
    """A client that keeps the rules of the upgrade, and remembers what it sent and got."""

    def __init__(self, engine: EngineWorld) -> None:
        self.network = engine.network
        self.line = engine.network.polling()
        self.session, self.receiver = engine.handler.last
        self.ws: WebSocketLine | None = None
        self.state = "polling"
        self.get: Any = None
        self.post: Any = None
        self.got: list[str | bytes] = []
        self.sent: list[str] = []
        self.emitted: list[str | bytes] = []

    # What the server does

    def do_emit(self) -> None:
        text = f"out {len(self.emitted)}"
        self.session.send_message(Message(text.encode()))
        self.emitted.append("4" + text)

    def do_emit_group(self) -> None:
        text = f"group {len(self.emitted)}"
        attachments = [text.encode() * 3, b"\x00\xff"]
        self.session.send_message(Message(text.encode(), attachments))
        self.emitted += ["4" + text, *attachments]

    # What the client does, where the protocol allows it

    def do_get(self) -> None:
        self.look()
        if self.get is None and self.state in ("polling", "probing", "probed"):
            self.get = self.line.start()

    def do_post(self) -> None:
        self.look()
        text = f"in {len(self.sent)}"
        if self.state == "upgraded":
            assert self.ws is not None
            self.ws.send("4" + text)
        elif self.post is None and self.state != "pausing":
            self.post = self.line.start("POST", body=f"4{text}".encode())
        else:
            return
        self.sent.append(text)

    def do_dial(self) -> None:
        if self.state == "polling":
            self.ws = self.network.dial(self.line.sid)
            self.state = "dialled"

    def do_probe(self) -> None:
        if self.state == "dialled" and self.ws is not None:
            self.ws.send("2probe")
            self.state = "probing"

    def do_finish(self) -> None:
        """Pause polling; the upgrade packet follows when no request is under way."""
        self.look()
        if self.state == "probed":
            self.state = "pausing"
            self.look()

    def do_hang_up(self) -> None:
        if self.state in ("dialled", "probing", "probed") and self.ws is not None:
            self.ws.leave()
            self.ws.ended()
            self.ws, self.state = None, "polling"

    def look(self) -> None:
        """Take what has arrived."""
        if self.get is not None and self.get.ready():
            answer = self.get.get()
            assert answer.status == 200, answer.text
            self.got += [_decoded(packet) for packet in answer.packets if packet != "6"]
            self.get = None
        if self.post is not None and self.post.ready():
            assert self.post.get().text == "ok"
            self.post = None
        if self.ws is not None and self.state in ("probing", "upgraded"):
            self._read_websocket()
        if self.state == "pausing" and self.get is None and self.post is None:
            assert self.ws is not None
            self.ws.send("5")
            self.state = "upgraded"

    def _read_websocket(self) -> None:
        assert self.ws is not None
        while True:
            with gevent.Timeout(0, False):  # type: ignore[arg-type]
                opcode, payload = self.ws.receive_frame()
                packet = payload.decode() if opcode == 1 else payload
                if self.state == "probing":
                    assert packet == "3probe"
                    self.state = "probed"
                    return
                self.got.append(packet)
                continue
            return

    # The end

    def finish(self) -> None:
        """Wait until everything has arrived on both sides."""

        def complete() -> bool:
            self.look()
            if self.state not in ("pausing", "upgraded") and self.get is None:
                self.get = self.line.start()
            everything = len(self.got) >= len(self.emitted) and self.post is None
            return everything and self.receiver.messages == self.sent

        wait_until(complete, f"everything in state {self.state}")
        assert self.got == self.emitted
        assert self.receiver.messages == self.sent


def _decoded(packet: str) -> str | bytes:
    from base64 import b64decode

    return b64decode(packet[1:]) if packet.startswith("b") else packet


def run(client: UpgradingClient, steps: list[tuple[str, int]]) -> None:
    for step, rounds in steps:
        getattr(client, "do_" + step.replace(" ", "_"))()
        if rounds == 1:
            gevent.sleep(0)
        for _ in range(rounds - 1):
            idle()


scripts = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3)), max_size=40)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=scripts)
def test_any_order_of_steps_keeps_every_packet_once_and_in_order(
    quiet_hub: io.StringIO, steps: list[tuple[str, int]]
) -> None:
    engine = EngineWorld()
    try:
        client = UpgradingClient(engine)
        with deadline("the script"):
            run(client, steps)
            client.finish()
    finally:
        engine.network.close()
    assert not quiet_hub.getvalue()


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=scripts,
    flush=st.booleans(),
    way=st.sampled_from(["server", "close packet", "abandon"]),
)
def test_a_session_that_ends_anywhere_ends_once_and_lets_every_request_go(
    quiet_hub: io.StringIO, steps: list[tuple[str, int]], flush: bool, way: str
) -> None:
    engine = EngineWorld()
    try:
        client = UpgradingClient(engine)
        with deadline("the script"):
            run(client, steps)
            note(f"ends in state {client.state}")
            if way == "server":
                client.session.close(flush=flush)
            elif way == "close packet":
                client.session.receive("1")
            else:
                client.line.abandon()
        engine.network.close()
        engine.time.advance(60)
    finally:
        engine.network.close()
    assert engine.engine.clients_count == 0
    assert len(client.receiver.ends) == 1
    assert client.emitted[: len(client.got)] == client.got
    assert client.sent[: len(client.receiver.messages)] == client.receiver.messages
    assert not quiet_hub.getvalue()


def test_the_scripts_reach_the_upgrade(engine: EngineWorld) -> None:
    client = UpgradingClient(engine)
    names = ["emit", "get", "dial", "probe", "get", "post", "emit group", "finish", "post"]
    run(client, [(name, 3) for name in names])
    client.finish()
    assert client.state == "upgraded"
    client.do_emit()
    client.do_post()
    client.finish()


def test_a_closed_line_is_an_error_and_not_a_success(engine: EngineWorld) -> None:
    client = UpgradingClient(engine)
    run(client, [(name, 3) for name in ("dial", "probe", "finish")])
    while client.state != "upgraded":
        idle()
        client.look()
    client.session.close(flush=False)
    try:
        for _ in range(100):
            idle()
            client.look()
    except Closed:
        return
    raise AssertionError("the end was not noticed")
