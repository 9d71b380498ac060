"""TCP connections of a host: how they send, and how they end when the server does."""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import Any
from weakref import WeakSet

import gevent
from gevent.monkey import get_original

from .forked import silence

__all__ = [
    "Connections",
    "ResponseLost",
    "close_in_stages",
    "drain",
    "read_no_more",
    "set_nodelay",
]

logger = logging.getLogger(__name__)

_Socket = get_original("socket", "socket")

#: Bytes and seconds for what a client still sends after an answer that ends the connection.
LINGER_BYTES = 16_777_216
LINGER_TIMEOUT = 5.0

_STEP = 65_536


class ResponseLost(OSError):
    """The client is gone or too slow; a broken pipe, which is not logged."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "the response was not taken")


class Connections:
    """The HTTP connections of a worker, and which of them serve a request.

    A connection that waits for a next request would keep the worker until its time is over.
    """

    def __init__(self) -> None:
        self._open: WeakSet[Any] = WeakSet()
        self._busy: set[Any] = set()
        self._closing = False
        self._silence: Any = None

    def enter(self, sock: Any) -> None:
        """Note that a request has arrived."""
        self._open.add(sock)
        self._busy.add(sock)

    def leave(self, sock: Any, successor: Any = None) -> None:
        """Note that the application has answered.

        Args:
            sock: The connection.
            successor: What a WebSocket has in its place, or the same.
        """
        self._busy.discard(sock)
        if successor is not None and successor is not sock:
            self._open.add(successor)
        elif self._closing:
            read_no_more(sock)

    def forget(self) -> None:
        """Read nothing in this process: a forked child, which has copies."""
        self._silence = silence(list(self._open))

    def close_idle(self) -> None:
        """Let every connection end, those that serve a request after that."""
        self._closing = True
        for sock in list(self._open):
            if sock not in self._busy:
                read_no_more(sock)


def read_no_more(sock: Any) -> None:
    """Let a connection end: what has arrived is read, then its reader sees the end.

    An answer under way is not disturbed.
    """
    try:
        # On a duplicate: gevent's own `shutdown` would raise an error in the reader.
        with _Socket(fileno=os.dup(sock.fileno())) as duplicate:
            duplicate.shutdown(socket.SHUT_RD)
    except OSError:
        logger.debug("the connection was closed already")


def set_nodelay(sock: Any) -> None:
    """Send each segment at once."""
    try:
        # pywsgi writes head and body separately; Nagle's algorithm and delayed
        # acknowledgements would cost each poll 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        logger.debug("not a TCP socket, or gone already")


def drain(sock: Any) -> bool:
    """Take what has arrived, and do not wait; returns whether there was something."""
    sock.settimeout(0)
    try:
        return bool(sock.recv(_STEP))
    except OSError:
        return False


def close_in_stages(sock: Any) -> None:
    """Send no more, and read what still comes, within bounds (RFC 9112 §9.6).

    To bytes that it closes on unread, the kernel answers with a reset, at which the client's
    kernel drops what its program has not read yet: the answer.

    Raises:
        OSError: The client is gone.
    """
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(None)
    room = LINGER_BYTES
    try:
        with gevent.Timeout(LINGER_TIMEOUT):
            while room > 0 and (data := sock.recv(_STEP)):
                room -= len(data)
    except gevent.Timeout:
        logger.debug("a client goes on sending behind the answer")
