"""A TLS connection for a sibling: its state cannot move, so its bytes go through this worker."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

import gevent
from gevent import socket as gevent_socket

__all__ = ["Pump"]

logger = logging.getLogger(__name__)

_SIZE = 65_536


class Pump:
    """Passes bytes between a client and one end of a socket pair.

    Args:
        client: The TLS connection.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.outer: Any
        self._inner, self.outer = gevent_socket.socketpair()

    def run(self) -> None:
        """Pass bytes until the sibling has ended the connection; then it is over."""
        self.outer.close()
        reader = gevent.spawn(self._pass_in)
        try:
            self._client.settimeout(None)
            with contextlib.suppress(OSError):
                while data := self._inner.recv(_SIZE):
                    self._client.sendall(data)
        finally:
            reader.kill()
            self._inner.close()

    def drain(self) -> None:
        """Let the connection end after the request that is being served."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_WR)

    def _pass_in(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(_SIZE):
                self._inner.sendall(data)
        # The client has ended its side: the sibling answers what came before.
        self.drain()

    def abandon(self) -> None:
        """The other end is not needed: the connection stays as it is."""
        self._inner.close()
        self.outer.close()
