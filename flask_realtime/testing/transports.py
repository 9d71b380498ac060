"""The two transports of a test client: long-polling, and a WebSocket on a pair of sockets.

Each speaks Engine.IO 4 with the application: it opens a session, sends packets in order and
passes on what comes. A packet is text with its type digit, or the bytes of a binary message.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import gevent
from gevent import socket
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

from ..codec.message import Message
from ..codec.payload import decode_payload, encode_payload
from ..engine.requests.host import StartResponse
from ..errors import ConnectError
from ..hosts.finder import HOST_SOCKET_KEY
from .browser import Browser, Exchange
from .frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, frame, text_frame

__all__ = ["TRANSPORTS", "Line", "LineOwner", "PollingLine", "WebSocketLine", "payloads"]

Packet = str | bytes

_READ = 65536
_GONE = "transport close"
#: What clients that send Accept-Encoding may get.
_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
_UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class LineOwner(Protocol):
    """The connection that a line belongs to."""

    def receive(self, packet: Packet) -> None:
        """A packet has come."""

    def opened(self) -> None:
        """The session is open, or will not be."""

    def closed(self, reason: str) -> None:
        """The session is over; called once."""

    def failed(self, error: Exception) -> None:
        """The application has raised, outside of handlers."""


class PairSocket:
    """The server's end of a pair of sockets, as a WSGI server gives it to the engine.

    Args:
        sock: The socket.
        start_response: Of the request.
    """

    is_upgraded = False
    can_peek = True

    def __init__(self, sock: Any, start_response: StartResponse) -> None:
        self.socket = sock
        self._start_response = start_response

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101 and let the frames have the socket."""
        self._start_response("101 Switching Protocols", list(headers))
        if first:
            self.socket.sendall(first)
        return b""

    def writer_of(self, write: Any) -> Any:
        """Return this: the answer goes to the test client, whichever middleware hands it on."""
        return self

    def detach(self, lost: Callable[[str], None]) -> None:
        """Return nothing: the request lasts as long as the WebSocket."""

    def give_back(self) -> None:
        """Do nothing: the greenlet of the request closes the socket."""


