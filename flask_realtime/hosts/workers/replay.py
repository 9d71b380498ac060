"""A connection that came from a sibling: what was read there is read here once more."""

from __future__ import annotations

from typing import Any

from gevent import socket

__all__ = ["Address", "ReplaySocket"]

#: From this size on a reader takes whatever comes.
_ANY_SIZE = 4096


class ReplaySocket(socket.socket):
    """A socket that begins with bytes which another worker has read.

    Attributes:
        hops: How often its present request has been handed over; the first one only.
    """

    def __init__(self, descriptor: int, replay: bytes, hops: int) -> None:
        super().__init__(fileno=descriptor)
        self._replay = replay
        self.hops = hops

    def recv(self, size: int, *flags: int) -> bytes:
        """Receive; all that is replayed in one piece, unless the reader wants little."""
        replay = self._replay
        if not replay or flags:
            return super().recv(size, *flags)
        if size < _ANY_SIZE:
            self._replay = replay[size:]
            return replay[:size]
        self._replay = b""
        return replay

    def recv_into(self, buffer: Any, nbytes: int = 0, *flags: int) -> int:
        """Receive into a buffer."""
        replay = self._replay
        if not replay or flags:
            return super().recv_into(buffer, nbytes, *flags)
        size = min(nbytes or len(buffer), len(replay))
        memoryview(buffer)[:size] = replay[:size]
        self._replay = replay[size:]
        return size


class Address:
    """Stands for the listener of a connection: gunicorn asks it for its address alone."""

    def __init__(self, address: Any) -> None:
        self._address = address

    def getsockname(self) -> Any:
        """Return the address."""
        return self._address
