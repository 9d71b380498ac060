"""What a forked child has copies of and must leave to its parent: connections, first of all.

With gevent a child has copies of all greenlets as well. When it waits they run on, read what
clients send to the parent, and answer.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any

from gevent.monkey import get_original

__all__ = ["silence"]

logger = logging.getLogger(__name__)

_socketpair: Callable[[], tuple[socket.socket, socket.socket]] = get_original(
    "socket", "socketpair"
)


def silence(sockets: Iterable[Any]) -> tuple[socket.socket, socket.socket]:
    """Replace the connections of sockets by one on which nothing ever arrives.

    The objects stay open and greenlets that wait for them wait on: closing them would
    wake them. The parent's connections are not touched.

    Returns:
        What has to be kept: without it they end.
    """
    silent, peer = _socketpair()
    silent.setblocking(False)
    for sock in sockets:
        try:
            os.dup2(silent.fileno(), sock.fileno(), inheritable=False)
        except OSError:
            logger.debug("the connection was closed already")
    return silent, peer
