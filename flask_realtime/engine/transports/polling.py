"""The polling transport: packets wait for a GET, and POSTs bring some.

Engine.IO protocol, "HTTP long-polling".

Rule: the caller of :meth:`PollingTransport.poll` or ``post`` answers the request; this file makes
the bodies and knows nothing of WSGI.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import gevent
from gevent import get_hub
from gevent.hub import Waiter

from ...codec.message import Message
from ...codec.payload import Payload
from ...errors import PacketError, SlowClient
from ...loop.scheduler import Clock
from ...reasons import Reason
from .backlog import Backlog
from .transport import TransportOwner

__all__ = ["Overlap", "PayloadCodec", "PollingTransport", "Response"]

#: The highest priority of libev: an idle watcher of it waits for one round of the loop.
_HIGHEST = 2
#: Packets of a POST that are taken before other greenlets have their turn: a body may hold half
#: a million.
_AT_ONCE = 500
#: Bytes of packets from which a response is full; what is left waits for the next GET.
_RESPONSE = 1_048_576


class Overlap(Exception):
    """The client has more than one GET, or more than one POST, under way."""


class PayloadCodec(Protocol):
    """Packets to the bodies of responses, and the bodies of POSTs to packets."""

    @property
    def reads_binary(self) -> bool:
        """Whether the body of a POST may be binary."""

    def packets(self, message: Message) -> Sequence[bytes]:
        """Return the packets of a message, as :meth:`encode` takes them."""

    def encode(self, packets: Sequence[bytes]) -> tuple[bytes, bool]:
        """Return a body, and whether it is binary."""

    def decode(self, body: bytes, is_binary: bool) -> Iterator[str | bytes]:
        """Yield the packets of a body; raises :exc:`PacketError` where it cannot be read."""


class Response:
    """The body of a polling response, whether it may be compressed and whether it is binary."""

    __slots__ = ("body", "compress", "is_binary")

    def __init__(self, body: bytes, compress: bool = False, is_binary: bool = False) -> None:
        self.body: bytes = body
        self.compress: bool = compress
        self.is_binary: bool = is_binary


class PollingTransport:
    """Buffers packets until a GET takes them.

    Args:
        owner: Gets the packets of POSTs.
        max_buffered: Bytes that may wait for a GET; see ``backlog.py``.
        codec: The form of the payloads; that of protocol 4 by default.
        clock: Monotonic seconds.
    """

    __slots__ = (
        "_backlog",
        "_clock",
        "_closing",
        "_codec",
        "_compress",
        "_max_buffered",
        "_owner",
        "_packets",
        "_posting",
        "_size",
        "_told",
        "_waiter",
        "_waking",
    )

    name = "polling"

    def __init__(
        self,
        owner: TransportOwner,
        max_buffered: int,
        codec: PayloadCodec | None = None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._codec: PayloadCodec = codec or Payload()
        self._owner: TransportOwner | None = owner
        self._max_buffered = max_buffered
        self._packets: list[bytes] = []
        self._size = 0
        self._backlog: Backlog | None = None
        self._clock = clock
        self._compress = False
        self._waiter: Waiter[Response] | None = None
        self._waking = False
        self._posting = False
        self._told = False
        self._closing = False

    @property
    def writable(self) -> bool:
        """Whether a GET is waiting for a packet."""
        return self._waiter is not None and not self._packets

    @property
    def has_answer(self) -> bool:
        """Whether :meth:`poll` would not block."""
        return bool(self._packets) or self._waiter is not None or self._is_over

    @property
    def _is_over(self) -> bool:
        return self._closing or self._owner is None

    @property
    def reads_binary(self) -> bool:
        """Whether the body of a POST may be binary."""
        return self._codec.reads_binary

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait for a GET."""
        return self._size

    def send(self, message: Message) -> None:
        """Buffer the packets of a message for the next response."""
        self._compress = self._compress or message.compress
        for packet in self._codec.packets(message):
            self._append(packet)

    def send_control(self, packet: str) -> None:
        """Buffer a packet that is not a message."""
        self._append(packet.encode())

    def _append(self, packet: bytes) -> None:
        if self._owner is None:
            return
        if self._size + len(packet) > self._max_buffered and not self._may_wait(len(packet)):
            return
        self._packets.append(packet)
        self._size += len(packet)
        if self._waiter is not None:
            self._wake()

    def _may_wait(self, more: int) -> bool:
        if self._max_buffered == 0:
            return False
        now = self._clock()
        if self._backlog is None:
            self._backlog = Backlog(self._max_buffered, self._size, now)
        problem = self._backlog.problem(self._size, more, now)
        if problem is not None:
            # Nothing may follow what was left out.
            self._max_buffered = 0
            error = SlowClient(problem)
            get_hub().loop.run_callback(self._lost, Reason.TRANSPORT_ERROR, error)
        return problem is None

    def _wake(self) -> None:
        # In the next round of the hub: packets that are sent together share one response.
        if self._waiter is not None and not self._waking:
            self._waking = True
            get_hub().loop.run_callback(self._answer)

    def _answer(self) -> None:
        self._waking = False
        waiter = self._waiter
        if waiter is not None and (self._packets or self._is_over):
            self._waiter = None
            waiter.switch(self.take())

    def take(self) -> Response:
        """Return the buffered packets, or the first of a great many, as a response."""
        if self._size > _RESPONSE and len(self._packets) > 1:
            return self._take_some()
        packets, self._packets = self._packets, []
        compress, self._compress = self._compress, False
        self._size = 0
        self._backlog = None
        if self._owner is not None:
            if self._closing and not packets:
                packets = [b"6", b"1"]
                self._lost(Reason.FORCED_CLOSE)
            else:
                # What was sent before the end has a response of its own: clients handle a
                # close packet before the messages in front of it.
                self._owner.drained()
        return self._response(packets or [b"1"], compress)

    def _take_some(self) -> Response:
        # Never less than one packet, however large.
        size = len(self._packets[0])
        count = 1
        while size + len(self._packets[count]) <= _RESPONSE:
            size += len(self._packets[count])
            count += 1
        packets = self._packets[:count]
        del self._packets[:count]
        self._size -= size
        if self._size <= self._max_buffered:
            self._backlog = None
        return self._response(packets, self._compress)

    def _response(self, packets: list[bytes], compress: bool = False) -> Response:
        body, is_binary = self._codec.encode(packets)
        return Response(body, compress, is_binary)

    def poll(self) -> Response:
        """Answer a GET: block until there is a packet or the session ends.

        Raises:
            Overlap: Another GET is under way; the session is closed.
        """
        if self._waiter is not None:
            self._lost(Reason.TRANSPORT_ERROR, "overlap from client")
            raise Overlap
        if self._packets or self._is_over:
            return self.take()
        waiter: Waiter[Response] = Waiter()
        self._waiter = waiter
        try:
            response: Response = waiter.get()
            return response
        finally:
            if self._waiter is waiter:
                self._waiter = None

    def answer_noop(self) -> None:
        """Answer the GET that is under way, if any, although there is nothing to send."""
        if self._waiter is not None and not self._packets:
            self._append(b"6")

    def begin_post(self) -> None:
        """Begin a POST.

        Raises:
            Overlap: Another POST is under way; the session is closed.
        """
        if self._posting:
            self._lost(Reason.TRANSPORT_ERROR, "data request overlap from client")
            raise Overlap
        self._posting = True

    def end_post(self) -> None:
        """End the POST, however it went."""
        self._posting = False

    def first_too_large(self) -> bool:
        """Note a POST above the limit; return whether it is the first."""
        told, self._told = self._told, True
        return not told

    def post(self, body: bytes, is_binary: bool = False) -> None:
        """Take the packets of a POST; other greenlets have their turn between many of them.

        Raises:
            PacketError: One of them cannot be read; the session is closed.
        """
        try:
            for number, packet in enumerate(self._codec.decode(body, is_binary), 1):
                if self._owner is None:
                    return
                self._owner.receive(packet)
                if number % _AT_ONCE == 0:
                    gevent.idle(_HIGHEST)
        except PacketError as error:
            self._lost(Reason.PARSE_ERROR, error)
            raise

    def pause(self) -> None:
        """Do nothing: POSTs wait for room in the inbox."""

    def resume(self) -> None:
        """Do nothing."""

    def close(self, code: int | None = None) -> None:
        """Let the next GET take what is buffered and a close packet."""
        self._closing = True
        self._wake()

    def abort(self) -> None:
        """Answer the GET that is under way with what is buffered or a close packet."""
        self._owner = None
        self._wake()

    def discard(self) -> list[bytes]:
        """End polling after an upgrade: return what is buffered, answer a GET with a noop."""
        packets, self._packets, self._size = self._packets, [], 0
        self._owner = None
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            get_hub().loop.run_callback(waiter.switch, self._response([b"6"]))
        return packets

    def _lost(self, reason: str, description: Any = None) -> None:
        owner, self._owner = self._owner, None
        self._wake()
        if owner is not None:
            owner.lost(reason, description)