class Line(ABC):
    """One Engine.IO session.

    Args:
        browser: Makes the requests.
        owner: Gets what comes.

    Attributes:
        handshake: The content of the OPEN packet; empty before it has come.
        refusal: Why the server has refused the handshake, if it has.
    """

    name: str

    def __init__(self, browser: Browser, owner: LineOwner) -> None:
        self.handshake: dict[str, Any] = {}
        self.refusal: ConnectError | None = None
        self._browser = browser
        self._owner = owner
        self._queue: deque[Message | str] = deque()
        self._is_sending = False
        self._is_over = False
        # The server's end of a connection, and the client's.
        self._server: socket.socket
        self._client: socket.socket

    @property
    def is_busy(self) -> bool:
        """Whether something is being sent, or a request goes on although the session is over."""
        return self._is_sending

    def open(self) -> None:
        """Begin the handshake; ``owner.opened()`` tells that it is over."""
        self._server, self._client = socket.socketpair()
        self._begin()

    def _host(self) -> dict[str, Any]:
        return {HOST_SOCKET_KEY: partial(PairSocket, self._server)}

    @abstractmethod
    def _begin(self) -> None:
        """Make the first request, and read on after it; does not block."""

    @abstractmethod
    def close(self) -> None:
        """Close the session in an orderly manner."""

    @abstractmethod
    def drop(self) -> None:
        """Break the connection without a word."""

    @abstractmethod
    def _transmit(self, packets: list[Message | str]) -> None:
        """Send packets; may block."""

    def send(self, packet: Message | str) -> None:
        """Send a message, or a control packet, after those before it; does not block."""
        if self._is_over:
            return
        self._queue.append(packet)
        if not self._is_sending:
            self._is_sending = True
            gevent.spawn(self._send_queue)

    def _send_queue(self) -> None:
        try:
            while self._queue:
                packets = list(self._queue)
                self._queue.clear()
                self._transmit(packets)
        except OSError:
            self._end(_GONE)
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self._fail(error)
        finally:
            self._is_sending = False

    def _request(self, method: str, query: dict[str, str], **more: Any) -> EnvironBuilder:
        query = {"EIO": "4", "transport": self.name, **query}
        return self._browser.request(method, query, **more)

    def _refuse(self, answer: Response) -> None:
        body = answer.get_data(as_text=True)
        try:
            data = json.loads(body)
            message = str(data["message"])
        except (ValueError, TypeError, KeyError):
            data, message = None, body or answer.status
        self.refusal = ConnectError(message, data)
        self._end(_GONE)
        self._owner.opened()

    def _fail(self, error: Exception) -> None:
        self._end(_GONE)
        self._owner.failed(error)
        self._owner.opened()

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, str) and packet[:1] == "0":
            self.handshake = json.loads(packet[1:])
            self._owner.opened()
        elif packet == "1":
            self._end(_GONE)
        elif packet == "2":
            self.send("3")
        elif isinstance(packet, bytes) or packet[:1] == "4":
            self._owner.receive(packet)

    def _end(self, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._client.close()
            self._owner.closed(reason)


class PollingLine(Line):
    """A session on long-polling: a GET that waits, and POSTs."""

    name = "polling"

    def __init__(self, browser: Browser, owner: LineOwner) -> None:
        super().__init__(browser, owner)
        self._is_polling = False
        self._is_closing = False

    @property
    def is_busy(self) -> bool:
        """See :class:`Line`; a GET that waits for a packet does not count."""
        return self._is_sending or (self._is_polling and (self._is_over or self._is_closing))

    def _begin(self) -> None:
        self._is_polling = True
        gevent.spawn(self._poll)

    def _poll(self) -> None:
        try:
            while not self._is_over:
                self._get()
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self._fail(error)
        finally:
            self._is_polling = False
            self._server.close()

    def _get(self) -> None:
        query = {"sid": self.handshake["sid"]} if self.handshake else {}
        answer = self._browser.call(self._request("GET", query, wsgi=self._host()))
        if answer.status_code != 200:
            if self.handshake:
                self._end(_GONE)
            else:
                self._refuse(answer)
            return
        for packet in decode_payload(_decompressed(answer)):
            self._take(packet)
        if self._is_closing:
            self._end(_GONE)

    def _transmit(self, packets: list[Message | str]) -> None:
        for body in payloads(packets, self.handshake["maxPayload"]):
            query = {"sid": self.handshake["sid"]}
            answer = self._browser.call(self._request("POST", query, body=body))
            if answer.status_code != 200:
                self._end(_GONE)
                return

    def close(self) -> None:
        """Close the session by a packet in a POST."""
        self.send("1")
        self._is_closing = True

    def drop(self) -> None:
        """Break the connection of the GET that waits."""
        self._end(_GONE)


def _decompressed(answer: Response) -> bytes:
    decompress = _DECOMPRESS[answer.headers.get("Content-Encoding", "")]
    return decompress(answer.get_data())


def payloads(packets: Sequence[Message | str], limit: int) -> list[bytes]:
    """Return the bodies of POSTs; what is above the limit by itself has one of its own."""
    bodies: list[list[bytes]] = []
    size = 0
    for item in packets:
        for packet in (item.encode(),) if isinstance(item, str) else item.packets():
            size += len(packet) + 1
            if not bodies or size > limit:
                bodies.append([])
                size = len(packet)
            bodies[-1].append(packet)
    return [encode_payload(body) for body in bodies]


class WebSocketLine(Line):
    """A session on a WebSocket whose other end the application has."""

    name = "websocket"

    def __init__(self, browser: Browser, owner: LineOwner) -> None:
        super().__init__(browser, owner)
        self._exchange: Exchange | None = None
        self._frames = FrameReader()

    @property
    def is_busy(self) -> bool:
        """See :class:`Line`; a session that is open does not count, handlers do elsewhere."""
        exchange = self._exchange
        hangs = self._is_over and exchange is not None and not exchange.is_done
        return self._is_sending or hangs

    def _begin(self) -> None:
        request = self._request("GET", {}, headers=_UPGRADE, wsgi=self._host())
        self._exchange = Exchange(self._browser, request, self._served)
        gevent.spawn(self._read)

    def _served(self, error: Exception | None) -> None:
        self._server.close()
        if error is not None and self.handshake:
            self._owner.failed(error)

    def _read(self) -> None:
        try:
            while not self._is_over and (data := self._client.recv(_READ)):
                self._frames.feed(data)
                while not self._is_over and (found := self._frames.next()) is not None:
                    self._take_frame(*found)
        except OSError:
            pass  # dropped by the client itself, or reset by the server
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self._fail(error)
        finally:
            self._end(_GONE)
        if not self.handshake and self._exchange is not None:
            try:
                self._refuse(self._exchange.answer())
            except Exception as error:  # noqa: BLE001 - raised again where the test waits
                self._fail(error)

    def _take_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self._take(payload.decode())
        elif opcode == BINARY:
            self._take(payload)
        elif opcode == PING:
            self._client.sendall(frame(PONG, payload))
        elif opcode == CLOSE:
            with contextlib.suppress(OSError):
                self._client.sendall(frame(CLOSE, payload[:2]))
            self._end(_GONE)

    def _transmit(self, packets: list[Message | str]) -> None:
        for packet in packets:
            if isinstance(packet, str):
                self._client.sendall(_CLOSE if packet == "1" else text_frame(packet))
                continue
            text = b"" if packet.text is None else frame(TEXT, b"4" + packet.text)
            self._client.sendall(
                text + b"".join(frame(BINARY, bytes(data)) for data in packet.attachments)
            )

    def close(self) -> None:
        """Close the session by a close frame, as browsers do."""
        self.send("1")

    def drop(self) -> None:
        """Close the connection without a close frame."""
        self._end(_GONE)


_CLOSE = frame(CLOSE, b"")

#: The lines by the names of their transports.
TRANSPORTS: dict[str, type[Line]] = {"polling": PollingLine, "websocket": WebSocketLine}
