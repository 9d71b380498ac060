"""The WebSocket transport: a persistent read watcher and direct, non-blocking sends.

The read callback runs in the hub, decodes frames and hands packets to the owner there and
then. How and when what is sent leaves is in ``writer.py``.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent import get_hub

from ...codec.message import Message, text_packet
from ...codec.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Control,
    FrameDecoder,
    Inflate,
    encode_close,
    encode_frame,
)
from ...errors import FrameError
from ...loop.scheduler import Clock
from ...reasons import Reason
from ..traffic import Traffic
from .transport import TransportOwner
from .writer import WOULD_BLOCK, SocketWriter, refuse, stopped

__all__ = ["WebSocketTransport"]

logger = logging.getLogger(__name__)

_READ = 1
#: Above that of the host's requests. libev serves what became ready together from the last to the
#: first: a GET behind an upgrade packet, on another connection, would be handled before it.
_PRIORITY = 1
#: The first read of a callback; a message that fills it is followed by one large read.
_SHORT_READ = 4096
_LONG_READ = 262_144
_CONTROL_FRAMES = {packet: text_packet(packet) for packet in ("1", "2", "3", "6")}


class WebSocketTransport(SocketWriter):
    """Frames over a socket that the host has handed over.

    Args:
        sock: A gevent socket, plain or TLS; it is switched to non-blocking here.
        max_size: Bytes of the largest message that is accepted.
        max_buffered: Bytes that may wait for the client; see ``backlog.py``.
        traffic: Counts the bytes.
        inflate: Reads compressed messages; ``None`` refuses them.
        clock: Monotonic seconds.
    """

    __slots__ = ("_closing", "_decoder", "_is_reset", "_owner", "_pending", "_reader", "_recv")

    name = "websocket"

    def __init__(
        self,
        sock: Any,
        max_size: int,
        max_buffered: int,
        traffic: Traffic,
        inflate: Inflate | None = None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(sock, max_buffered, traffic, clock)
        self._recv: Callable[[int], bytes]
        # A TLS socket's decrypted bytes, which no watcher sees.
        self._pending: Callable[[], int] | None = getattr(sock, "pending", None)
        self._recv = partial(os.read, sock.fileno()) if self._pending is None else sock.recv
        self._decoder = FrameDecoder(max_size, inflate)
        self._closing = False
        self._is_reset = False
        self._owner: TransportOwner | None = None
        self._reader: Any = None

    @property
    def writable(self) -> bool:
        """Whether a packet would leave at once, or with those of the same turn."""
        return self._writer is None and not self._closing and self._send is not refuse

    @property
    def is_open(self) -> bool:
        """Whether the transport still holds its socket."""
        return self._socket is not None

    def start(self, owner: TransportOwner, leftover: bytes = b"") -> None:
        """Begin to read.

        Args:
            owner: Gets the packets.
            leftover: Bytes that the host had read beyond the request.
        """
        self._owner = owner
        self._reader = get_hub().loop.io(self._socket.fileno(), _READ, True, _PRIORITY)
        self._reader.start(self._on_readable)
        if leftover:
            self._take(leftover)
        if self._pending is not None and self._pending():
            self._on_readable()

    def hand_over(self, owner: TransportOwner) -> None:
        """Give what arrives from now on to another owner: the upgrade is done."""
        self._owner = owner

    # Reading

    def _on_readable(self) -> None:
        try:
            data = self._recv(_SHORT_READ)
            if len(data) == _SHORT_READ:
                data = self._read_more(data)
        except WOULD_BLOCK:
            return
        except OSError as error:
            # The application may keep it: without the frames of this package.
            self._lost(Reason.TRANSPORT_ERROR, error.with_traceback(None))
            return
        if not data:
            self._lost(Reason.TRANSPORT_CLOSE)
            return
        self._traffic.bytes_in += len(data)
        self._take(data)

    def _read_more(self, data: bytes) -> bytes:
        try:
            data += self._recv(_LONG_READ)
            while self._pending is not None and self._pending():
                data += self._recv(_LONG_READ)
        except OSError:
            # Would block, or the end: the next callback sees it.
            pass
        return data

    def _take(self, data: bytes) -> None:
        for message in self._decoder.receive(data):
            owner = self._owner
            if owner is None:
                return
            if message.__class__ is str or message.__class__ is bytes:
                if not self._closing:
                    owner.receive(message)
            else:
                self._take_other(message)  # type: ignore[arg-type]
        if self._outbox is not None:
            self._flush()

    def _take_other(self, message: Control | FrameError) -> None:
        if isinstance(message, FrameError):
            # The text is for the log; test suites of clients expect none here.
            self._write(encode_close(message.close_code))
            self._lost(Reason.TRANSPORT_ERROR, message)
        elif message.opcode == PING:
            self._write(encode_frame(PONG, message.payload))
        elif message.opcode == CLOSE:
            if not self._closing:
                self._write(encode_close(message.code if message.payload else None))
            self._lost(Reason.TRANSPORT_CLOSE)

    def pause(self) -> None:
        """Stop reading: TCP pushes back on the client."""
        if self._reader is not None:
            self._reader.stop()

    def resume(self) -> None:
        """Read on."""
        if self._reader is not None:
            self._reader.start(self._on_readable)
            if self._pending is not None and self._pending():
                get_hub().loop.run_callback(self._on_readable)

    # Writing

    def send(self, message: Message) -> None:
        """Send the frames of a message; never blocks."""
        frames = message.framed
        if frames is None:
            frames = message.frames()
        # As in `_write`: each delivery of a broadcast comes this way.
        size = len(frames)
        self._traffic.bytes_out += size
        turn = self._loop.now()
        if self._outbox is not None or turn == self._turn:
            self._write_later(frames)
            return
        self._turn = turn
        try:
            sent = self._send(frames)
        except OSError as error:
            self._not_sent(frames, error)
        else:
            if sent < size:
                self._queue(memoryview(frames)[sent:])

    def send_control(self, packet: str) -> None:
        """Send a packet that is not a message."""
        self._write(_CONTROL_FRAMES.get(packet) or text_packet(packet))

    def send_packet(self, packet: bytes) -> None:
        """Send a packet in the form of a polling payload."""
        if packet[:1] == b"b":
            self._write(encode_frame(BINARY, b64decode(packet[1:])))
        else:
            self._write(encode_frame(TEXT, packet))

    def _drained(self) -> None:
        if self._owner is not None:
            self._owner.drained()

    # The end

    def close(self, code: int | None = None) -> None:
        """Send what waits and a close frame; the owner's ``lost`` follows the client's answer."""
        if not self._closing and self._socket is not None:
            self._write(encode_close(code))
            self._flush()
            self._closing = True
            self.resume()

    def abort(self) -> None:
        """Stop both watchers and shut the socket down; the host's greenlet closes it.

        What was joined in this turn is written before: it would have left without that.
        """
        self._owner = None
        if self._socket is None:
            return
        self._flush()
        self._reader = stopped(self._reader)
        self._writer = stopped(self._writer)
        self._outbox = None
        sock, self._socket = self._socket, None
        self._recv = self._send = refuse
        if not self._is_reset:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("the peer was gone before the shutdown")

    def _lost(self, reason: str, description: object = None) -> None:
        owner = self._owner
        # Of a connection that was reset, the kernel has nothing left to shut down.
        self._is_reset = isinstance(description, ConnectionResetError)
        self.abort()
        if owner is not None:
            owner.lost(reason, description)
