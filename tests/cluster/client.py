"""A client over a raw WebSocket: keeps what it hears, answers what it is told to answer."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import websocket

from tests.cluster.values import freeze
from tests.processes import Late

PATIENCE = 5.0
PACKET = re.compile(r"^(\d)(?:(\d+)-)?(?:(/[^,]*),)?(\d*)(.*)$", re.DOTALL)

Event = list[Any]  # its name and its arguments


class Client:
    """One socket in one namespace.

    Args:
        url: The server, as ``ws://…``.
        nsp: The namespace.
        auth: The payload of the CONNECT packet.
        answers: What it answers to events that ask, by name; it says nothing to others.

    Attributes:
        sid: Its id.
        pid: Its private id, where the server can recover connections.
        offset: The last string at the end of an event, which a recovery begins after.
    """

    def __init__(
        self,
        url: str,
        nsp: str = "/",
        auth: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> None:
        self.nsp = nsp
        self.answers = dict(answers or {})
        self.sid = self.pid = self.offset = ""
        self.is_closed = False
        self._head = "" if nsp == "/" else f"{nsp},"
        self._news = threading.Condition()
        self._events: list[Event] = []
        self._ended = ""
        self._ws = websocket.create_connection(
            f"{url}/socket.io/?EIO=4&transport=websocket&from=tests", timeout=PATIENCE
        )
        assert str(self._ws.recv()).startswith("0{")
        self._ws.send(f"40{self._head}{json.dumps(auth or {})}")
        # The heartbeat ends what hangs; a quiet connection is none of it.
        self._ws.settimeout(60)
        self._reader = threading.Thread(target=self._read, name=f"client of {url}", daemon=True)
        self._reader.start()

    # What comes

    def _read(self) -> None:
        try:
            while True:
                message = self._ws.recv()
                if message == "2":
                    self._ws.send("3")
                elif isinstance(message, str) and message.startswith("4"):
                    self._packet(message[1:])
        except (OSError, websocket.WebSocketException) as error:
            self._end(f"closed: {error}")

    def _packet(self, packet: str) -> None:
        found = PACKET.match(packet)
        assert found is not None, packet
        kind, attachments, nsp, ack_id, text = found.groups()
        assert (nsp or "/") == self.nsp, packet
        data: Any = json.loads(text) if text else None
        if attachments:
            data = fill(data, [self._ws.recv() for _ in range(int(attachments))])
        if kind == "0":
            with self._news:
                self.pid = data.get("pid", "")
                self.sid = data["sid"]
                self._news.notify_all()
        elif kind in "25":
            self._event(data, ack_id)
        elif kind == "1":
            self._end("server namespace disconnect")
        else:
            raise AssertionError(packet)

    def _event(self, data: Event, ack_id: str) -> None:
        if self.pid and not ack_id and isinstance(data[-1], str) and len(data) > 1:
            self.offset = data[-1]
        if ack_id and data[0] in self.answers:
            self._answer(ack_id, self.answers[data[0]])
        with self._news:
            self._events.append(data)
            self._news.notify_all()

    def _answer(self, ack_id: str, answer: Any) -> None:
        values = list(answer) if isinstance(answer, tuple) else [answer]
        attachments: list[bytes] = []
        text = json.dumps(take_out(values, attachments))
        kind = f"6{len(attachments)}-" if attachments else "3"
        self._ws.send(f"4{kind}{self._head}{ack_id}{text}")
        for attachment in attachments:
            self._ws.send_binary(attachment)

    def _end(self, why: str) -> None:
        with self._news:
            self._ended = self._ended or why
            self.is_closed = self.is_closed or why.startswith("closed")
            self._news.notify_all()

    # What tests ask

    def _wait(self, probe: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
        deadline = time.monotonic() + within
        with self._news:
            while not (found := probe()):
                if not self._news.wait(max(0, deadline - time.monotonic())):
                    raise Late(f"{self!r}: no {what} within {within:g} s; {self._events[-20:]}")
            return found

    def wait_ready(self) -> None:
        """Wait until the server has put it into its rooms."""
        self._wait(lambda: self.sid and ["ready"] in self.plain(), "ready")
        with self._news:
            self._events = [event for event in self.plain() if event != ["ready"]]

    def plain(self) -> list[Event]:
        """The events, without the offsets of a recovery."""
        if not self.pid:
            return list(self._events)
        return [event[:-1] if is_offset(event[-1]) else event for event in self._events]

    def events(self) -> list[Event]:
        """All events so far."""
        with self._news:
            return self.plain()

    def named(self, name: str) -> list[list[Any]]:
        """The arguments of the events of this name so far."""
        return [event[1:] for event in self.events() if event[0] == name]

    def expect(self, name: str, *args: Any, within: float = PATIENCE) -> None:
        """Wait for an event with these arguments."""
        wanted = [name, *args]
        self._wait(lambda: wanted in self.plain(), f"event {wanted!r}", within)

    def wait_ended(self, within: float = PATIENCE) -> str:
        """Wait until the server has ended the socket; how."""
        found: str = self._wait(lambda: self._ended, "end", within)
        return found

    def wait_closed(self, within: float = PATIENCE) -> None:
        """Wait until the server has closed the connection."""
        self._wait(lambda: self.is_closed, "end of the connection", within)

    def send(self, event: str, *args: Any) -> None:
        self._ws.send(f"42{self._head}{json.dumps(freeze([event, *args]))}")

    def close(self) -> None:
        """Drop the connection without a word."""
        if self._ws.sock is not None:
            with contextlib.suppress(OSError):
                self._ws.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(PATIENCE)
        self._ws.shutdown()  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"<Client {self.sid or '?'} {self._ended}>"


def is_offset(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+-\d+", value) is not None


def fill(value: Any, attachments: list[Any]) -> Any:
    """Put attachments where their placeholders are."""
    if isinstance(value, dict):
        if value.get("_placeholder"):
            return bytes(attachments[value["num"]])
        return {key: fill(item, attachments) for key, item in value.items()}
    return [fill(item, attachments) for item in value] if isinstance(value, list) else value


def take_out(value: Any, attachments: list[bytes]) -> Any:
    """Put placeholders where attachments are."""
    if isinstance(value, bytes):
        attachments.append(value)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        return {key: take_out(item, attachments) for key, item in value.items()}
    return [take_out(item, attachments) for item in value] if isinstance(value, list) else value
