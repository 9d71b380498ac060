"""Direct, non-blocking writes to the socket of a WebSocket; it knows nothing of sessions.

What is written leaves from whichever greenlet emits; what the kernel does not take waits in a
bounded outbox that a watcher drains. Nothing here ever blocks.

A turn of the hub is what runs between two of its polls. The first that is written in a turn
leaves at once; what follows in the same turn is joined, and leaves in one write: when all frames
of a read have been handled, and otherwise when the hub is back. A handler that blocks switches
to the hub, so what it has sent does not wait for it. The outbox has three states::

    None                nothing waits
    without a watcher   what waits was joined in this turn; `flush` is scheduled
    with a watcher      the kernel is full: what waits is written when it has room
"""

from __future__ import annotations

import os
import ssl
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gevent import get_hub

from ...errors import SlowClient
from ...loop.scheduler import Clock
from ...reasons import Reason
from ..traffic import Traffic
from .backlog import Backlog

__all__ = ["WOULD_BLOCK", "SocketWriter", "refuse", "stopped"]

_WRITE = 2
#: Bytes that are joined at most: more are worth a write of their own.
_TOGETHER = 16_384
#: Seconds after which a turn joins no more: each step of a long computation is seen at once.
_LONG_TURN = 0.02
WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SocketWriter:
    """The half of a WebSocket transport that writes.

    Args:
        sock: A gevent socket, plain or TLS; it is switched to non-blocking here.
        max_buffered: Bytes that may wait for the client; see ``backlog.py``.
        traffic: Counts the bytes.
        clock: Monotonic seconds.
    """

    __slots__ = (
        "_backlog",
        "_clock",
        "_loop",
        "_max_buffered",
        "_outbox",
        "_send",
        "_size",
        "_socket",
        "_together",
        "_traffic",
        "_turn",
        "_writer",
    )

    def __init__(self, sock: Any, max_buffered: int, traffic: Traffic, clock: Clock) -> None:
        sock.settimeout(0)
        self._socket = sock
        self._send: Callable[[bytes | memoryview], int]
        # The descriptor itself: gevent's methods would only add a frame around each call.
        is_tls = hasattr(sock, "pending")
        self._send = sock.send if is_tls else partial(os.write, sock.fileno())
        self._max_buffered = max_buffered
        self._together = min(_TOGETHER, max_buffered)
        self._traffic = traffic
        self._clock = clock
        self._outbox: deque[bytes | memoryview] | None = None
        self._size = 0
        self._backlog: Backlog | None = None
        self._writer: Any = None
        self._loop: Any = get_hub().loop
        # When the turn began in which something was written last: the time of the loop, which
        # stands still within a turn.
        self._turn = 0.0

    @property
    def buffered_bytes(self) -> int:
        """How many bytes the kernel has not taken yet."""
        return self._size

    # What the transport does then

    def _drained(self) -> None:
        raise NotImplementedError

    def _lost(self, reason: str, description: object = None) -> None:
        raise NotImplementedError

    # Writing

    def _write(self, frames: bytes) -> None:
        self._traffic.bytes_out += len(frames)
        turn = self._loop.now()
        if self._outbox is not None or turn == self._turn:
            self._write_later(frames)
        else:
            self._turn = turn
            self._write_now(frames)

    def _write_now(self, frames: bytes) -> bool:
        """Return whether the kernel has taken everything."""
        try:
            sent = self._send(frames)
        except OSError as error:
            self._not_sent(frames, error)
            return False
        if sent < len(frames):
            self._queue(memoryview(frames)[sent:])
        return sent == len(frames)

    def _not_sent(self, frames: bytes, error: OSError) -> None:
        if isinstance(error, WOULD_BLOCK):
            self._queue(frames)
        else:
            self._broken(error)

    def _write_later(self, frames: bytes) -> None:
        """Write what does not come first: join it, or queue it behind what the kernel leaves."""
        # libuv's loop counts from another time than `time`: nothing is joined there.
        is_short = time.time() - self._turn < _LONG_TURN
        if not is_short or self._size + len(frames) > self._together:
            self._flush()
        if self._writer is not None:
            self._queue(frames)
        elif is_short and len(frames) <= self._together:
            self._join(frames)
        else:
            self._write_now(frames)

    def _join(self, frames: bytes) -> None:
        if self._outbox is None:
            self._outbox = deque()
            self._loop.run_callback(self._flush)
        self._outbox.append(frames)
        self._size += len(frames)

    def _flush(self) -> None:
        """Write what was joined in this turn, unless that has happened already."""
        if self._outbox is None or self._writer is not None:
            return
        frames = b"".join(self._outbox)
        self._outbox = None
        self._size = 0
        if self._write_now(frames):
            self._drained()

    def _queue(self, data: bytes | memoryview) -> None:
        if self._socket is None:
            return
        if self._size + len(data) > self._max_buffered and not self._may_wait(len(data)):
            return
        if self._outbox is None:
            self._outbox = deque()
        self._outbox.append(data)
        self._size += len(data)
        if self._writer is None:
            self._writer = get_hub().loop.io(self._socket.fileno(), _WRITE)
            self._writer.start(self._on_writable)

    def _may_wait(self, more: int) -> bool:
        # What the kernel takes now, the client has made room for: also in the middle of a burst.
        try:
            self._drain()
        except WOULD_BLOCK:
            pass
        except OSError as error:
            self._broken(error)
            return False
        now = self._clock()
        if self._backlog is None:
            self._backlog = Backlog(self._max_buffered, self._size, now)
        problem = self._backlog.problem(self._size, more, now)
        if problem is not None:
            self._broken(SlowClient(problem))
        return problem is None

    def _drain(self) -> None:
        outbox = self._outbox
        try:
            while outbox:
                data = outbox[0]
                sent = self._send(data)
                self._size -= sent
                if sent < len(data):
                    outbox[0] = memoryview(data)[sent:]
                    break
                outbox.popleft()
        finally:
            if self._size <= self._max_buffered:
                self._backlog = None

    def _on_writable(self) -> None:
        try:
            self._drain()
        except WOULD_BLOCK:
            return
        except OSError as error:
            self._lost(Reason.TRANSPORT_ERROR, error)
            return
        if self._outbox:
            return
        self._outbox = None
        self._writer = stopped(self._writer)
        self._drained()

    def _broken(self, error: Exception) -> None:
        # The emitter goes on: what follows from the loss happens in the hub, not on its stack.
        # Nothing may follow what was cut off.
        self._send = refuse
        self._outbox = None
        self._size = 0
        get_hub().loop.run_callback(self._lost, Reason.TRANSPORT_ERROR, error)


def stopped(watcher: Any) -> Any:
    """Stop a watcher of the hub, if there is one; return ``None``, to be put in its place."""
    if watcher is not None:
        watcher.stop()
        watcher.close()
    return None


def refuse(_: object) -> Any:
    """Raise what writing to a connection raises that is over."""
    raise ConnectionResetError("the connection is closed")
